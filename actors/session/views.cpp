#include "actors/session/views.hpp"

#include <algorithm>

#include "src/core/crypto.hpp"

namespace holdfast::session {

std::string show_hash(std::string_view raw) {
  std::string shown;
  shown.reserve(7 + 2 * raw.size());
  shown += "sha256:";
  append_hex(shown, raw);
  return shown;
}

SessionStatus status_of(const State& state) noexcept {
  if (state.running) return SessionStatus::running;
  if (state.paused) return SessionStatus::paused;
  return state.queued > 0 ? SessionStatus::queued : SessionStatus::idle;
}

std::uint64_t capacity_of(const Document& document, const Limits& limits) noexcept {
  return document.queue_capacity ? *document.queue_capacity : limits.queue_capacity;
}

std::uint64_t place_of(std::uint64_t position, std::uint64_t seq, const Entity& entity) {
  const auto& items = entity.window.items;
  const auto found = std::find_if(items.begin(), items.end(), [&](const auto& i) { return i.position == position; });
  if (found != items.end()) return static_cast<std::uint64_t>(found - items.begin()) + 1;
  // Behind the window the queue is counted from its tail, which is exact when nothing was taken out of that part.
  const std::uint64_t behind = std::min(entity.state.last_seq - seq, entity.state.queued);
  return std::max<std::uint64_t>(entity.state.queued - behind, items.size() + 1);
}

Session session_view(const ObjectId& id, const Entity& entity, const Journal& journal, const Limits& limits) {
  const auto& state = entity.state;
  const std::uint64_t position = state.running                 ? state.running->position
                                 : entity.window.items.empty() ? 0
                                                               : entity.window.items.front().position;
  std::string head;
  if (position != 0) {
    if (auto m = journal.marker(position)) head = std::move(m->intent.id);
  }
  return session_view(id, entity, limits, std::move(head));
}

Session session_view(const ObjectId& id, const Entity& entity, const Limits& limits, std::string head) {
  const auto& doc = entity.document;
  const auto& state = entity.state;
  Session s;
  s.session = id.name;
  s.project = id.project;
  s.revision = doc.revision + state.operations;
  s.created_at = doc.created_at;
  s.updated_at = state.updated_at;
  s.status = status_of(state);
  s.last_seq = state.last_seq;
  s.metadata = doc.metadata;
  s.agent = doc.agent;
  s.repository = doc.repository;
  if (state.credential.version != 0) s.credential = state.credential;
  s.queue_capacity = static_cast<std::uint32_t>(capacity_of(doc, limits));
  s.on_busy = doc.on_busy;
  s.queued = state.queued;
  s.paused = state.paused;
  s.head = std::move(head);
  if (state.running) s.runtime = state.running->runtime;
  s.workspace = state.workspace;
  s.labels = doc.labels;
  s.delivery = doc.delivery;
  s.callback = doc.callback;
  s.ttl_ms = doc.ttl_ms;
  return s;
}

Message message_view(const ObjectId& id, const Intent& intent, const Row& row) {
  Message m;
  m.message = intent.id;
  m.session = id.name;
  m.seq = intent.seq;
  m.state = row.state;
  m.attempt = row.attempt;
  m.turn = intent.turn;
  m.agent = intent.agent;
  m.author = intent.author;
  m.priority = intent.priority;
  m.metadata = intent.metadata;
  m.budget = intent.budget;
  m.callback = intent.callback;
  m.not_before = intent.not_before;
  m.expires_at = intent.expires_at;
  m.admitted_at = intent.admitted_at;
  m.edited_at = row.edited_at;
  m.dispatched_at = row.dispatched_at;
  m.accepted_at = row.accepted_at;
  m.finished_at = row.finished_at;
  m.body_hash = show_hash(intent.body_hash);
  m.traceparent = intent.traceparent;
  m.result = row.result;
  m.failure = row.failure;
  m.merged_into = row.merged_into;
  m.steered_into = row.steered_into;
  m.edits = row.edits;
  return m;
}

Message message_view(const ObjectId& id, const Found& found, const Entity& entity, const Journal& journal, Time now) {
  Message m = message_view(id, found.intent, found.row);
  if (m.state != MessageState::queued) return m;
  const auto& state = entity.state;
  m.position = place_of(found.position, found.intent.seq, entity);
  const auto& items = entity.window.items;
  const bool head = !items.empty() && items.front().position == found.position;
  const std::uint64_t ahead = state.running ? state.running->position : items.empty() ? 0 : items.front().position;
  if (!head || state.running) {
    WaitingFor w{"message", {}, 0};
    if (const auto marker = journal.marker(ahead)) w.message = marker->intent.id;
    m.waiting_for = std::move(w);
  } else if (state.paused) {
    m.waiting_for = WaitingFor{"paused", {}, 0};
  } else if (found.row.retry_at > now) {
    m.waiting_for = WaitingFor{"retry", {}, found.row.retry_at};
  } else if (found.intent.not_before > now) {
    m.waiting_for = WaitingFor{"not_before", {}, found.intent.not_before};
  } else {
    m.waiting_for = WaitingFor{"runtime", {}, 0};
  }
  return m;
}

Json event_data(const Marker& marker, const ObjectId& id, const Journal& journal) {
  if (marker.kind == MarkerKind::operation) return marker.data;
  if (marker.kind == MarkerKind::admitted) {
    Message m = message_view(id, marker.intent, marker.row);
    m.position = marker.intent.place;
    return to_json(m);
  }
  if (marker.kind == MarkerKind::edited) return to_json(message_view(id, marker.intent, marker.row));
  const auto source = journal.marker(marker.row.content != 0 ? marker.row.content : marker.message);
  return to_json(message_view(id, source ? source->intent : Intent{}, marker.row));
}

}  // namespace holdfast::session
