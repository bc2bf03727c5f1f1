#include <holdfast/error.hpp>

#include <array>

namespace holdfast {
namespace {

struct Face {
  ErrorCode code;
  int status;
  bool retryable;
  std::string_view name;
  std::string_view title;
};

constexpr std::array kFaces{
    Face{ErrorCode::invalid_body, 400, false, "invalid_body", "The body is not valid"},
    Face{ErrorCode::invalid_name, 400, false, "invalid_name", "The name is not valid"},
    Face{ErrorCode::invalid_cursor, 400, false, "invalid_cursor", "The cursor is not valid"},
    Face{ErrorCode::invalid_request, 400, false, "invalid_request", "The request is not valid"},
    Face{ErrorCode::model_required, 400, false, "model_required", "A model is required"},
    Face{ErrorCode::ambiguous_credentials, 400, false, "ambiguous_credentials", "More than one credential"},
    Face{ErrorCode::unauthorized, 401, false, "unauthorized", "Authentication is required"},
    Face{ErrorCode::forbidden, 403, false, "forbidden", "Not allowed with this credential"},
    Face{ErrorCode::not_found, 404, false, "not_found", "Not found"},
    Face{ErrorCode::method_not_allowed, 405, false, "method_not_allowed", "The method is not allowed here"},
    Face{ErrorCode::request_timeout, 408, true, "request_timeout", "The request took too long to arrive"},
    Face{ErrorCode::session_busy, 409, false, "session_busy", "The session is busy"},
    Face{ErrorCode::not_queued, 409, false, "not_queued", "The message is not queued"},
    Face{ErrorCode::not_failed, 409, false, "not_failed", "The message has not failed"},
    Face{ErrorCode::lease_lost, 409, false, "lease_lost", "The lease is lost"},
    Face{ErrorCode::already_exists, 409, false, "already_exists", "The name is in use"},
    Face{ErrorCode::gone, 410, false, "gone", "It was deleted or removed"},
    Face{ErrorCode::cursor_expired, 410, false, "cursor_expired", "The events at the cursor are no longer kept"},
    Face{ErrorCode::conflict, 412, false, "conflict", "Something was admitted since"},
    Face{ErrorCode::precondition_failed, 412, false, "precondition_failed", "The precondition does not hold"},
    Face{ErrorCode::too_large, 413, false, "too_large", "Over a limit"},
    Face{ErrorCode::unsupported_media_type, 415, false, "unsupported_media_type", "The media type is not supported"},
    Face{ErrorCode::idempotency_mismatch, 422, false, "idempotency_mismatch", "The id was used with another body"},
    Face{ErrorCode::queue_full, 429, true, "queue_full", "The queue is full"},
    Face{ErrorCode::headers_too_large, 431, false, "headers_too_large", "The header is too large"},
    Face{ErrorCode::internal, 500, false, "internal", "Internal error"},
    Face{ErrorCode::commit_unknown, 503, true, "commit_unknown", "The outcome of the write is unknown"},
    Face{ErrorCode::overloaded, 503, true, "overloaded", "Too much is in flight"},
    Face{ErrorCode::shutting_down, 503, true, "shutting_down", "The server is starting or stopping"},
    Face{ErrorCode::insufficient_storage, 503, true, "insufficient_storage", "The disk is full"},
    Face{ErrorCode::timed_out, 504, true, "timed_out", "No answer in time"},
};

static_assert(kFaces.size() == kErrorCodes);
constexpr bool in_order() {
  for (std::size_t i = 0; i < kFaces.size(); ++i) {
    if (static_cast<std::size_t>(kFaces[i].code) != i) return false;
  }
  return true;
}
static_assert(in_order(), "one face for each code, in the order of the enum");

const Face& face(ErrorCode code) noexcept { return kFaces[static_cast<std::size_t>(code)]; }

}  // namespace

std::string_view name_of(ErrorCode code) noexcept { return face(code).name; }
std::string_view title_of(ErrorCode code) noexcept { return face(code).title; }
int status_of(ErrorCode code) noexcept { return face(code).status; }
bool retryable(ErrorCode code) noexcept { return face(code).retryable; }

}  // namespace holdfast
