#include "actors/session/journal.hpp"

#include <algorithm>

#include "actors/session/views.hpp"
#include "src/core/check.hpp"
#include "storage/codec.hpp"
#include "storage/keys.hpp"

namespace holdfast::session {
namespace {

std::uint64_t decode_pointer(std::string_view value) {
  Decoder d(value);
  const auto v = d.varint();
  return d.done() ? v : 0;
}

}  // namespace

std::optional<std::string> Journal::get(Family family, std::string_view key) const {
  if (failed()) return std::nullopt;
  auto got = reader_.get(family, key);
  if (!got) {
    note(std::move(got.error()));
    return std::nullopt;
  }
  return std::move(*got);
}

std::optional<Marker> Journal::marker(std::uint64_t position) const {
  const auto value = get(Family::journal, keys::marker(id_, position));
  if (!value) return std::nullopt;
  auto decoded = decode_marker(*value);
  if (!decoded) {
    note(std::move(decoded.error()));
    return std::nullopt;
  }
  return std::move(*decoded);
}

std::optional<Row> Journal::latest_row(std::uint64_t position) const {
  const auto pointer = get(Family::journal, keys::delivery(id_, position));
  if (!pointer) return std::nullopt;
  auto latest = marker(decode_pointer(*pointer));
  if (!latest) {
    if (!failed()) note(Error{ErrorCode::internal, "a message points to a marker that is not there", {}, 0, {}});
    return std::nullopt;
  }
  return std::move(latest->row);
}

Found Journal::found(std::uint64_t position, Intent intent, Row row) const {
  if (auto latest = latest_row(position)) row = std::move(*latest);
  if (row.content != 0) {
    if (auto edited = marker(row.content)) intent = std::move(edited->intent);
  }
  return {position, std::move(intent), std::move(row)};
}

std::optional<Found> Journal::at(std::uint64_t position) const {
  auto m = marker(position);
  if (!m || m->kind != MarkerKind::admitted) return std::nullopt;
  return found(position, std::move(m->intent), std::move(m->row));
}

std::optional<Found> Journal::of(const QueueItem& item) const {
  if (!item.untouched) return at(item.position);
  auto m = marker(item.position);
  if (!m || m->kind != MarkerKind::admitted) return std::nullopt;
  return Found{item.position, std::move(m->intent), std::move(m->row)};
}

std::optional<Found> Journal::find(std::string_view message_id) const {
  if (const auto value = get(Family::journal, keys::message_id(id_, message_id))) return at(decode_pointer(*value));
  const auto position = position_in(message_id);
  if (!position || *position == 0) return std::nullopt;
  auto m = at(*position);
  if (!m || m->intent.id != message_id) return std::nullopt;
  return m;
}

std::uint64_t Journal::position_of_seq(std::uint64_t seq, std::uint64_t last_position) const {
  // Positions of admissions rise with their seq, so the journal is searched like a sorted array: each probe looks
  // for the first admission at or after the middle.
  std::uint64_t low = std::max<std::uint64_t>(seq, 1);  // a position is never below its seq
  std::uint64_t high = last_position + 1;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    std::uint64_t found_at = 0;
    bool reached = false;
    each_marker(middle, high, Range::Order::ascending, [&](std::uint64_t position, Marker&& m) {
      if (m.kind != MarkerKind::admitted) return Visit::next;
      found_at = position;
      reached = m.intent.seq >= seq;
      return Visit::stop;
    });
    if (failed()) return last_position + 1;
    if (found_at == 0 || reached) high = middle;
    else low = found_at + 1;
  }
  // `low` is where the first such admission may start; the admission itself is at or after it.
  std::uint64_t result = last_position + 1;
  each_marker(low, last_position + 1, Range::Order::ascending, [&](std::uint64_t position, Marker&& m) {
    if (m.kind != MarkerKind::admitted) return Visit::next;
    result = position;
    return Visit::stop;
  });
  return result;
}

void Journal::each_marker(std::uint64_t from, std::uint64_t to, Range::Order order,
                          const std::function<Visit(std::uint64_t, Marker&&)>& visit) const {
  if (failed() || from >= to) return;
  auto range = keys::markers(id_, from, to);
  range.order = order;
  auto done = reader_.scan(Family::journal, range, [&](std::string_view key, std::string_view value) {
    auto decoded = decode_marker(value);
    if (!decoded) {
      note(std::move(decoded.error()));
      return Visit::stop;
    }
    return visit(keys::position_of(key), std::move(*decoded));
  });
  if (!done) note(std::move(done.error()));
}

void Journal::each_message(std::uint64_t from, std::uint64_t to, const std::function<Visit(Found&&)>& visit) const {
  each_marker(from, to, Range::Order::ascending, [&](std::uint64_t position, Marker&& m) {
    if (m.kind != MarkerKind::admitted) return Visit::next;
    return visit(found(position, std::move(m.intent), std::move(m.row)));
  });
}

void Journal::each_queued(std::uint64_t from, std::uint64_t to, const std::function<Visit(Found&&)>& visit) const {
  each_marker(from, to, Range::Order::ascending, [&](std::uint64_t position, Marker&& marker) {
    std::optional<Found> m;
    if (marker.kind == MarkerKind::admitted) m = found(position, std::move(marker.intent), std::move(marker.row));
    else if (marker.kind == MarkerKind::transition && marker.row.order == position) m = at(marker.message);
    if (!m || m->row.state != MessageState::queued || m->order() != position) return Visit::next;
    return visit(std::move(*m));
  });
}

Result<EventPage> read_events(const Reader& reader, const ObjectId& id, const EventQuery& query, std::uint64_t floor,
                              std::uint64_t last) {
  if (query.after + 1 < floor && query.after != 0) {
    auto error = fail(ErrorCode::cursor_expired, "the events at this cursor are no longer kept; start at `oldest`");
    error.value().members = "\"oldest\":\"" + std::to_string(floor) + "\"";
    return error;
  }
  EventPage page;
  page.next = std::max(query.after, floor - 1);
  const auto wanted = [&](std::string_view type) {
    return query.types.empty() || std::find(query.types.begin(), query.types.end(), type) != query.types.end();
  };
  std::size_t bytes = 0;
  Journal journal(reader, id);

  // Runtime events come in runs between markers; both families are read in step, a window of positions at a time.
  constexpr std::uint64_t kWindow = 256;
  while (page.next < last) {
    const std::uint64_t from = page.next + 1;
    const std::uint64_t to = std::min(last, page.next + kWindow) + 1;
    std::vector<Event> events;
    journal.each_marker(from, to, Range::Order::ascending, [&](std::uint64_t position, Marker&& m) {
      Event event{position, event_type(m), m.at, {}};
      if (wanted(event.type)) event.data = event_data(m, id, journal);
      else event.type.clear();
      events.push_back(std::move(event));
      return Visit::next;
    });
    auto scanned = reader.scan(Family::streams, keys::events(id, from, to), [&](auto key, auto value) {
      Event event{keys::position_of(key), {}, 0, {}};
      if (auto decoded = decode_stream_event(value); decoded && wanted(decoded->type)) {
        event.type = std::move(decoded->type);
        event.at = decoded->at;
        event.data = std::move(decoded->data);
      }
      events.push_back(std::move(event));
      return Visit::next;
    });
    if (!scanned) return tl::unexpected(std::move(scanned.error()));
    if (journal.failed()) return tl::unexpected(journal.error());
    std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.id < b.id; });
    for (auto& event : events) {
      const std::uint64_t position = event.id;
      if (!event.type.empty()) {
        bytes += event.data.size() + event.type.size() + 64;
        page.items.push_back(std::move(event));
      }
      page.next = position;
      if (page.items.size() >= query.limit || bytes >= query.bytes_max) {
        page.more = page.next < last;
        return page;
      }
    }
    page.next = to - 1;
  }
  return page;
}

QueueItem item_of(std::uint64_t position, const Intent& intent, const Row& row) noexcept {
  QueueItem item;
  item.position = position;
  item.order = row.order != 0 ? row.order : position;
  item.seq = intent.seq;
  item.admitted_at = intent.admitted_at;
  item.not_before = std::max(intent.not_before, row.retry_at);
  item.expires_at = intent.expires_at;
  item.priority = intent.priority;
  item.untouched = row.edits == 0 && row.order == 0 && row.delivery.empty();
  return item;
}

void fold_admitted(Entity& entity, std::uint64_t position, const Intent& intent, const Row& row,
                   std::size_t window_max) {
  auto& state = entity.state;
  auto& window = entity.window;
  const bool complete = window.end > state.last_position;
  state.last_position = position;
  state.last_seq = intent.seq;
  state.updated_at = intent.admitted_at;
  ++entity.since_checkpoint;
  if (row.state == MessageState::queued) {
    ++state.queued;
    if (intent.expires_at != 0 && (state.expiry == 0 || intent.expires_at < state.expiry))
      state.expiry = intent.expires_at;
    if (complete && window.items.size() >= window_max) return;  // from here on the journal holds the rest
    if (complete) {
      auto& items = window.items;
      if (items.size() == items.capacity()) items.reserve(std::max<std::size_t>(4, 4 * items.size()));  // few moves
      items.push_back(item_of(position, intent, row));
    }
  }
  if (complete) window.end = position + 1;
}

void fill_window(Entity& entity, const Journal& journal, std::size_t window_max) {
  auto& window = entity.window;
  const auto& state = entity.state;
  // A window is never topped up one by one: it is filled when it ran dry, so a deep queue is read in long runs.
  if (window.end > state.last_position || window.items.size() > window.front || window.items.size() >= state.queued)
    return;
  bool full = false;
  journal.each_queued(std::max(window.end, state.low), state.last_position + 1, [&](Found&& m) {
    full = window.items.size() >= window_max + window.front;
    if (full) return Visit::stop;
    const bool in_front = std::find(state.front.begin(), state.front.end(), m.position) != state.front.end();
    if (!in_front) window.items.push_back(item_of(m.position, m.intent, m.row));
    window.end = m.order() + 1;
    return Visit::next;
  });
  if (!full) window.end = state.last_position + 1;
}

Result<Entity> load(const Reader& reader, const ObjectId& id) {
  Entity entity;
  Journal journal(reader, id);
  const auto document = journal.get(Family::objects, keys::document(id));
  if (journal.failed()) return tl::unexpected(journal.error());
  if (!document) return entity;
  auto doc = decode_document(*document);
  if (!doc) return tl::unexpected(std::move(doc.error()));
  entity.document = std::move(*doc);
  if (entity.document.deleted) return entity;

  const auto row = journal.get(Family::objects, keys::state(id));
  if (journal.failed()) return tl::unexpected(journal.error());
  if (!row) return fail(ErrorCode::internal, "a session has a document and no state row; run `holdfast check`");
  auto state = decode_state(*row);
  if (!state) return tl::unexpected(std::move(state.error()));
  entity.state = std::move(*state);

  // The tail: admissions after the state row. A window that starts behind it is filled on demand.
  entity.window.end = entity.state.low;
  journal.each_marker(entity.state.last_position + 1, UINT64_MAX, Range::Order::ascending,
                      [&](std::uint64_t position, Marker&& m) {
                        HOLDFAST_CHECK(m.kind == MarkerKind::admitted);  // all else writes a state row with it
                        fold_admitted(entity, position, m.intent, m.row, 0);
                        return Visit::next;
                      });
  if (auto& running = entity.state.running) {
    if (auto latest = journal.latest_row(running->position)) running->row = std::move(*latest);
  }
  for (const auto position : entity.state.front) {
    if (auto m = journal.at(position)) entity.window.items.push_back(item_of(position, m->intent, m->row));
  }
  entity.window.front = entity.window.items.size();
  if (journal.failed()) return tl::unexpected(journal.error());
  return entity;
}

}  // namespace holdfast::session
