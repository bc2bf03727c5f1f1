// Router: finds the live actor of a session or brings it to life, and lets it go again.
//
// Eviction has no race: every envelope is counted under the shard's lock when it is sent, and an actor may only leave
// under the same lock, when it has handled as many as were sent and everything it wrote is durable. A message that
// arrives during an eviction is either counted before, and the actor stays, or comes after, and a new actor starts
// from the store.
//
// Bounds: live_objects_max, by letting the longest idle ones of a shard go when a new one comes; idle_evict_ms.
// Thread-safety: all members from any thread.
#pragma once

#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_set.hpp>
#include <caf/abstract_actor.hpp>
#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <list>
#include <mutex>

#include "actors/shell/envelope.hpp"
#include "src/core/clock.hpp"
#include "src/core/ids.hpp"

namespace holdfast::shell {

struct Services;

class Router {
 public:
  enum class Execution : std::uint8_t {
    inline_lane,  // on the calling thread when the session is free
    scheduler,    // always on CAF's scheduler: a simulation steps it
  };

  Router(caf::actor_system& system, Services& services, Execution execution);
  ~Router();

  void send(EnvelopePtr envelope);  // to envelope->to
  // A command to `session` comes in a moment: what it will touch of a live one is fetched meanwhile.
  void expect(const ObjectId& session) const;
  // Called by an actor that handled `handled` envelopes. True: it is forgotten and must quit.
  [[nodiscard]] bool leave(const ObjectId& session, std::uint64_t handled);
  // Asks those idle for idle_ms to leave. Call now and then.
  void sweep(Time now, Time idle_ms);
  // Ends the handlers of objects that wait.
  void cancel();
  // Forgets all actors and brings none to life any more: what is sent from then on is answered shutting_down.
  void close();
  // Envelopes in mailboxes. The largest one is looked for among the kLook most recently used of each shard: a scrape
  // must not hold up those who send.
  struct Mailboxes {
    std::uint64_t envelopes = 0;
    std::uint64_t largest = 0;
  };
  [[nodiscard]] Mailboxes mailboxes() const;
  [[nodiscard]] std::uint64_t live() const noexcept { return live_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    caf::actor actor;
    const ObjectId* id = nullptr;  // the actor's
    std::uint64_t sent = 0;
    Time used = 0;
    Time aged = 0;
  };
  using Entries = std::list<Entry>;
  // Says enough to fetch what a command will touch without waiting for the entry.
  struct Slot {
    std::size_t hash = 0;
    Entries::iterator entry;
    const caf::abstract_actor* actor = nullptr;
  };
  // An id with its hash, which both the shard and its index need.
  struct Sought {
    explicit Sought(const ObjectId& wanted) : id(wanted), hash(std::hash<ObjectId>{}(wanted)) {}
    const ObjectId& id;
    const std::size_t hash;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Slot& slot) const noexcept { return slot.hash; }
    std::size_t operator()(const Sought& sought) const noexcept { return sought.hash; }
    std::size_t operator()(std::size_t hash) const noexcept { return hash; }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(const Slot& a, const Slot& b) const noexcept { return a.entry == b.entry; }
    bool operator()(const Sought& a, const Slot& b) const noexcept { return a.hash == b.hash && a.id == *b.entry->id; }
    bool operator()(const Slot& a, const Sought& b) const noexcept { return (*this)(b, a); }
    bool operator()(std::size_t hash, const Slot& b) const noexcept { return hash == b.hash; }
    bool operator()(const Slot& a, std::size_t hash) const noexcept { return hash == a.hash; }
  };
  static constexpr std::size_t kLook = 256;
  static constexpr std::size_t kShards = 16;
  struct Shard {
    mutable std::mutex mutex;
    std::uint64_t sent = 0;
    Entries live;                                       // the longest unused first, to within kAgeMs
    boost::unordered_flat_set<Slot, Hash, Same> index;  // of them: a search touches little memory
  };
  [[nodiscard]] Shard& shard_of(const Sought& sought) { return shards_[sought.hash % kShards]; }
  [[nodiscard]] const Shard& shard_of(const Sought& sought) const { return shards_[sought.hash % kShards]; }
  [[nodiscard]] Entry& entry_of(Shard& shard, const Sought& sought, Time now, std::vector<caf::actor>& crowded);
  [[nodiscard]] caf::actor spawn(const ObjectId& id);

  caf::actor_system& system_;
  Services& services_;
  const Execution execution_;
  const std::uint64_t engine_;
  std::array<Shard, kShards> shards_;
  std::atomic<std::uint64_t> live_{0};
  std::atomic<bool> closed_{false};
};

}  // namespace holdfast::shell
