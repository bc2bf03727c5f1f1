// Import: a session out of the file that an export made.
//
// The file may come from anywhere, so nothing in it is believed that can be checked, and what follows from the records
// (the queue, what is in front of it, what expires) is read from them. A file that says what no session of this engine
// could have done is refused whole. A turn that ran when the file was made is queued again.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "actors/session/event_types.hpp"
#include "actors/session/spec.hpp"
#include "actors/session/transfer.hpp"
#include "actors/session/work.hpp"
#include "src/core/crypto.hpp"
#include "src/core/json.hpp"
#include "storage/codec.hpp"
#include "storage/keys.hpp"

namespace holdfast::session {
namespace {

constexpr Time kTimeMax = 253'402'300'799'999;  // the end of the year 9999, the last that JSON shows
constexpr std::size_t kHashBytes = 32;
constexpr std::uint64_t kPositionMax = std::uint64_t{1} << 62;

tl::unexpected<Error> bad_line(std::size_t line, std::string_view what) {
  return fail(ErrorCode::invalid_body, "line " + std::to_string(line) + " of the import " + std::string(what));
}

Result<std::string> raw_member(json::Element line, const char* name, std::size_t number) {
  std::string_view text;
  if (line.at_key(name).get(text) != simdjson::SUCCESS) return bad_line(number, std::string("has no ") + name);
  auto raw = from_base64url(text);
  if (!raw) return bad_line(number, std::string("has a damaged ") + name);
  return std::move(*raw);
}

bool sound(Time at) noexcept { return at >= 0 && at <= kTimeMax; }

// Absent, or of the size that SHA-256 has.
bool sound_hash(std::string_view hash) noexcept { return hash.empty() || hash.size() == kHashBytes; }

bool sound_times(const Intent& i) noexcept {
  return sound(i.admitted_at) && sound(i.not_before) && sound(i.expires_at);
}

bool sound_times(const Row& r) noexcept {
  return sound(r.retry_at) && sound(r.edited_at) && sound(r.dispatched_at) && sound(r.accepted_at) &&
         sound(r.finished_at);
}

class Importer {
 public:
  explicit Importer(Work& work) : work_(work) {}

  [[nodiscard]] Result<void> head(json::Element line);
  [[nodiscard]] Result<void> record(json::Element line, std::size_t number);
  [[nodiscard]] Result<void> finish();

 private:
  // Where a message stands after the records read so far.
  struct Standing {
    std::string id;
    std::uint64_t seq = 0;
    std::string body_hash;
    MessageState state = MessageState::queued;
    std::uint64_t order = 0;
    Time expires_at = 0;
    bool steered = false;
  };

  // Why a record cannot be; empty: it can.
  [[nodiscard]] std::string_view fault_of(const Marker& marker, std::uint64_t position);
  [[nodiscard]] std::string_view fault_of_operation(const Marker& marker);
  [[nodiscard]] std::string_view fault_of_admission(const Intent& intent, std::uint64_t position);
  [[nodiscard]] bool is_json(std::string_view text);
  [[nodiscard]] bool is_shown(const Event& event) { return is_json(event.data) && is_json(to_json(event)); }
  [[nodiscard]] bool is_queued(std::uint64_t position) const;
  // Nothing may be missing before `position` but events that were no longer kept.
  [[nodiscard]] bool complete_up_to(std::uint64_t position) const noexcept {
    return last_position_ + 1 == position || position <= work_.state.floor;
  }
  void point_to(const Marker& marker, std::uint64_t position);
  [[nodiscard]] Result<void> check_state();
  void recount();
  [[nodiscard]] Result<void> resume();

  Work& work_;
  json::Parser parts_;  // of what records hold, beside the line that is being read
  std::uint64_t last_position_ = 0;
  std::uint64_t last_seq_ = 0;
  std::map<std::uint64_t, Standing> messages_;
  std::unordered_set<std::string> ids_;
  std::unordered_map<std::uint64_t, std::uint64_t> edits_;     // of which message is the edit at a position
  std::unordered_map<std::uint64_t, std::uint64_t> redrives_;  // the same of a redrive
};

Result<void> Importer::head(json::Element line) {
  std::uint64_t version = 0;
  if (line.at_key("holdfast_export").get(version) != simdjson::SUCCESS || version != kExportVersion)
    return bad_line(1, "is not the head of an export of this version");
  auto raw_document = raw_member(line, "document", 1);
  auto raw_state = raw_member(line, "state", 1);
  if (!raw_document) return tl::unexpected(std::move(raw_document.error()));
  if (!raw_state) return tl::unexpected(std::move(raw_state.error()));
  auto document = decode_document(*raw_document);
  auto state = decode_state(*raw_state);
  if (!document || !state || !document->exists || document->deleted) return bad_line(1, "is damaged");
  if (const auto spec = parse_spec(spec_json(*document), work_.context.limits); !spec)
    return bad_line(1, "has a document that is not taken here: " + spec.error().detail);
  if (!sound(document->created_at) || !sound(state->updated_at)) return bad_line(1, "has a time that cannot be shown");
  if (!sound_hash(document->callback_headers_hash)) return bad_line(1, "is damaged");
  work_.document = std::move(*document);
  work_.state = without_places(std::move(*state));
  work_.document_changed();
  work_.state_changed();
  return {};
}

bool Importer::is_json(std::string_view text) { return text.empty() || parts_.parse(text).has_value(); }

bool Importer::is_queued(std::uint64_t position) const {
  const auto m = messages_.find(position);
  return m != messages_.end() && m->second.state == MessageState::queued;
}

std::string_view Importer::fault_of_operation(const Marker& marker) {
  if (!valid_event_type(marker.what) || !marker.what.starts_with("session.")) return "has an event of no known type";
  return is_shown({0, marker.what, marker.at, marker.data}) ? std::string_view() : "has an event whose data is no JSON";
}

std::string_view Importer::fault_of_admission(const Intent& intent, std::uint64_t position) {
  if (intent.seq != last_seq_ + 1) return "has an admission out of order";
  if (!valid_name(intent.id) || !ids_.insert(intent.id).second)
    return "has a message whose id is invalid, or not its own";
  const auto minted_at = position_in(intent.id);
  if (minted_at && *minted_at != position && messages_.contains(*minted_at)) return "has a message under a borrowed id";
  return {};
}

std::string_view Importer::fault_of(const Marker& marker, std::uint64_t position) {
  if (!sound(marker.at)) return "has a time that cannot be shown";
  if (marker.kind == MarkerKind::operation) return fault_of_operation(marker);
  const auto& intent = marker.intent;
  const auto& row = marker.row;
  const bool admitted = marker.kind == MarkerKind::admitted;
  if (admitted ? marker.message != position : !messages_.contains(marker.message))
    return "has a record of another place";
  if (!sound_times(intent) || !sound_times(row)) return "has a time that cannot be shown";
  if (row.content != 0 && row.content != position && edits_[row.content] != marker.message)
    return "names an edit that is not in the file";
  if (row.content == position && marker.kind != MarkerKind::edited) return "names an edit that is not in the file";
  if (row.order != 0 && row.order != position && redrives_[row.order] != marker.message)
    return "names a redrive that is not in the file";
  if (row.order == position && marker.kind != MarkerKind::transition) return "names a redrive that is not in the file";
  if (!sound_hash(row.lease_hash) || !sound_hash(intent.callback_headers)) return "has a damaged hash";
  if (!is_json(row.result)) return "has a result that is no JSON";
  if (marker.kind != MarkerKind::transition) {
    if (intent.body_hash.size() != kHashBytes) return "has a damaged hash";
    if (!is_json(intent.turn) || !is_json(intent.metadata) || !is_json(intent.budget))
      return "has a message that is no JSON";
    if (admitted) {
      if (const auto fault = fault_of_admission(intent, position); !fault.empty()) return fault;
    } else {
      const auto& m = messages_.at(marker.message);
      if (intent.id != m.id || intent.seq != m.seq || intent.body_hash != m.body_hash)
        return "has an edit that makes another message of it";
    }
  }
  // What is left are texts: shown as JSON, they must be JSON.
  if (!parts_.parse(to_json(message_view(work_.context.id, intent, row)))) return "has a text that is not UTF-8";
  return {};
}

// Writes the keys that lead to a record, and notes what it says of its message.
void Importer::point_to(const Marker& marker, std::uint64_t position) {
  const auto& id = work_.context.id;
  std::string pointer;
  Encoder(pointer).varint(position);
  if (marker.kind == MarkerKind::admitted) {
    last_seq_ = marker.intent.seq;
    if (position_in(marker.intent.id) != position)
      work_.writes.put(Family::journal, keys::message_id(id, marker.intent.id), std::move(pointer));
  } else {
    work_.writes.put(Family::journal, keys::delivery(id, marker.message), std::move(pointer));
  }
  if (marker.kind == MarkerKind::edited) edits_[position] = marker.message;
  if (marker.row.order == position) redrives_[position] = marker.message;
  auto& standing = messages_[marker.message];
  standing.state = marker.row.state;
  standing.order = marker.row.order != 0 ? marker.row.order : marker.message;
  standing.steered = !marker.row.steered_into.empty();
  if (marker.kind != MarkerKind::transition) standing.expires_at = marker.intent.expires_at;
  if (marker.kind != MarkerKind::admitted) return;
  standing.id = marker.intent.id;
  standing.seq = marker.intent.seq;
  standing.body_hash = marker.intent.body_hash;
}

// Writes one record and the keys that point to it. Positions must rise.
Result<void> Importer::record(json::Element line, std::size_t number) {
  std::uint64_t position = 0;
  if (line.at_key("position").get(position) != simdjson::SUCCESS || position <= last_position_ ||
      position > work_.state.last_position)
    return bad_line(number, "has no position, or one out of order");
  if (!complete_up_to(position)) return bad_line(number, "follows on lines that are missing");
  last_position_ = position;
  const auto& id = work_.context.id;
  if (line.at_key("event_record").error() == simdjson::SUCCESS) {
    auto raw = raw_member(line, "event_record", number);
    if (!raw) return tl::unexpected(std::move(raw.error()));
    const auto event = decode_stream_event(*raw);
    if (!event || !sound(event->at) || !valid_event_type(event->type) ||
        !is_shown({position, event->type, event->at, event->data}))
      return bad_line(number, "has a damaged event");
    work_.writes.put(Family::streams, keys::event(id, position), std::move(*raw));
    return {};
  }
  auto raw = raw_member(line, "record", number);
  if (!raw) return tl::unexpected(std::move(raw.error()));
  const auto marker = decode_marker(*raw);
  if (!marker) return bad_line(number, "has a damaged record");
  if (const auto fault = fault_of(*marker, position); !fault.empty()) return bad_line(number, fault);
  if (marker->kind != MarkerKind::operation) point_to(*marker, position);
  work_.writes.put(Family::journal, keys::marker(id, position), std::move(*raw));
  return {};
}

// What the state says beyond the records must fit them.
Result<void> Importer::check_state() {
  const auto& state = work_.state;
  if (state.last_position > kPositionMax || state.floor < 1 || state.floor > state.last_position + 1)
    return bad_line(1, "is damaged");
  if (!complete_up_to(state.last_position + 1) || state.last_seq != last_seq_)
    return bad_line(1, "says that the session is longer than the file, which was cut off");
  std::unordered_set<std::uint64_t> named;
  const auto unqueued = [&](std::uint64_t p) { return !is_queued(p) || !named.insert(p).second; };
  if (std::any_of(state.front.begin(), state.front.end(), unqueued))
    return bad_line(1, "puts a message in front that is not queued");
  named.clear();
  if (std::any_of(state.steers.begin(), state.steers.end(), unqueued))
    return bad_line(1, "names a steer that is not queued");
  // Who is with a runtime: the turn, and what was steered into it.
  std::unordered_set<std::uint64_t> out;
  if (const auto& running = state.running) {
    out.insert(running->position);
    for (const auto position : running->steered)
      if (!out.insert(position).second) return bad_line(1, "names a message twice");
  }
  for (const auto& [position, m] : messages_) {
    const bool handed_out = m.state == MessageState::dispatched || m.state == MessageState::running;
    if (handed_out != (out.erase(position) != 0)) return bad_line(1, "does not know a turn that runs");
  }
  if (!out.empty()) return bad_line(1, "names a running message that is not in the file");
  return {};
}

void Importer::recount() {
  auto& state = work_.state;
  state.queued = 0;
  state.low = std::clamp<std::uint64_t>(state.low, 1, state.last_position + 1);
  state.expiry = 0;
  for (const auto& [position, m] : messages_) {
    if (m.state == MessageState::failed)
      work_.writes.put(Family::index, keys::dead_letter({work_.context.id, position}), {});
    if (m.state != MessageState::queued) continue;
    ++state.queued;
    if (m.expires_at != 0 && (state.expiry == 0 || m.expires_at < state.expiry)) state.expiry = m.expires_at;
    const bool in_front = std::find(state.front.begin(), state.front.end(), position) != state.front.end();
    if (!in_front) state.low = std::min(state.low, m.order);
  }
}

// Reads the queue back, and returns a turn that ran to it: its lease did not travel.
Result<void> Importer::resume() {
  auto& window = work_.entity.window;
  auto& state = work_.state;
  window = Window{};
  window.end = state.low;
  for (const auto position : state.front) {
    const auto m = work_.journal.at(position);
    if (!m) return bad_line(1, "names a message that is not in the file");
    window.items.push_back(item_of(position, m->intent, m->row));
  }
  window.front = window.items.size();
  fill_window(work_.entity, work_.journal, work_.context.limits.queue_window_messages);
  if (!state.running) return {};
  const auto m = work_.journal.at(state.running->position);
  if (!m) return bad_line(1, "names a running message that is not in the file");
  return_steers(work_);
  state.running.reset();
  work_.requeue(m->position, m->intent, m->row);
  return {};
}

Result<void> Importer::finish() {
  if (auto ok = check_state(); !ok) return ok;
  recount();
  return resume();
}

}  // namespace

State without_places(State state) {
  state.ready.reset();
  state.armed = 0;
  state.credential = {};
  state.credential_message = 0;
  return state;
}

Result<Reply> run(Work& work, const Import& command) {
  if (work.document.deleted) return no_session(work);
  if (work.document.exists)
    return fail(ErrorCode::already_exists, "session " + work.context.id.name + " exists; import under another name");
  json::Parser parser;
  Importer importer(work);
  std::size_t number = 0;
  std::string_view rest = command.ndjson;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const auto line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    if (line.empty()) continue;
    ++number;
    auto parsed = parser.parse(line);
    if (!parsed || !parsed->is_object()) return bad_line(number, "is not a JSON object");
    if (auto ok = number == 1 ? importer.head(*parsed) : importer.record(*parsed, number); !ok)
      return tl::unexpected(std::move(ok.error()));
  }
  if (number == 0) return fail(ErrorCode::invalid_body, "the import is empty");
  if (auto ok = importer.finish(); !ok) return tl::unexpected(std::move(ok.error()));
  work.effects.events = true;
  return session_view(work.context.id, work.entity, work.journal, work.context.limits);
}

}  // namespace holdfast::session
