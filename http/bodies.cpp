#include "http/bodies.hpp"

#include <array>

#include "actors/session/spec.hpp"
#include "src/core/crypto.hpp"
#include "src/core/strict.hpp"

namespace holdfast::http {
namespace {

using json::Element;
using strict::Place;

constexpr std::size_t kAuthorBytesMax = 256;
constexpr std::size_t kUrlBytesMax = 4'096;
constexpr std::size_t kTokenBytesMax = 16 << 10;
constexpr std::uint64_t kExactIntegerMax = std::uint64_t{1} << 53;  // RFC 7493

bool blank(std::string_view text) noexcept { return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos; }

Result<void> check_attachment(Element e, const Place& at) {
  json::Object members;
  HOLDFAST_TRY(members, strict::object(e, at));
  bool url = false;
  for (const auto [key, value] : members) {
    const Place here(at, key);
    std::string_view string;
    if (key == "url") {
      HOLDFAST_TRY(string, strict::filled_text(value, here, kUrlBytesMax));
      url = true;
    } else if (key == "name" || key == "media_type") {
      HOLDFAST_TRY(string, strict::text(value, here));
    } else {
      return strict::unknown(here);
    }
  }
  if (!url) return strict::missing(at, "url");
  return {};
}

Result<std::size_t> check_attachments(Element e, const Place& at, const Limits& limits) {
  json::Array list;
  HOLDFAST_TRY(list, strict::array(e, at));
  if (list.size() > limits.attachments_max) return strict::too_large(at, "attachments_max", limits.attachments_max);
  std::size_t count = 0;
  for (const auto item : list) {
    if (auto ok = check_attachment(item, Place(at, count)); !ok) return tl::unexpected(std::move(ok.error()));
    ++count;
  }
  return count;
}

enum class TurnKind : std::uint8_t { prompt, command };

Result<TurnKind> turn_kind(Element e, const Place& at) {
  std::string_view kind;
  HOLDFAST_TRY(kind, strict::text(e, at));
  if (kind == "prompt") return TurnKind::prompt;
  if (kind == "command") return TurnKind::command;
  return strict::bad(at, "must be prompt or command");
}

// A string counts with its own bytes, any other content with those of its canonical text.
Result<void> check_content(Element content, TurnKind kind, std::size_t attachments, const Place& at,
                           const Limits& limits, std::size_t turn_bytes) {
  std::string_view string;
  const bool is_string = content.get(string) == simdjson::SUCCESS;
  const bool over =
      is_string ? string.size() > limits.content_bytes_max
                : turn_bytes > limits.content_bytes_max && json::canonical(content).size() > limits.content_bytes_max;
  if (over) return strict::too_large(at, "content_bytes_max", limits.content_bytes_max);
  const bool empty = content.is_null() || (is_string && blank(string));
  if (empty && kind == TurnKind::command) return strict::bad(at, "a command needs content");
  if (empty && attachments == 0) return strict::bad(at, "a prompt needs content or an attachment");
  return {};
}

// Checks the turn and appends its canonical text to `out`.
Result<void> append_turn(std::string& out, Element e, const Place& at, const Limits& limits) {
  json::Object members;
  HOLDFAST_TRY(members, strict::object(e, at));
  std::optional<TurnKind> kind;
  std::optional<Element> content;
  std::size_t attachments = 0;
  for (const auto [key, value] : members) {
    const Place here(at, key);
    if (key == "kind") HOLDFAST_TRY(kind, turn_kind(value, here));
    else if (key == "content") content = value;
    else if (key == "attachments") HOLDFAST_TRY(attachments, check_attachments(value, here, limits));
    else return strict::unknown(here);
  }
  if (!kind) return strict::missing(at, "kind");
  if (!content) return strict::missing(at, "content");
  if (*kind == TurnKind::command && attachments != 0)
    return strict::bad(Place(at, "attachments"), "a command takes no attachments");
  const auto before = out.size();
  json::append_canonical(out, e);
  return check_content(*content, *kind, attachments, Place(at, "content"), limits, out.size() - before);
}

// The members of an admission, in the order of RFC 8785 (all names are ASCII), so that appending those that came in
// this order gives the canonical body without sorting. `git_token` is a secret and stands outside.
enum Member : std::uint8_t {
  kAgent,
  kAuthor,
  kBudget,
  kCallback,
  kExpiresAt,
  kId,
  kIfSeq,
  kMetadata,
  kNotBefore,
  kOnBusy,
  kPriority,
  kTurn,
  kMembers
};
constexpr std::array<std::string_view, kMembers> kNames{"agent",      "author",  "budget",   "callback",
                                                        "expires_at", "id",      "if_seq",   "metadata",
                                                        "not_before", "on_busy", "priority", "turn"};

struct Parts {
  std::array<std::optional<Element>, kMembers> member;
  std::optional<Element> git_token;
};

Result<Parts> parts_of(Element body, const Place& at) {
  json::Object members;
  HOLDFAST_TRY(members, strict::object(body, at));
  Parts parts;
  for (const auto [key, value] : members) {
    const auto known = std::find(kNames.begin(), kNames.end(), key);
    if (known != kNames.end()) parts.member[static_cast<std::size_t>(known - kNames.begin())] = value;
    else if (key == "git_token") parts.git_token = value;
    else return strict::unknown(Place(at, key));
  }
  return parts;
}

// Without `headers`, which are secret.
void append_callback(std::string& out, Element callback) {
  out += '{';
  bool first = true;
  for (const std::string_view name : {"events", "url"}) {
    Element value;
    if (callback.at_key(name).get(value) != simdjson::SUCCESS) continue;
    if (!first) out += ',';
    first = false;
    json::append_string(out, name);
    out += ':';
    json::append_canonical(out, value);
  }
  out += '}';
}

// Appends the canonical body; the text of the turn, which is its last member, goes to `request` on the way.
Result<void> take_turn_and_hash(AdmitRequest& request, const Parts& parts, const Place& at, const Limits& limits) {
  thread_local std::string canonical;  // reused: a body is built for every admission
  canonical.assign("{");
  for (std::size_t i = 0; i < kMembers; ++i) {
    const auto& value = parts.member[i];
    if (!value) continue;
    if (canonical.size() > 1) canonical += ',';
    canonical += '"';
    canonical += kNames[i];
    canonical += "\":";
    if (i == kTurn) {
      const auto from = canonical.size();
      if (auto ok = append_turn(canonical, *value, Place(at, "turn"), limits); !ok) return ok;
      request.turn.assign(canonical, from);
    } else if (i == kCallback) {
      append_callback(canonical, *value);
    } else {
      json::append_canonical(canonical, *value);
    }
  }
  canonical += '}';
  request.body_hash = sha256(canonical);
  return {};
}

// The members that most admissions do not have.
Result<void> take_options(AdmitRequest& r, const Parts& parts, const Place& at, const Limits& limits) {
  const auto& m = parts.member;
  const auto here = [&at](Member i) { return Place(at, kNames[i]); };
  std::string_view text;
  if (m[kAuthor]) {
    HOLDFAST_TRY(text, strict::filled_text(*m[kAuthor], here(kAuthor), kAuthorBytesMax));
    r.author = text;
  }
  if (m[kAgent]) HOLDFAST_TRY(r.agent, session::parse_agent(*m[kAgent], here(kAgent)));
  if (m[kOnBusy]) HOLDFAST_TRY(r.on_busy, session::parse_on_busy(*m[kOnBusy], here(kOnBusy)));
  if (m[kIfSeq]) HOLDFAST_TRY(r.if_seq, strict::number(*m[kIfSeq], here(kIfSeq), 0, kExactIntegerMax));
  if (m[kNotBefore]) HOLDFAST_TRY(r.not_before, strict::time(*m[kNotBefore], here(kNotBefore)));
  if (m[kExpiresAt]) HOLDFAST_TRY(r.expires_at, strict::time(*m[kExpiresAt], here(kExpiresAt)));
  if (m[kPriority]) {
    std::uint64_t priority = 0;
    HOLDFAST_TRY(priority, strict::number(*m[kPriority], here(kPriority), 0, 9));
    r.priority = static_cast<std::uint8_t>(priority);
  }
  if (m[kMetadata])
    HOLDFAST_TRY(r.metadata,
                 strict::document(*m[kMetadata], here(kMetadata), "metadata_bytes_max", limits.metadata_bytes_max));
  if (m[kBudget])
    HOLDFAST_TRY(r.budget,
                 strict::document(*m[kBudget], here(kBudget), "metadata_bytes_max", limits.metadata_bytes_max));
  if (m[kCallback]) HOLDFAST_TRY(r.callback, session::parse_callback(*m[kCallback], here(kCallback), limits));
  if (parts.git_token) {
    const Place place(at, "git_token");
    HOLDFAST_TRY(text, strict::text(*parts.git_token, place));
    if (text.size() > kTokenBytesMax) return strict::too_large(place, "git_token bytes", kTokenBytesMax);
    r.git_token = std::string(text);
  }
  return {};
}

Result<AdmitRequest> admit_at(Element body, const Limits& limits, const Place& at) {
  Parts parts;
  HOLDFAST_TRY(parts, parts_of(body, at));
  AdmitRequest request;
  if (parts.member[kId]) HOLDFAST_TRY(request.id, strict::name(*parts.member[kId], Place(at, "id")));
  if (!parts.member[kTurn]) return strict::missing(at, "turn");
  if (auto ok = take_options(request, parts, at, limits); !ok) return tl::unexpected(std::move(ok.error()));
  if (auto ok = take_turn_and_hash(request, parts, at, limits); !ok) return tl::unexpected(std::move(ok.error()));
  return request;
}

// A time, or null to clear it.
Result<Time> cleared_time(Element e, const Place& at) { return e.is_null() ? Result<Time>(0) : strict::time(e, at); }

}  // namespace

Result<AdmitRequest> admit_request(Element body, const Limits& limits, const std::string& pointer) {
  return admit_at(body, limits, Place(pointer));
}

Result<std::vector<AdmitRequest>> admit_batch(Element body, const Limits& limits) {
  const Place root("");
  json::Object members;
  HOLDFAST_TRY(members, strict::object(body, root));
  std::optional<Element> messages;
  for (const auto [key, value] : members) {
    if (key != "messages") return strict::unknown(Place(root, key));
    messages = value;
  }
  if (!messages) return strict::missing(root, "messages");
  const Place at(root, "messages");
  json::Array list;
  HOLDFAST_TRY(list, strict::array(*messages, at));
  if (list.size() == 0) return strict::bad(at, "must hold at least one message");
  if (list.size() > limits.batch_messages_max)
    return strict::too_large(at, "batch_messages_max", limits.batch_messages_max);
  std::vector<AdmitRequest> requests;
  for (const auto item : list) {
    AdmitRequest request;
    HOLDFAST_TRY(request, admit_at(item, limits, Place(at, requests.size())));
    requests.push_back(std::move(request));
  }
  return requests;
}

Result<MessageEdit> message_edit(Element body, const Limits& limits) {
  const Place root("");
  json::Object members;
  HOLDFAST_TRY(members, strict::object(body, root));
  MessageEdit edit;
  for (const auto [key, value] : members) {
    const Place here(root, key);
    if (key == "turn") {
      edit.turn.emplace();
      if (auto ok = append_turn(*edit.turn, value, here, limits); !ok) return tl::unexpected(std::move(ok.error()));
    } else if (key == "agent") {
      if (value.is_null()) edit.agent.emplace();
      else HOLDFAST_TRY(edit.agent, session::parse_agent(value, here));
    } else if (key == "not_before") {
      HOLDFAST_TRY(edit.not_before, cleared_time(value, here));
    } else if (key == "expires_at") {
      HOLDFAST_TRY(edit.expires_at, cleared_time(value, here));
    } else if (key == "priority") {
      std::uint64_t priority = 0;
      if (!value.is_null()) HOLDFAST_TRY(priority, strict::number(value, here, 0, 9));
      edit.priority = static_cast<std::uint8_t>(priority);
    } else if (key == "metadata") {
      if (value.is_null()) edit.metadata.emplace();
      else HOLDFAST_TRY(edit.metadata, strict::document(value, here, "metadata_bytes_max", limits.metadata_bytes_max));
    } else {
      return strict::unknown(here);
    }
  }
  return edit;
}

namespace {

Result<QueueAction> queue_action(Element e, const Place& at) {
  std::string_view value;
  HOLDFAST_TRY(value, strict::text(e, at));
  if (value == "pause") return QueueAction::pause;
  if (value == "resume") return QueueAction::resume;
  if (value == "reorder") return QueueAction::reorder;
  if (value == "clear") return QueueAction::clear;
  return strict::bad(at, "must be one of pause, resume, reorder, clear");
}

Result<std::vector<std::string>> names(Element e, const Place& at, std::string_view limit, std::uint64_t max) {
  json::Array list;
  HOLDFAST_TRY(list, strict::array(e, at));
  if (list.size() > max) return strict::too_large(at, limit, max);
  std::vector<std::string> out;
  for (const auto item : list) {
    std::string name;
    HOLDFAST_TRY(name, strict::name(item, Place(at, out.size())));
    out.push_back(std::move(name));
  }
  return out;
}

}  // namespace

Result<InterruptScope> interrupt_request(Element body) {
  const Place root("");
  json::Object members;
  HOLDFAST_TRY(members, strict::object(body, root));
  std::optional<InterruptScope> scope = InterruptScope::running;
  for (const auto [key, value] : members) {
    const Place here(root, key);
    if (key != "scope") return strict::unknown(here);
    std::string_view name;
    HOLDFAST_TRY(name, strict::text(value, here));
    scope = interrupt_scope(name);
    if (!scope) return strict::bad(here, "must be running or all");
  }
  return *scope;
}

Result<QueueCommand> queue_command(Element body, const Limits& limits) {
  const Place root("");
  json::Object members;
  HOLDFAST_TRY(members, strict::object(body, root));
  std::optional<QueueAction> action;
  std::optional<std::vector<std::string>> order;
  for (const auto [key, value] : members) {
    const Place here(root, key);
    if (key == "action") HOLDFAST_TRY(action, queue_action(value, here));
    else if (key == "order")
      HOLDFAST_TRY(order, names(value, here, "reorder_messages_max", limits.reorder_messages_max));
    else return strict::unknown(here);
  }
  if (!action) return strict::missing(root, "action");
  const bool reorders = *action == QueueAction::reorder;
  if (reorders && !order) return strict::missing(root, "order");
  if (!reorders && order) return strict::bad(Place(root, "order"), "only reorder takes an order");
  return QueueCommand{*action, order ? std::move(*order) : std::vector<std::string>{}};
}

Result<ForkRequest> fork_request(Element body) {
  const Place root("");
  json::Object members;
  HOLDFAST_TRY(members, strict::object(body, root));
  ForkRequest request;
  for (const auto [key, value] : members) {
    const Place here(root, key);
    if (key == "name") HOLDFAST_TRY(request.name, strict::name(value, here));
    else if (key == "at_seq") HOLDFAST_TRY(request.at_seq, strict::number(value, here, 0, kExactIntegerMax));
    else return strict::unknown(here);
  }
  return request;
}

Result<ClaimRequest> claim_request(Element body, const Limits& limits) {
  const Place root("");
  json::Object members;
  HOLDFAST_TRY(members, strict::object(body, root));
  ClaimRequest claim;
  std::uint64_t n = 0;
  for (const auto [key, value] : members) {
    const Place here(root, key);
    if (key == "runtime") {
      HOLDFAST_TRY(claim.runtime, strict::name(value, here));
    } else if (key == "max") {
      HOLDFAST_TRY(n, strict::number(value, here, 1, limits.claim_deliveries_max));
      claim.max = n;
    } else if (key == "wait_ms") {
      HOLDFAST_TRY(n, strict::number(value, here, 0, limits.claim_wait_ms_max));
      claim.wait_ms = static_cast<std::int64_t>(n);
    } else if (key == "lease_ms") {
      HOLDFAST_TRY(n, strict::number(value, here, limits.lease_ms_min, limits.lease_ms_max));
      claim.lease_ms = static_cast<std::int64_t>(n);
    } else if (key == "sessions") {
      HOLDFAST_TRY(claim.sessions, names(value, here, "list_items_max", limits.list_items_max));
    } else if (key == "labels") {
      HOLDFAST_TRY(claim.labels, strict::labels(value, here, limits.labels_max));
    } else {
      return strict::unknown(here);
    }
  }
  return claim;
}

}  // namespace holdfast::http
