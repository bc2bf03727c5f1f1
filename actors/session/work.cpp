#include "actors/session/work.hpp"

#include <algorithm>

#include "actors/session/later.hpp"
#include "src/core/check.hpp"
#include "storage/codec.hpp"
#include "storage/keys.hpp"

namespace holdfast::session {
namespace {

std::string pointer_to(std::uint64_t position) {
  std::string out;
  Encoder(out).varint(position);
  return out;
}

std::string terms_value(const Document& document) {
  std::string out;
  encode(out, terms_of(document));
  return out;
}

Time earlier(Time a, Time b) noexcept { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

}  // namespace

std::uint64_t Work::append(Marker marker) {
  const std::uint64_t position = ++state.last_position;
  if (entity.window.end == position) entity.window.end = position + 1;  // a complete window stays complete
  marker.at = context.now;
  std::string value;
  encode(value, marker);
  writes.put(Family::journal, keys::marker(context.id, position), std::move(value));
  effects.events = true;
  state_dirty_ = true;
  return position;
}

void Work::transition(std::uint64_t position, const Row& row) {
  Marker marker;
  marker.kind = MarkerKind::transition;
  marker.message = position;
  marker.row = row;
  writes.put(Family::journal, keys::delivery(context.id, position), pointer_to(append(std::move(marker))));
  if (row.callback && terminal(row.state)) call_back(position);
}

void Work::call_back(std::uint64_t position) {
  keys::Callback due{context.now, context.id, position};
  writes.put(Family::index, keys::callback(due), tries_value(0));
  effects.callbacks.push_back(std::move(due));
}

void Work::edit(std::uint64_t position, Intent intent, Row row) {
  Marker marker;
  marker.kind = MarkerKind::edited;
  marker.message = position;
  row.content = state.last_position + 1;
  row.edits += 1;
  row.edited_at = context.now;
  marker.intent = std::move(intent);
  marker.row = std::move(row);
  writes.put(Family::journal, keys::delivery(context.id, position), pointer_to(append(std::move(marker))));
}

void Work::operation(std::string_view what, Json data) {
  Marker marker;
  marker.kind = MarkerKind::operation;
  marker.what = what;
  marker.data = std::move(data);
  append(std::move(marker));
}

void Work::lower_bound_moved() noexcept {
  const auto& window = entity.window;
  state.low = window.items.size() > window.front ? window.items[window.front].order : window.end;
}

void Work::take_from_window(std::uint64_t position) {
  auto& window = entity.window;
  const auto found = std::find_if(window.items.begin(), window.items.end(),
                                  [&](const QueueItem& item) { return item.position == position; });
  if (found == window.items.end()) return;
  const auto index = static_cast<std::size_t>(found - window.items.begin());
  window.items.erase(found);
  if (index >= window.front) return;
  --window.front;
  state.front.erase(state.front.begin() + static_cast<std::ptrdiff_t>(index));
}

void Work::dequeue(std::uint64_t position) {
  take_from_window(position);
  HOLDFAST_CHECK(state.queued > 0);
  --state.queued;
  lower_bound_moved();
  state_dirty_ = true;
}

void queue_again(Row& row) noexcept {
  row.state = MessageState::queued;
  row.dispatched_at = row.accepted_at = row.finished_at = 0;
  row.lease_hash.clear();
}

void Work::requeue(std::uint64_t position, const Intent& intent, Row row) {
  queue_again(row);
  transition(position, row);
  auto& window = entity.window;
  window.items.insert(window.items.begin(), item_of(position, intent, row));
  ++window.front;
  state.front.insert(state.front.begin(), position);
  ++state.queued;
  state.expiry = earlier(state.expiry, intent.expires_at);
}

void Work::bring_forward(std::uint64_t position) {
  const auto m = journal.at(position);
  if (!m) return;
  take_from_window(position);
  auto& window = entity.window;
  window.items.insert(window.items.begin(), item_of(position, m->intent, m->row));
  ++window.front;
  state.front.insert(state.front.begin(), position);
  lower_bound_moved();
  state_dirty_ = true;
}

void Work::each_queued(const std::function<Visit(Found&&)>& visit) const {
  for (const auto position : state.front) {
    if (auto m = journal.at(position); m && visit(std::move(*m)) == Visit::stop) return;
  }
  journal.each_queued(state.low, state.last_position + 1, [&](Found&& m) {
    if (std::find(state.front.begin(), state.front.end(), m.position) != state.front.end()) return Visit::next;
    return visit(std::move(m));
  });
}

std::uint64_t Work::end_queued(MessageState with, const std::function<bool(const Found&)>& which) {
  // Collected first: ending writes behind the scan's back.
  std::vector<std::pair<std::uint64_t, Row>> ending;
  each_queued([&](Found&& m) {
    if (which(m)) ending.emplace_back(m.position, std::move(m.row));
    return Visit::next;
  });
  for (auto& [position, row] : ending) {
    row.state = with;
    row.finished_at = context.now;
    row.retry_at = 0;
    transition(position, row);
    dequeue(position);
  }
  return ending.size();
}

Running* Work::held(const Lease& lease) noexcept {
  auto& running = state.running;
  if (!running || running->position != lease.position || running->row.attempt != lease.attempt) return nullptr;
  if (running->row.delivery != lease.delivery || context.now >= running->lease_expires_at) return nullptr;
  return equal_constant_time(running->row.lease_hash, sha256(lease.secret)) ? &*running : nullptr;
}

void Work::seal(std::string_view label, std::string_view plain) {
  auto key = journal.get(Family::vault, Vault::session_key_key(context.id));
  if (journal.failed()) return;
  if (!key) {
    key = context.vault.make_session_key(context.id, context.random);
    writes.put(Family::vault, Vault::session_key_key(context.id), *key);
  }
  auto sealed = context.vault.seal_value(context.id, *key, label, plain, context.random);
  HOLDFAST_CHECK(sealed.has_value());  // a wrong master key is refused when the engine opens
  writes.put(Family::vault, Vault::value_key(context.id, label), std::move(*sealed));
}

void Work::unkeep(std::string_view label) { writes.erase(Family::vault, Vault::value_key(context.id, label)); }

std::optional<std::string> Work::unseal(std::string_view label) const {
  const auto key = journal.get(Family::vault, Vault::session_key_key(context.id));
  const auto sealed = journal.get(Family::vault, Vault::value_key(context.id, label));
  if (!key || !sealed) return std::nullopt;
  auto plain = context.vault.open_value(context.id, *key, label, *sealed);
  if (!plain) return std::nullopt;
  return std::move(*plain);
}

void Work::create_if_absent() {
  if (document.exists) return;
  document.exists = true;
  document.revision = 1;
  document.created_at = context.now;
  state.updated_at = context.now;
  document_dirty_ = true;
  state_dirty_ = true;
}

std::optional<ReadyMark> Work::wanted_ready() const noexcept {
  const auto* first = head();
  if (state.paused || state.running || first == nullptr || first->not_before > context.now) return std::nullopt;
  const bool push = document.delivery && document.delivery->mode == DeliveryMode::push;
  return ReadyMark{first->priority, first->admitted_at, push};
}

Time Work::wanted_alarm() const noexcept {
  Time at = state.expiry;
  if (state.running) at = earlier(at, earlier(state.running->lease_expires_at, state.running->interrupt_until));
  else if (const auto* first = head(); first != nullptr && !state.paused && first->not_before > context.now)
    at = earlier(at, first->not_before);
  if (document.ttl_ms != 0 && state.queued == 0 && !state.running)
    at = earlier(at, later(state.updated_at, document.ttl_ms));
  return at;
}

void Work::settle_ready() {
  const auto key = [&](const ReadyMark& mark) {
    return keys::ready({mark.push, context.id.project, mark.priority, mark.at, context.id.name});
  };
  const auto wanted = wanted_ready();
  if (wanted == state.ready && !(relabelled_ && wanted)) return;
  if (state.ready && state.ready != wanted) writes.erase(Family::index, key(*state.ready));
  if (wanted) writes.put(Family::index, key(*wanted), terms_value(document));
  state.ready = wanted;
  effects.ready_changed = true;
  effects.ready = wanted;
  state_dirty_ = true;
}

void Work::settle_alarm() {
  // An alarm that rings early finds nothing due and sets itself anew, so a later time needs no write now.
  const Time wanted = wanted_alarm();
  if (wanted == 0 || (state.armed != 0 && state.armed <= wanted)) return;
  if (state.armed != 0) writes.erase(Family::index, keys::alarm({state.armed, context.id}));
  writes.put(Family::index, keys::alarm({wanted, context.id}), {});
  state.armed = wanted;
  effects.alarm = wanted;
  state_dirty_ = true;
}

void Work::drop_old_events() {
  const auto& limits = context.limits;
  std::uint64_t floor = state.floor;
  if (limits.events_retain_count != 0 && state.last_position >= limits.events_retain_count)
    floor = std::max(floor, state.last_position - limits.events_retain_count + 1);
  if (limits.events_retain_ms != 0) {
    const Time oldest = context.now - static_cast<Time>(limits.events_retain_ms);
    journal.each_marker(floor, state.last_position + 1, Range::Order::ascending, [&](std::uint64_t p, Marker&& m) {
      if (m.at >= oldest) return Visit::stop;
      floor = p + 1;
      return Visit::next;
    });
  }
  if (floor == state.floor) return;
  const auto range = keys::events(context.id, state.floor, floor);
  writes.erase_range(Family::streams, range.from, range.to);
  state.floor = floor;
}

void Work::settle() {
  fill_window(entity, journal, context.limits.queue_window_messages);
  settle_ready();
  settle_alarm();
  if (entity.since_checkpoint >= kCheckpointAdmissions) state_dirty_ = true;
  if (writes.empty() && !state_dirty_ && !document_dirty_) return;
  if (document_dirty_) {
    std::string value;
    encode(value, document);
    writes.put(Family::objects, keys::document(context.id), std::move(value));
    state_dirty_ = true;
  }
  if (state_dirty_) {
    drop_old_events();
    std::string value;
    encode(value, state);
    writes.put(Family::objects, keys::state(context.id), std::move(value));
    entity.since_checkpoint = 0;
  }
}

void Work::bury() {
  effects.shredded = journal.get(Family::vault, Vault::session_key_key(context.id)).has_value();
  const auto all = keys::all_of(context.id);
  const auto secrets = Vault::session_range(context.id);
  writes.erase_range(Family::journal, all.from, all.to);
  writes.erase_range(Family::streams, all.from, all.to);
  writes.erase_range(Family::vault, secrets.from, secrets.to);
  const auto dead = keys::dead_letters(context.id);
  writes.erase_range(Family::index, dead.from, dead.to);
  writes.erase(Family::objects, keys::state(context.id));
  if (const auto& r = state.ready)
    writes.erase(Family::index, keys::ready({r->push, context.id.project, r->priority, r->at, context.id.name}));
  if (state.armed != 0) writes.erase(Family::index, keys::alarm({state.armed, context.id}));
  if (state.running && !state.running->runtime.empty())
    writes.erase(Family::index, keys::held_turn(state.running->runtime, context.id));
  effects.events = true;
  effects.ready_changed = true;
  entity = Entity{};
  document.exists = true;
  document.deleted = true;
  std::string value;
  encode(value, document);
  writes.put(Family::objects, keys::document(context.id), std::move(value));
}

Result<void> check(const Precondition& precondition, const std::optional<std::string>& etag) {
  using Kind = Precondition::Kind;
  switch (precondition.kind) {
    case Kind::none: return {};
    case Kind::exists:
      if (etag) return {};
      return fail(ErrorCode::precondition_failed, "If-Match asks for something that exists, and it does not");
    case Kind::absent:
      if (!etag) return {};
      return fail(ErrorCode::precondition_failed, "If-None-Match: * asks for something new, and it exists");
    case Kind::etag: break;
  }
  const auto& wanted = precondition.etags;
  if (etag && std::find(wanted.begin(), wanted.end(), *etag) != wanted.end()) return {};
  return fail(ErrorCode::precondition_failed,
              etag ? "the current ETag is \"" + *etag + "\"; read the document again and decide anew"
                   : std::string("If-Match asks for something that exists, and it does not"));
}

tl::unexpected<Error> no_session(const Work& work) {
  if (work.document.deleted) return fail(ErrorCode::gone, "session " + work.context.id.name + " was deleted");
  return fail(ErrorCode::not_found, "there is no session " + work.context.id.name);
}

tl::unexpected<Error> no_message(std::string_view message) {
  return fail(ErrorCode::not_found, "there is no message " + std::string(message) + " in this session");
}

}  // namespace holdfast::session
