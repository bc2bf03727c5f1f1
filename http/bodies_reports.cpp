// What a runtime reports about its delivery: events, completion, failure. And what an operator wants to have copied.
#include <limits>

#include "actors/session/event_types.hpp"
#include "http/bodies.hpp"
#include "src/core/strict.hpp"

namespace holdfast::http {
namespace {

using json::Element;
using strict::Place;

constexpr std::size_t kTypeBytesMax = 128;
constexpr std::size_t kDetailBytesMax = 4'096;
constexpr std::uint64_t kDelayMsMax = std::uint64_t{30} * 24 * 3'600 * 1'000;

Result<std::string> event_type(Element e, const Place& at) {
  std::string_view type;
  HOLDFAST_TRY(type, strict::filled_text(e, at, kTypeBytesMax));
  if (!session::valid_event_type(type)) return strict::bad(at, "must be printable ASCII without blanks and commas");
  if (type.starts_with("message.") || type.starts_with("session."))
    return strict::bad(at, "message. and session. are the server's own types");
  return std::string(type);
}

Result<RuntimeEvent> runtime_event(Element e, const Place& at, const Limits& limits) {
  json::Object members;
  HOLDFAST_TRY(members, strict::object(e, at));
  RuntimeEvent event{{}, "null"};
  for (const auto [key, value] : members) {
    const Place here(at, key);
    if (key == "type") {
      HOLDFAST_TRY(event.type, event_type(value, here));
    } else if (key == "data") {
      event.data = json::canonical(value);
      if (event.data.size() > limits.content_bytes_max)
        return strict::too_large(here, "content_bytes_max", limits.content_bytes_max);
    } else {
      return strict::unknown(here);
    }
  }
  if (event.type.empty()) return strict::missing(at, "type");
  return event;
}

Result<WorkspaceState> workspace_of(Element e, const Place& at) {
  json::Object members;
  HOLDFAST_TRY(members, strict::object(e, at));
  std::optional<WorkspaceState> state;
  for (const auto [key, value] : members) {
    const Place here(at, key);
    if (key != "state") return strict::unknown(here);
    std::string_view name;
    HOLDFAST_TRY(name, strict::text(value, here));
    state = workspace_state(name);
    if (!state) return strict::bad(here, "must be cold or warm");
  }
  if (!state) return strict::missing(at, "state");
  return *state;
}

}  // namespace

Result<std::vector<RuntimeEvent>> runtime_events(Element body, const Limits& limits) {
  const Place root("");
  json::Array list;
  HOLDFAST_TRY(list, strict::array(body, root));
  if (list.size() == 0) return strict::bad(root, "must hold at least one event");
  if (list.size() > limits.batch_events_max)
    return strict::too_large(root, "batch_events_max", limits.batch_events_max);
  std::vector<RuntimeEvent> events;
  for (const auto item : list) {
    RuntimeEvent event;
    HOLDFAST_TRY(event, runtime_event(item, Place(root, events.size()), limits));
    events.push_back(std::move(event));
  }
  return events;
}

Result<RuntimeSpec> runtime_spec(Element body, const Limits& limits) {
  constexpr std::size_t kUrlBytesMax = 4'096;
  const Place root("");
  json::Object members;
  HOLDFAST_TRY(members, strict::object(body, root));
  RuntimeSpec spec;
  for (const auto [key, value] : members) {
    const Place here(root, key);
    if (key == "url") {
      std::string_view url;
      HOLDFAST_TRY(url, strict::filled_text(value, here, kUrlBytesMax));
      if (!url.starts_with("http://") && !url.starts_with("https://"))
        return strict::bad(here, "must be an http or https URL");
      spec.url = std::string(url);
    } else if (key == "labels") {
      HOLDFAST_TRY(spec.labels, strict::labels(value, here, limits.labels_max));
    } else if (key == "capacity") {
      std::uint64_t capacity = 0;
      HOLDFAST_TRY(capacity, strict::number(value, here, 0, std::uint64_t{1} << 20));
      spec.capacity = static_cast<std::uint32_t>(capacity);
    } else {
      return strict::unknown(here);
    }
  }
  return spec;
}

Result<Completion> completion(Element body, const Limits& limits) {
  const Place root("");
  json::Object members;
  HOLDFAST_TRY(members, strict::object(body, root));
  Completion completed;
  for (const auto [key, value] : members) {
    const Place here(root, key);
    if (key == "result") {
      completed.result = json::canonical(value);
      if (completed.result.size() > limits.content_bytes_max)
        return strict::too_large(here, "content_bytes_max", limits.content_bytes_max);
    } else if (key == "workspace") {
      HOLDFAST_TRY(completed.workspace, workspace_of(value, here));
    } else {
      return strict::unknown(here);
    }
  }
  return completed;
}

Result<FailReport> fail_report(Element body) {
  const Place root("");
  json::Object members;
  HOLDFAST_TRY(members, strict::object(body, root));
  FailReport report;
  std::optional<bool> retryable;
  for (const auto [key, value] : members) {
    const Place here(root, key);
    std::string_view text;
    if (key == "code") {
      HOLDFAST_TRY(text, strict::filled_text(value, here, kTypeBytesMax));
      report.code = text;
    } else if (key == "detail") {
      HOLDFAST_TRY(text, strict::text(value, here));
      if (text.size() > kDetailBytesMax) return strict::too_large(here, "detail bytes", kDetailBytesMax);
      report.detail = text;
    } else if (key == "retryable") {
      HOLDFAST_TRY(retryable, strict::boolean(value, here));
    } else if (key == "retry_after_ms") {
      std::uint64_t ms = 0;
      HOLDFAST_TRY(ms, strict::number(value, here, 0, kDelayMsMax));
      report.retry_after_ms = static_cast<std::int64_t>(ms);
    } else {
      return strict::unknown(here);
    }
  }
  if (report.code.empty()) return strict::missing(root, "code");
  if (!retryable) return strict::missing(root, "retryable");
  report.retryable = *retryable;
  return report;
}

Result<BackupRequest> backup_request(Element body) {
  constexpr std::size_t kPathBytesMax = 4'096;
  const Place root{{}};
  json::Object members;
  HOLDFAST_TRY(members, strict::object(body, root));
  BackupRequest request;
  for (const auto [key, value] : members) {
    const Place here(root, key);
    if (key == "directory") {
      std::string_view text;
      HOLDFAST_TRY(text, strict::filled_text(value, here, kPathBytesMax));
      if (text.find('\0') != std::string_view::npos) return strict::bad(here, "must be a path");
      request.directory = text;
    } else if (key == "keep") {
      std::uint64_t keep = 0;
      HOLDFAST_TRY(keep, strict::number(value, here, 1, std::numeric_limits<std::uint32_t>::max()));
      request.keep = static_cast<std::uint32_t>(keep);
    } else if (key == "with_master_key") {
      bool with = false;
      HOLDFAST_TRY(with, strict::boolean(value, here));
      if (with) request.master_key = BackupRequest::MasterKey::copy;
    } else {
      return strict::unknown(here);
    }
  }
  if (request.directory.empty()) return strict::missing(root, "directory");
  return request;
}

}  // namespace holdfast::http
