// What must be true of every session, at any moment of its life, and what its journal tells afterwards.
#include <catch2/catch.hpp>

#include "actors/session/journal.hpp"
#include "actors/session/views.hpp"
#include "src/engine/verify_store.hpp"
#include "tests/simulation/world.hpp"

namespace holdfast::simulation {
namespace {

// An event of a message: which one, and what it became.
struct Change {
  std::string message;
  std::optional<MessageState> state;  // nothing: it was edited
  bool steered = false;
};

std::optional<Change> change_in(const Event& event) {
  if (!event.type.starts_with("message.")) return std::nullopt;
  return Change{text_in(event.data, "message"), message_state(std::string_view(event.type).substr(8)),
                event.data.find("\"steered_into\":") != std::string::npos};
}

std::vector<Event> all_events(const Readable& reader, const ObjectId& id, const session::State& state) {
  EventQuery query;
  query.limit = SIZE_MAX;
  query.bytes_max = SIZE_MAX;
  auto page = session::read_events(reader, id, query, state.floor, state.last_position);
  REQUIRE(page);
  return std::move(page->items);
}

// Which message of a queue comes next, as its events tell it.
class Line {
 public:
  void joins(const std::string& message, std::int64_t place) { places_[message] = place; }
  void leaves(const std::string& message) { places_.erase(message); }
  [[nodiscard]] std::size_t length() const { return places_.size(); }
  [[nodiscard]] bool is_first(const std::string& message) const {
    const auto at = places_.find(message);
    return at != places_.end() &&
           std::all_of(places_.begin(), places_.end(), [&](const auto& other) { return other.second >= at->second; });
  }

 private:
  std::map<std::string, std::int64_t> places_;
};

}  // namespace

session::Entity World::entity_of(const std::string& session) const {
  auto entity = session::load(*store_, {std::string(kDefaultProject), session});
  REQUIRE(entity);
  return std::move(*entity);
}

std::optional<MessageState> World::state_of(const std::string& session, const std::string& message) const {
  const auto& reader = *store_;
  const ObjectId id{std::string(kDefaultProject), session};
  const auto found = session::Journal(reader, id).find(message);
  return found ? std::optional(found->row.state) : std::nullopt;
}

bool World::durable(const std::string& session, const std::string& message) const {
  return state_of(session, message).has_value();
}

void World::verify() {
  const Calm calm(*store_);
  verify_counters();
  for (const auto& [session, sent] : sessions_) verify_session(session, sent);
}

void World::verify_deleted(const ObjectId& id) {
  const auto all = keys::all_of(id);
  const auto empty = [&](Family family, const Range& range) {
    return store_->scan(family, range, [](auto, auto) -> Visit {
      FAIL("a deleted session left something behind");
      return Visit::stop;
    });
  };
  REQUIRE(empty(Family::journal, all));
  REQUIRE(empty(Family::streams, all));
  REQUIRE(empty(Family::vault, Vault::session_range(id)));
  REQUIRE(empty(Family::index, keys::dead_letters(id)));
}

void World::verify_session(const std::string& session, const Messages& sent) {
  INFO("session " << session);
  const auto& reader = *store_;
  const ObjectId id{std::string(kDefaultProject), session};
  const auto entity = entity_of(session);
  if (entity.document.deleted) {
    REQUIRE(removed_.contains(session));
    return verify_deleted(id);
  }
  const session::Journal journal(reader, id);

  // Messages: dense seq, everything acknowledged is there under its seq, and what was refused is not.
  std::map<std::string, session::Found> found;
  std::uint64_t seq = 0;
  std::uint64_t queued = 0;
  journal.each_message(1, entity.state.last_position + 1, [&](session::Found&& m) {
    REQUIRE(m.intent.seq == ++seq);
    if (m.row.state == MessageState::queued) ++queued;
    const auto name = m.intent.id;
    REQUIRE(found.emplace(name, std::move(m)).second);  // no id twice
    return Visit::next;
  });
  REQUIRE(!journal.failed());
  REQUIRE(entity.state.last_seq == seq);
  REQUIRE(entity.state.queued == queued);
  std::map<std::uint64_t, std::pair<int, int>> batches;  // there, not there
  for (const auto& [name, s] : sent) {
    INFO("message " << name);
    const auto m = found.find(name);
    const bool there = m != found.end();
    if (s.seq != 0) REQUIRE((there && m->second.intent.seq == s.seq));
    if (s.refused == s.asked) REQUIRE(!there);
    if (s.completed) REQUIRE(m->second.row.state == MessageState::completed);
    if (s.cancelled) REQUIRE(m->second.row.state == MessageState::cancelled);
    if (there) REQUIRE(m->second.intent.body_hash == session::body_hash_of(s.request));
    if (s.batch != 0) ++(there ? batches[s.batch].first : batches[s.batch].second);
  }
  for (const auto& [batch, count] : batches) REQUIRE((count.first == 0 || count.second == 0));
  const auto& l = mix_.limits;
  for (const auto& [name, m] : found) {
    REQUIRE(sent.contains(name));
    const auto& failures = m.row.failures;
    REQUIRE(failures[0] <= l.retry_default_ms.size());
    REQUIRE(failures[static_cast<std::size_t>(session::FailureClass::lease_expired)] <= l.lease_expiries_max + 1);
  }
  verify_events(id, entity.state, found);
}

// Events: dense, one terminal state a message, turns never overlap. What is no longer kept is not known.
void World::verify_events(const ObjectId& id, const session::State& state,
                          const std::map<std::string, session::Found>& found) {
  std::uint64_t position = state.floor - 1;
  std::set<std::string> ended;
  std::set<std::string> failed;
  std::string running;
  const auto events = all_events(*store_, id, state);
  verify_appended(id.name, events, state.floor);
  for (const auto& event : events) {
    REQUIRE(event.id == ++position);
    const auto change = change_in(event);
    if (!change || !change->state) continue;
    const auto& message = change->message;
    const auto became = *change->state;
    if (became == MessageState::queued && failed.contains(message)) ended.erase(message);  // redriven
    REQUIRE(!ended.contains(message));                                                     // a terminal state is final
    if (became == MessageState::dispatched && !change->steered) {
      REQUIRE(running.empty());
      running = message;
    } else if (running == message && became != MessageState::running) {
      running.clear();
    }
    if (terminal(became)) ended.insert(message);
    if (became == MessageState::failed) failed.insert(message);
  }
  REQUIRE(position == state.last_position);
  for (const auto& [name, m] : found)
    if (state.floor == 1 || ended.contains(name)) REQUIRE(terminal(m.row.state) == ended.contains(name));
}

// What a worker appended is there once, where it was told, and nothing else is.
void World::verify_appended(const std::string& session, const std::vector<Event>& events, std::uint64_t floor) {
  const auto& appended = appended_[session];
  std::set<std::string> there;
  for (const auto& event : events) {
    if (event.type != "delta") continue;
    const auto one = appended.find(event.data);
    REQUIRE(one != appended.end());
    REQUIRE(there.insert(event.data).second);
    REQUIRE((one->second == 0 || one->second == event.id));
  }
  for (const auto& [data, position] : appended) REQUIRE((position < floor || there.contains(data)));
}

void World::look_back() {
  saw(Rare::evicted, engine_->stats().evictions);
  for (const auto& [session, sent] : sessions_) {
    const ObjectId id{std::string(kDefaultProject), session};
    const auto entity = entity_of(session);
    if (entity.document.deleted) continue;
    Line line;
    std::set<std::string> handed;  // turns and steers that are with a worker
    std::set<std::string> steered;
    std::uint64_t in_a_row = 0;
    std::size_t deepest = 0;
    for (const auto& event : all_events(*store_, id, entity.state)) {
      const auto change = change_in(event);
      if (!change || !change->state) {
        in_a_row = 0;
        continue;
      }
      const auto& message = change->message;
      const bool joins = *change->state == MessageState::queued;
      const bool returned = joins && handed.erase(message) != 0;
      if (returned) saw(steered.erase(message) != 0 ? Rare::steer_returned : Rare::returned);
      in_a_row = joins && !returned ? in_a_row + 1 : 0;
      constexpr std::uint64_t kCheckpoint = session::kCheckpointAdmissions;
      if (in_a_row == kCheckpoint + 1) saw(Rare::checkpoint);
      if (*change->state == MessageState::expired) saw(line.is_first(message) ? Rare::expired_head : Rare::expired);
      if (*change->state == MessageState::dispatched) {
        handed.insert(message);
        if (change->steered) steered.insert(message);
      }
      const auto place = static_cast<std::int64_t>(event.id);
      if (joins) line.joins(message, returned ? -place : place);
      else line.leaves(message);
      deepest = std::max(deepest, line.length());
    }
    if (deepest > mix_.limits.queue_window_messages) saw(Rare::deep_queue);
    const auto& reader = *store_;
    session::Journal(reader, id).each_message(1, entity.state.last_position + 1, [&](session::Found&& m) {
      const auto& failure = m.row.failure;
      if (failure && failure->code == "lease_expired") saw(Rare::leases_exhausted);
      else if (failure && failure->reason == "exhausted") saw(Rare::exhausted);
      return Visit::next;
    });
  }
}

void World::verify_rows() {
  settle();
  std::string found;
  (void)verify_store(*store_, [&](Finding&& finding) { found += finding.where + ": " + finding.what + "\n"; }, {});
  INFO(found);
  REQUIRE(found.empty());
}

}  // namespace holdfast::simulation
