#include "actors/shell/router.hpp"

#include <algorithm>
#include <vector>

#include "actors/shell/lane.hpp"
#include "actors/shell/object_actor.hpp"
#include "actors/shell/session_actor.hpp"

namespace holdfast::shell {
namespace {

// A session moves to the young end of its shard's list at most this often: moving touches its neighbours' memory.
constexpr Time kAgeMs = 1'000;

constexpr std::size_t kLine = CAF_CACHE_LINE_SIZE;

// To be written: what another core wrote last is taken from it once, not first to read and then to write. An older
// processor passes the instruction by.
void fetch(const void* from, std::size_t bytes) noexcept {
  const auto* first = static_cast<const char*>(from);
  for (std::size_t at = 0; at < bytes; at += kLine) {
#if defined(__x86_64__)
    asm volatile("prefetchw %0" : : "m"(first[at]));
#else
    __builtin_prefetch(first + at, 1);
#endif
  }
}

}  // namespace

Router::Router(caf::actor_system& system, Services& services, Execution execution)
    : system_(system), services_(services), execution_(execution), engine_(services.engine) {}

Router::~Router() { close(); }

Router::Entry& Router::entry_of(Shard& shard, const Sought& sought, Time now, std::vector<caf::actor>& crowded) {
  if (const auto found = shard.index.find(sought); found != shard.index.end()) {
    auto& entry = *found->entry;
    if (now - entry.aged >= kAgeMs) {
      shard.live.splice(shard.live.end(), shard.live, found->entry);
      entry.aged = now;
    }
    return entry;
  }
  // A full house asks the two longest unused of the shard to leave for each one that comes.
  if (live_.load(std::memory_order_relaxed) >= services_.limits.live_objects_max) {
    auto idle = shard.live.begin();
    for (int n = 0; n < 2 && idle != shard.live.end(); ++n, ++idle) {
      ++idle->sent, ++shard.sent;
      crowded.push_back(idle->actor);
    }
  }
  live_.fetch_add(1, std::memory_order_relaxed);
  auto actor = spawn(sought.id);
  const auto* resident = static_cast<const Resident*>(caf::actor_cast<caf::abstract_actor*>(actor));
  auto& added = shard.live.emplace_back(Entry{std::move(actor), &resident->id(), 0, now, now});
  shard.index.insert(Slot{sought.hash, std::prev(shard.live.end()), resident});
  return added;
}

caf::actor Router::spawn(const ObjectId& id) {
  if (id.object_class.empty()) return system_.spawn<SessionActor, caf::hidden + caf::lazy_init>(services_, id);
  return system_.spawn<ObjectActor, caf::hidden + caf::lazy_init>(services_, id);
}

void Router::send(EnvelopePtr envelope) {
  const Time now = services_.clock.now();
  std::vector<caf::actor> crowded;
  caf::actor actor;
  {
    const Sought sought(envelope->to);
    auto& shard = shard_of(sought);
    const std::lock_guard lock(shard.mutex);
    if (!closed_.load(std::memory_order_relaxed)) {
      auto& entry = entry_of(shard, sought, now, crowded);
      ++entry.sent, ++shard.sent;
      entry.used = now;
      actor = entry.actor;
    }
  }
  if (!actor) return envelope->refuse({ErrorCode::shutting_down, "the engine is closed", {}, 0, {}});
  auto* lane = execution_ == Execution::inline_lane ? Lane::current(system_, engine_) : nullptr;
  for (const auto& idle : crowded) tell(idle, std::make_shared<Envelope>(), lane);
  tell(actor, std::move(envelope), lane);
  if (lane != nullptr) lane->drain();
}

void Router::expect(const ObjectId& session) const {
  const Sought sought(session);
  const auto& shard = shard_of(sought);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.index.find(sought.hash);  // another one's of the same hash costs a moment, and no more
  if (found == shard.index.end()) return;
  fetch(&*found->entry, sizeof(Entry));
  // CAF's control block is one line, before the actor. At the actor's end is the turn that runs, which no admission
  // reads, and behind that the flag of whether one does.
  const auto* actor = reinterpret_cast<const char*>(found->actor);
  fetch(actor - kLine, kLine + sizeof(SessionActor) - sizeof(session::Running));
  fetch(actor + sizeof(SessionActor) - 1, 1);
}

Router::Mailboxes Router::mailboxes() const {
  Mailboxes all;
  std::uint64_t sent = 0;
  const auto handled = services_.counters.handled.load(std::memory_order_relaxed);  // first: no more than were sent
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    sent += shard.sent;
    std::size_t looked = 0;
    for (auto entry = shard.live.rbegin(); entry != shard.live.rend() && looked < kLook; ++entry, ++looked) {
      const auto& actor = *static_cast<const Resident*>(caf::actor_cast<caf::abstract_actor*>(entry->actor));
      all.largest = std::max(all.largest, entry->sent - std::min(entry->sent, actor.handled()));
    }
  }
  all.envelopes = sent - std::min(sent, handled);
  return all;
}

bool Router::leave(const ObjectId& session, std::uint64_t handled) {
  const Sought sought(session);
  auto& shard = shard_of(sought);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.index.find(sought);
  if (found == shard.index.end() || found->entry->sent != handled) return false;
  const auto entry = found->entry;
  shard.index.erase(found);
  shard.live.erase(entry);
  live_.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

void Router::sweep(Time now, Time idle_ms) {
  auto* lane = execution_ == Execution::inline_lane ? Lane::current(system_, engine_) : nullptr;
  for (auto& shard : shards_) {
    std::vector<caf::actor> idle;
    {
      const std::lock_guard lock(shard.mutex);
      for (auto& entry : shard.live) {
        if (entry.used + idle_ms > now) break;
        ++entry.sent, ++shard.sent;
        idle.push_back(entry.actor);
      }
    }
    for (const auto& actor : idle) tell(actor, std::make_shared<Envelope>(), lane);
    if (lane != nullptr) lane->drain();
  }
}

void Router::cancel() {
  for (auto& shard : shards_) {
    std::vector<EnvelopePtr> all;
    {
      const std::lock_guard lock(shard.mutex);
      for (const auto& entry : shard.live)
        if (!entry.id->object_class.empty()) all.push_back(std::make_shared<ObjectEvent>(*entry.id, Cancel{}));
    }
    for (auto& envelope : all) send(std::move(envelope));
  }
}

void Router::close() {
  closed_.store(true);
  for (auto& shard : shards_) {
    Entries gone;
    const std::lock_guard lock(shard.mutex);
    gone.swap(shard.live);
    shard.index.clear();
  }
  live_.store(0, std::memory_order_relaxed);
}

}  // namespace holdfast::shell
