#include "actors/session/checks.hpp"

#include "src/core/ids.hpp"

namespace holdfast::session {
namespace {

constexpr std::size_t kTurnBytesAround = 64 << 10;  // of a turn, beside its content

Result<void> check_turn(const Json& turn) {
  if (turn.empty()) return fail(ErrorCode::invalid_body, "a message needs a turn", "/turn");
  return {};
}

Result<void> check_metadata(const Json& metadata, const Limits& limits) {
  if (metadata.size() > limits.metadata_bytes_max)
    return fail(ErrorCode::too_large, "metadata is over metadata_bytes_max", "/metadata");
  return {};
}

Result<void> check_priority(std::uint8_t priority) {
  if (priority > kPriorityMax) return fail(ErrorCode::invalid_body, "priority is 0 to 9", "/priority");
  return {};
}

}  // namespace

Result<void> check(const AdmitRequest& request, const Limits& limits) {
  if (!request.id.empty() && !valid_name(request.id))
    return fail(ErrorCode::invalid_name, "a message id is a name: letters, digits and ._~:- , at most 128", "/id");
  if (auto ok = check_turn(request.turn); !ok) return ok;
  if (request.turn.size() > limits.content_bytes_max + kTurnBytesAround)
    return fail(ErrorCode::too_large, "the turn is over content_bytes_max", "/turn");
  if (auto ok = check_metadata(request.metadata, limits); !ok) return ok;
  return check_priority(request.priority);
}

Result<void> check(const MessageEdit& edit, const Limits& limits) {
  if (edit.turn) {
    if (auto ok = check_turn(*edit.turn); !ok) return ok;
  }
  if (edit.metadata) {
    if (auto ok = check_metadata(*edit.metadata, limits); !ok) return ok;
  }
  return check_priority(edit.priority.value_or(0));
}

Result<void> check(const SessionSpec& spec, const Limits& limits) {
  if (spec.ttl_ms < 0 || spec.ttl_ms > kTtlMsMax)
    return fail(ErrorCode::invalid_body, "ttl_ms is 0 to " + std::to_string(kTtlMsMax), "/ttl_ms");
  if (spec.queue_capacity && (*spec.queue_capacity < 1 || *spec.queue_capacity >= limits.queue_capacity_max))
    return fail(ErrorCode::invalid_body, "a capacity is at least 1 and below queue_capacity_max", "/queue/capacity");
  return check_metadata(spec.metadata, limits);
}

Result<void> check(const ClaimRequest& request, const Limits& limits) {
  if (!request.runtime.empty() && !valid_name(request.runtime))
    return fail(ErrorCode::invalid_name, "a runtime's name is [A-Za-z0-9][A-Za-z0-9._~:-]{0,127}", "/runtime");
  if (request.sessions.size() > limits.list_items_max)
    return fail(ErrorCode::too_large, "a claim names more sessions than list_items_max", "/sessions");
  for (std::size_t i = 0; i < request.sessions.size(); ++i)
    if (!valid_name(request.sessions[i]))
      return fail(ErrorCode::invalid_name, "a session's name is [A-Za-z0-9][A-Za-z0-9._~:-]{0,127}",
                  "/sessions/" + std::to_string(i));
  return {};
}

}  // namespace holdfast::session
