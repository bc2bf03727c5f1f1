// Export and fork: a session as a file, and as the start of another.
//
// An export is NDJSON. Line 1 says what it is and carries document and state; each further line is one position of the
// session: the event as a reader sees it, and the record it is made of. No secret is in it: those lie in the vault,
// which is not exported.
#include "actors/session/transfer.hpp"
#include "actors/session/work.hpp"
#include "src/core/crypto.hpp"
#include "src/core/json.hpp"
#include "storage/codec.hpp"
#include "storage/keys.hpp"

namespace holdfast::session {

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
