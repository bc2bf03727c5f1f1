// Error and Result: how every fallible call of Holdfast answers.
//
// A code exists only where a caller reacts differently to it. `status_of` and `title_of` give each code its
// HTTP face, so that an embedding host and an HTTP client read the same words.
#pragma once

#include <cstdint>
#include <functional>
#include <holdfast/export.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace holdfast {

enum class ErrorCode : std::uint8_t {
  invalid_body,            // 400: the JSON or a field of it; `pointer` says where
  invalid_name,            // 400: a session, message or runtime name
  invalid_cursor,          // 400: a list or event cursor that this server did not make
  invalid_request,         // 400: a query parameter or header
  model_required,          // 400: the project demands a model and none is known
  ambiguous_credentials,   // 400: more than one credential in one request
  unauthorized,            // 401
  forbidden,               // 403: a live credential that may not do this
  not_found,               // 404
  method_not_allowed,      // 405
  request_timeout,         // 408: the client was too slow
  session_busy,            // 409: on_busy = reject and something is queued or running
  not_queued,              // 409: only a queued message can be edited or cancelled
  not_failed,              // 409: only a failed message can be redriven
  lease_lost,              // 409: somebody else has the turn, or nobody
  already_exists,          // 409: import or fork onto a name that is in use
  gone,                    // 410: the session was deleted
  cursor_expired,          // 410: the events at the cursor are no longer kept
  conflict,                // 412: if_seq; the markers admitted since are in `members`
  precondition_failed,     // 412: If-Match / If-None-Match
  too_large,               // 413: body, content or metadata over its limit
  unsupported_media_type,  // 415
  idempotency_mismatch,    // 422: the id was admitted with another body
  queue_full,              // 429: wait for the queue to drain
  headers_too_large,       // 431
  internal,                // 500: a bug; nothing was written
  commit_unknown,          // 503: the store cannot say; retry with the same id
  overloaded,              // 503: too much in flight; nothing was written
  shutting_down,           // 503: nothing was written
  insufficient_storage,    // 503: the disk is full; nothing was written
  timed_out,               // 504: an object that was called did not answer in time; what it does is unknown
};
inline constexpr int kErrorCodes = static_cast<int>(ErrorCode::timed_out) + 1;  // how many there are

struct HOLDFAST_API Error {
  ErrorCode code = ErrorCode::internal;
  std::string detail;               // one sentence for a person: what was wrong and what to do next
  std::string pointer;              // RFC 6901 pointer into the body; empty where there is none
  std::int64_t retry_after_ms = 0;  // 0: no advice; retryable codes have a default
  std::string members;              // further members of the problem document: JSON text `"a":1,"b":2`, or empty
};

template <class T>
using Result = tl::expected<T, Error>;

// The answer of a call that has nothing to say but that it is done.
struct Nothing {};

template <class T>
using Done = std::function<void(Result<T>)>;

[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string detail, std::string pointer = {}) {
  return tl::unexpected<Error>(Error{code, std::move(detail), std::move(pointer), 0, {}});
}

[[nodiscard]] HOLDFAST_API std::string_view name_of(ErrorCode code) noexcept;   // "queue_full"
[[nodiscard]] HOLDFAST_API std::string_view title_of(ErrorCode code) noexcept;  // "The queue is full"
[[nodiscard]] HOLDFAST_API int status_of(ErrorCode code) noexcept;              // 429
[[nodiscard]] HOLDFAST_API bool retryable(ErrorCode code) noexcept;

}  // namespace holdfast
