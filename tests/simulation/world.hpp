// World: one engine on a simulated clock, store and scheduler, driven step by step from one seed.
//
// A step is an operation of a client or worker, one message of one actor, one commit, a jump of the clock, a store
// fault, or a crash with recovery. Which of them happen, and how often, is the seed's mix (mix.hpp). All is drawn from
// the seed, so a failing seed fails again:
//     HOLDFAST_SIM_SEED=<seed> HOLDFAST_SIM_STEPS=<steps> build/release/bin/simulation_tests
//
// The reference model knows only what clients know: what they sent, and what was answered. world.cpp has the process
// and its end; clients.cpp, workers.cpp, outside.cpp and objects.cpp the operations; verify.cpp what must be true.
#pragma once

#include <caf/scheduler/test_coordinator.hpp>
#include <map>
#include <set>

#include "src/engine/impl.hpp"
#include "storage/memory_store.hpp"
#include "tests/simulation/hosts.hpp"
#include "tests/simulation/mix.hpp"
#include "tests/simulation/receivers.hpp"
#include "tests/simulation/tally.hpp"

namespace holdfast::simulation {

class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(const Time& now) : now_(now) {}
  [[nodiscard]] Time now() const noexcept override { return now_; }

 private:
  const Time& now_;
};

// No fault happens to what the simulation itself reads: a read fault is not an absence.
class Calm {
 public:
  explicit Calm(MemoryStore& store) : store_(store), waiting_(store.inject(MemoryStore::Fault::none)) {}
  ~Calm() { store_.inject(waiting_); }
  Calm(const Calm&) = delete;
  Calm& operator=(const Calm&) = delete;

 private:
  MemoryStore& store_;
  const MemoryStore::Fault waiting_;
};

// What a client knows of a message it sent.
struct Sent {
  AdmitRequest request;
  std::uint64_t seq = 0;         // 0: never answered
  bool original = false;         // an answer was not a replay
  std::uint64_t batch = 0;       // messages of one batch share a number; 0: alone
  std::uint64_t generation = 0;  // of the process that it was last sent to
  int asked = 1;                 // how often it was sent
  int refused = 0;               // how often the answer was an error that says nothing was written
  bool completed = false;        // a complete was answered
  bool cancelled = false;        // a cancel was answered
  int called = 0;                // how often its callback arrived somewhere
  enum class Unknown : std::uint8_t {
    no,
    asked,   // the answer was commit_unknown
    there,   // ... and the next process found it
    absent,  // ... and it did not
  } unknown = Unknown::no;
};

struct Held {
  std::string session;
  std::string message;
  LeaseRef lease;
  Time until = 0;
};

class World {
 public:
  World(std::uint64_t seed, int steps, Tally& tally);
  ~World();

  void run();

 private:
  using Messages = std::map<std::string, Sent>;
  using Sessions = std::map<std::string, Messages>;

  void open();
  void set_up();
  void crash();
  void crash_unheard();
  void tally_crash();
  void judge_unanswered();
  void step();
  void step_actor();
  void jump();
  void sweep();
  void inject();
  void drain_actors();
  void settle();  // until nothing moves any more
  void drain();   // a healthy end: every message reaches its terminal state
  void drain_once();
  [[nodiscard]] bool all_ended() const;
  void pass(int rounds, Time ms);  // time, in which only the engine does something

  // clients.cpp
  void admit();
  void admit_batch();
  void retry();
  void mismatch();
  void edit();
  void look();
  void read_events();
  void change_queue();
  void interrupt();
  void redrive();
  void remove();
  void answered(const std::string& session, const Admitted& admitted);
  void refused(const std::string& session, const std::string& message, const Error& error);

  // workers.cpp
  void claim();
  void hand_out(const std::vector<Delivery>& deliveries);
  void work_on_lease();
  void complete(const Held& held);
  void append_events(const Held& held);
  [[nodiscard]] bool lost(const Held& held) const;  // for good, as the store has it
  template <class T>
  [[nodiscard]] Engine::Impl::Answer on_report(const Held& held, std::function<void(Result<T>)> then);

  // outside.cpp
  void arrived(const Receivers::Call& call);
  void answer_call();
  void answer_calls_well();
  void verify_outbox();

  // objects.cpp
  void increment();
  void use_account();
  void verify_counters();
  void verify_accounts();
  [[nodiscard]] bool mail_on_its_way() const;
  [[nodiscard]] std::uint64_t mail_taken_and_not_struck() const;

  // verify.cpp
  void verify();
  void verify_rows();  // every row of the store against every other: what `holdfast check --deep` does
  void verify_session(const std::string& session, const Messages& sent);
  void verify_deleted(const ObjectId& id);
  void verify_events(const ObjectId& id, const session::State& state,
                     const std::map<std::string, session::Found>& found);
  void verify_appended(const std::string& session, const std::vector<Event>& events, std::uint64_t floor);
  void look_back();  // tallies what the journals tell
  [[nodiscard]] bool durable(const std::string& session, const std::string& message) const;
  [[nodiscard]] std::optional<MessageState> state_of(const std::string& session, const std::string& message) const;
  [[nodiscard]] session::Entity entity_of(const std::string& session) const;

  [[nodiscard]] std::uint64_t pick(std::uint64_t n) { return random_.next() % n; }
  [[nodiscard]] bool one_in(std::uint64_t n) { return n != 0 && pick(n) == 0; }
  [[nodiscard]] std::string any_session() { return "s" + std::to_string(pick(mix_.sessions)); }
  [[nodiscard]] std::pair<const std::string, Sent>* any_message(const std::string& session);
  void saw(Rare what, std::uint64_t times = 1) { tally_.saw(what, times); }
  [[nodiscard]] caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(engine_->system().scheduler());
  }

  // Replies of commands come through here; `then` sees those of the living process only.
  template <class T>
  [[nodiscard]] Engine::Impl::Answer on_reply(std::function<void(Result<T>)> then) {
    return [this, asked = generation_, then = std::move(then)](Result<session::Reply>&& reply) {
      if (asked != generation_) return;
      if (reply) return then(std::move(std::get<T>(*reply)));
      if (reply.error().code == ErrorCode::internal) saw(Rare::read_failed);
      if (reply.error().code == ErrorCode::overloaded) saw(Rare::overloaded);
      then(tl::unexpected(std::move(reply.error())));
    };
  }

  SeededRandom random_;
  const std::uint64_t seed_;
  const int steps_;
  const Mix mix_;
  Tally& tally_;
  Witness witness_;
  Time now_ = 1'700'000'000'000;
  Key32 master_{};
  MemoryStore* store_ = nullptr;  // the engine's
  std::unique_ptr<Engine::Impl> engine_;
  std::shared_ptr<CommitQueue> answers_;  // of the loop that some actors run on
  Sessions sessions_;
  std::set<std::string> removed_;       // sessions whose deletion was asked for
  std::vector<Held> held_;              // workers outlive the engine
  std::vector<Receivers::Call> calls_;  // in the air
  // By session what workers appended, and at which position; 0: nobody was told of one.
  std::map<std::string, std::map<std::string, std::uint64_t>> appended_;
  struct Counted {
    std::int64_t asked = 0;     // increments that may have happened
    std::int64_t answered = 0;  // the highest value that somebody was told
    std::int64_t alarms = 0;    // that were set, each of them worth an increment
  };
  std::map<std::string, Counted> counted_;
  std::uint64_t next_id_ = 0;
  std::uint64_t next_batch_ = 0;
  std::uint64_t next_event_ = 0;
  std::uint64_t generation_ = 0;  // answers to requests of an earlier process are not answers
  std::uint64_t judged_ = 0;      // what was sent to processes before this one is known to be there or not
  MemoryStore::Fault injected_ = MemoryStore::Fault::none;  // the last one of a write
};

inline constexpr std::string_view kTurns = "https://runtime.example/turns";
inline constexpr std::string_view kHook = "https://caller.example/hook";
inline constexpr std::string_view kPushed = "s0";  // the session whose turns are pushed, if the mix has one

// The first string member of that name.
[[nodiscard]] std::string text_in(const std::string& body, std::string_view name);

}  // namespace holdfast::simulation
