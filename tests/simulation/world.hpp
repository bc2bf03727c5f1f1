// World: one engine on a simulated clock, store and scheduler, driven step by step from one seed.
//
// A step is an operation of a client or worker, one message of one actor, one commit, a jump of the clock, a store
// fault, or a crash with recovery. All of them are drawn from the seed, so a failing seed fails again:
//     HOLDFAST_SIM_SEED=<seed> bin/simulation_tests
//
// The reference model knows only what clients know: what they sent, and what was answered.
#pragma once

#include <caf/scheduler/test_coordinator.hpp>
#include <map>
#include <set>

#include "src/engine/impl.hpp"
#include "storage/memory_store.hpp"
#include "tests/simulation/receivers.hpp"

namespace holdfast::simulation {

class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(const Time& now) : now_(now) {}
  [[nodiscard]] Time now() const noexcept override { return now_; }

 private:
  const Time& now_;
};

// What a client knows of a message it sent.
struct Sent {
  AdmitRequest request;
  std::uint64_t seq = 0;    // 0: never answered
  std::uint64_t batch = 0;  // messages of one batch share a number; 0: alone
  int asked = 1;            // how often it was sent
  int refused = 0;          // how often the answer was an error that says nothing was written
  bool completed = false;   // a complete was answered
  bool cancelled = false;   // a cancel was answered
  int called = 0;           // how often its callback arrived somewhere
};

struct Held {
  std::string session;
  std::string message;
  LeaseRef lease;
};

struct Coverage {
  std::uint64_t crashes = 0, faults = 0, replays = 0, batches = 0, refusals = 0, deliveries = 0, expiries = 0,
                evictions = 0, merged = 0, replaced = 0, interrupts = 0, steers = 0, redrives = 0, pushes = 0,
                accepted = 0, callbacks = 0, callbacks_given_up = 0, increments = 0, thrown = 0, rings = 0,
                payments = 0, payments_given_up = 0, asked = 0, naps = 0, letters = 0, full_disks = 0, epochs = 0;
};

class World {
 public:
  World(std::uint64_t seed, Coverage& coverage);
  ~World();

  void run(int steps);

 private:
  using Sessions = std::map<std::string, std::map<std::string, Sent>>;

  void open();
  void crash();
  void step();
  void drain_actors();
  void settle();  // until nothing moves any more
  void drain();   // a healthy end: every message reaches its terminal state
  void verify();
  void verify_session(const std::string& session, const std::map<std::string, Sent>& sent);

  void admit();
  void admit_batch();
  void retry();
  void claim();
  void work_on_lease();
  void change_queue();
  void interrupt();
  void redrive();
  void arrived(const Receivers::Call& call);
  void increment();
  void verify_counters();
  void use_account();
  void verify_accounts();
  void answer_call();
  void answer_calls_well();
  void verify_outbox();
  void answered(const std::string& session, const Admitted& admitted);
  [[nodiscard]] bool durable(const std::string& session, const std::string& message) const;

  [[nodiscard]] std::uint64_t pick(std::uint64_t n) { return random_.next() % n; }
  [[nodiscard]] std::string any_session() { return "s" + std::to_string(pick(4)); }
  [[nodiscard]] caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(engine_->system().scheduler());
  }

  SeededRandom random_;
  const std::uint64_t seed_;
  Coverage& coverage_;
  Time now_ = 1'700'000'000'000;
  Key32 master_{};
  MemoryStore* store_ = nullptr;  // the engine's
  std::unique_ptr<Engine::Impl> engine_;
  Sessions sessions_;
  std::vector<Held> held_;
  std::vector<Receivers::Call> calls_;  // in the air
  struct Counted {
    std::int64_t asked = 0;     // increments that may have happened
    std::int64_t answered = 0;  // the highest value that somebody was told
    std::int64_t alarms = 0;    // that were set, each of them worth an increment
  };
  std::map<std::string, Counted> counted_;
  std::uint64_t next_id_ = 0;
  std::uint64_t next_batch_ = 0;
  std::uint64_t generation_ = 0;  // answers to requests of an earlier process are not answers
};

}  // namespace holdfast::simulation
