// Export, import and fork: a session as a file, and as the start of another.
//
// An export is NDJSON. Line 1 says what it is and carries document and state; each further line is one position of the
// session: the event as a reader sees it, and the record it is made of. No secret is in it: those lie in the vault,
// which is not exported. A turn that ran when the file was made is queued again after the import.
#include <set>

#include "actors/session/work.hpp"
#include "src/core/crypto.hpp"
#include "src/core/json.hpp"
#include "storage/codec.hpp"
#include "storage/keys.hpp"

namespace holdfast::session {
namespace {

constexpr std::uint64_t kExportVersion = 1;

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

// What lies in the index and the vault of one store means nothing in another.
State without_places(State state) {
  state.ready.reset();
  state.armed = 0;
  state.credential = {};
  state.credential_message = 0;
  return state;
}

Result<void> import_header(Work& work, json::Element line) {
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
  work.document = std::move(*document);
  work.state = without_places(std::move(*state));
  work.document_changed();
  work.state_changed();
  return {};
}

// What was read of the file so far.
struct Imported {
  std::uint64_t last = 0;          // position
  std::set<std::uint64_t> failed;  // messages that can be redriven
};

// Nothing may be missing but events that were no longer kept.
bool complete_up_to(const Work& work, const Imported& imported, std::uint64_t position) {
  return imported.last + 1 == position || position <= work.state.floor;
}

// Writes one record and the keys that point to it. Positions must rise.
Result<void> import_record(Work& work, json::Element line, std::size_t number, Imported& imported) {
  std::uint64_t position = 0;
  if (line.at_key("position").get(position) != simdjson::SUCCESS || position <= imported.last ||
      position > work.state.last_position)
    return bad_line(number, "has no position, or one out of order");
  if (!complete_up_to(work, imported, position)) return bad_line(number, "follows on lines that are missing");
  imported.last = position;
  const auto& id = work.context.id;
  if (line.at_key("event_record").error() == simdjson::SUCCESS) {
    auto raw = raw_member(line, "event_record", number);
    if (!raw) return tl::unexpected(std::move(raw.error()));
    if (!decode_stream_event(*raw)) return bad_line(number, "has a damaged event");
    work.writes.put(Family::streams, keys::event(id, position), std::move(*raw));
    return {};
  }
  auto raw = raw_member(line, "record", number);
  if (!raw) return tl::unexpected(std::move(raw.error()));
  auto marker = decode_marker(*raw);
  if (!marker) return bad_line(number, "has a damaged record");
  if (marker->kind != MarkerKind::operation) {
    std::string pointer;
    if (marker->kind == MarkerKind::admitted) {
      if (marker->message != position) return bad_line(number, "has a record of another place");
      if (position_in(marker->intent.id) != position) {
        Encoder(pointer).varint(position);
        work.writes.put(Family::journal, keys::message_id(id, marker->intent.id), std::move(pointer));
      }
    } else {
      Encoder(pointer).varint(position);
      work.writes.put(Family::journal, keys::delivery(id, marker->message), std::move(pointer));
      if (marker->row.state == MessageState::failed) imported.failed.insert(marker->message);
      else imported.failed.erase(marker->message);
    }
  }
  work.writes.put(Family::journal, keys::marker(id, position), std::move(*raw));
  return {};
}

// Reads queue and running turn back from the records, and returns the turn to the queue: its lease did not travel.
Result<void> resume_imported(Work& work) {
  auto& window = work.entity.window;
  window = Window{};
  window.end = work.state.low;
  for (const auto position : work.state.front) {
    const auto m = work.journal.at(position);
    if (!m) return bad_line(1, "names a message that is not in the file");
    window.items.push_back(item_of(position, m->intent, m->row));
  }
  window.front = window.items.size();
  fill_window(work.entity, work.journal, work.context.limits.queue_window_messages);
  if (!work.state.running) return {};
  const auto m = work.journal.at(work.state.running->position);
  if (!m) return bad_line(1, "names a running message that is not in the file");
  return_steers(work);
  work.state.running.reset();
  work.requeue(m->position, m->intent, m->row);
  return {};
}

}  // namespace

Result<Reply> run(Work& work, const Export&) {
  if (!work.document.exists || work.document.deleted) return no_session(work);
  std::string document;
  std::string state;
  encode(document, work.document);
  encode(state, without_places(work.state));
  auto summary = session_view(work.context.id, work.entity, work.journal, work.context.limits);
  summary.credential.reset();
  std::string out;
  json::ObjectWriter(out)
      .number("holdfast_export", kExportVersion)
      .text("session", work.context.id.name)
      .raw("summary", to_json(summary))
      .text("document", to_base64url(document))
      .text("state", to_base64url(state))
      .end();
  out += '\n';

  // Markers and runtime events in one order, as records and as the events that a reader sees.
  std::map<std::uint64_t, std::string> lines;
  const auto last = work.state.last_position;
  work.journal.each_marker(1, last + 1, Range::Order::ascending, [&](std::uint64_t position, Marker&& m) {
    std::string record;
    encode(record, m);
    json::ObjectWriter(lines[position])
        .number("position", position)
        .raw("event", to_json(Event{position, event_type(m), m.at, event_data(m, work.context.id, work.journal)}))
        .text("record", to_base64url(record))
        .end();
    return Visit::next;
  });
  auto scanned = work.context.reader.scan(
      Family::streams, keys::events(work.context.id, 1, last + 1), [&](std::string_view key, std::string_view value) {
        const auto event = decode_stream_event(value);
        if (!event) return Visit::next;
        const auto position = keys::position_of(key);
        json::ObjectWriter(lines[position])
            .number("position", position)
            .raw("event", to_json(Event{position, event->type, event->at, event->data}))
            .text("event_record", to_base64url(value))
            .end();
        return Visit::next;
      });
  if (!scanned) return tl::unexpected(std::move(scanned.error()));
  for (const auto& [position, line] : lines) out += line + '\n';
  return out;
}

Result<Reply> run(Work& work, const Import& command) {
  if (work.document.deleted) return no_session(work);
  if (work.document.exists)
    return fail(ErrorCode::already_exists, "session " + work.context.id.name + " exists; import under another name");
  json::Parser parser;
  std::size_t number = 0;
  Imported imported;
  std::string_view rest = command.ndjson;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const auto line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    if (line.empty()) continue;
    ++number;
    auto parsed = parser.parse(line);
    if (!parsed || !parsed->is_object()) return bad_line(number, "is not a JSON object");
    auto ok = number == 1 ? import_header(work, *parsed) : import_record(work, *parsed, number, imported);
    if (!ok) return tl::unexpected(std::move(ok.error()));
  }
  if (number == 0) return fail(ErrorCode::invalid_body, "the import is empty");
  if (!complete_up_to(work, imported, work.state.last_position + 1))
    return bad_line(number, "is not the last one: the file was cut off");
  for (const auto position : imported.failed)
    work.writes.put(Family::index, keys::dead_letter({work.context.id, position}), {});
  if (auto ok = resume_imported(work); !ok) return tl::unexpected(std::move(ok.error()));
  work.effects.events = true;
  return session_view(work.context.id, work.entity, work.journal, work.context.limits);
}

Result<Reply> run(Work& work, const ForkSource& command) {
  if (!work.document.exists || work.document.deleted) return no_session(work);
  if (command.at_seq && *command.at_seq > work.state.last_seq)
    return fail(ErrorCode::invalid_body, "the session has not reached this seq", "/at_seq");
  Fork fork;
  const auto& d = work.document;
  fork.spec.metadata = d.metadata;
  fork.spec.agent = d.agent;
  fork.spec.repository = d.repository;
  fork.spec.queue_capacity = d.queue_capacity;
  fork.spec.on_busy = d.on_busy;
  fork.spec.labels = d.labels;
  fork.spec.delivery = d.delivery;
  fork.spec.callback = d.callback;
  fork.spec.ttl_ms = d.ttl_ms;
  // Up to at_seq: everything before the admission that follows it.
  const auto last = command.at_seq && *command.at_seq < work.state.last_seq
                        ? work.journal.position_of_seq(*command.at_seq + 1, work.state.last_position) - 1
                        : work.state.last_position;
  EventQuery query;
  query.limit = SIZE_MAX;
  query.bytes_max = SIZE_MAX;
  auto page = read_events(work.context.reader, work.context.id, query, work.state.floor, last);
  if (!page) return tl::unexpected(std::move(page.error()));
  fork.events = std::move(page->items);
  return fork;
}

Result<Reply> run(Work& work, const Fork& command) {
  if (work.document.deleted) return no_session(work);
  if (work.document.exists)
    return fail(ErrorCode::already_exists, "session " + work.context.id.name + " exists; fork under another name");
  auto created = run(work, Put{command.spec, {}});
  if (!created) return created;
  for (const auto& event : command.events) {
    std::string value;
    encode(value, StreamEvent{event.type, event.at, event.data});
    work.writes.put(Family::streams, keys::event(work.context.id, ++work.state.last_position), std::move(value));
  }
  work.entity.window.end = work.state.last_position + 1;
  work.state.low = work.entity.window.end;
  work.state_changed();
  return session_view(work.context.id, work.entity, work.journal, work.context.limits);
}

}  // namespace holdfast::session
