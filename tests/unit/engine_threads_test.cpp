// Everything at once, from several threads, on a real store, with an engine that lets its actors go as soon as it can.
// What it holds to is little; it is there for the thread sanitizer.
#include <atomic>
#include <catch2/catch.hpp>
#include <holdfast/engine.hpp>
#include <thread>

#include "tests/support/server.hpp"

namespace holdfast {
namespace {

constexpr int kSessions = 8;

class Tally final : public Object {
 public:
  Task<Reply> on_request(Context& ctx, const Request& request) override {
    const auto n = ctx.storage().get<std::int64_t>("n").value_or(0) + 1;
    ctx.storage().put("n", n);
    ctx.emit("counted", std::to_string(n));
    if (request.path == "/sleep") co_await ctx.sleep(1);
    if (request.path == "/run") co_await ctx.run([] {});
    if (request.path == "/mail") ctx.enqueue(ObjectName{"tally", "t0"}, "1");
    if (request.path == "/alarm") ctx.set_alarm(ctx.now() + 1);
    co_return Reply::text(std::to_string(n));
  }
  Task<> on_message(Context& ctx, const Inbound&) override {
    ctx.storage().put("mail", ctx.storage().get<std::int64_t>("mail").value_or(0) + 1);
    return {};
  }
  Task<> on_alarm(Context& ctx) override {
    ctx.emit("rung", "1");
    return {};
  }
};

Options crowded(const std::string& data) {
  Options options;
  options.data = data;
  options.turn_threads = 2;
  options.worker_threads = 2;
  options.limits.live_objects_max = 4;
  options.limits.idle_evict_ms = 1;
  options.limits.retry_default_ms = {1, 1};
  options.limits.reconcile_interval_ms = 10;
  options.register_class<Tally>("tally");
  return options;
}

// One client or worker. Every answer is as good as another, as long as it comes.
class Crowd {
 public:
  explicit Crowd(Engine& engine) : engine_(engine) {}

  void work(int seed, int rounds) {
    for (int round = 0; round < rounds; ++round) {
      const int dice = seed * 7 + round;
      const auto session = "s" + std::to_string(dice % kSessions);
      switch (dice % 11) {
        case 0: (void)engine_.get(session); break;
        case 1: (void)engine_.events(session); break;
        case 2: claim(round); break;
        case 3: (void)engine_.list(); break;
        case 4: call(dice); break;
        case 5: (void)engine_.queue(session, {round % 2 == 0 ? QueueAction::pause : QueueAction::resume, {}}); break;
        case 6: (void)engine_.stats(); break;
        case 7: subscribe(session); break;
        case 8: (void)engine_.interrupt(session); break;
        default: admit(session, round); break;
      }
    }
  }
  [[nodiscard]] int admitted() const { return admitted_; }
  [[nodiscard]] int answered() const { return answered_; }

 private:
  void admit(const std::string& session, int round) {
    auto request = AdmitRequest::prompt("hello");
    request.on_busy = round % 5 == 0 ? OnBusy::steer : OnBusy::enqueue;
    const auto one = engine_.admit(session, std::move(request));
    if (!one) return;
    ++admitted_;
    if (round % 4 == 0) (void)engine_.wait_message(session, one->message, 5);
    else if (!engine_.message(session, one->message)) admitted_ = -1'000'000;
  }
  void claim(int round) {
    ClaimRequest request;
    request.runtime = "r" + std::to_string(round % 3);
    request.wait_ms = 5;
    request.max = 2;
    const auto turns = engine_.claim(request);
    if (!turns) return;
    for (const auto& turn : *turns) {
      const LeaseRef lease{turn.delivery, turn.lease};
      (void)engine_.accept(lease);
      (void)engine_.append_events(lease, {{"delta", "{}"}});
      (void)engine_.heartbeat(lease);
      if (round % 3 == 0) (void)engine_.release(lease);
      else if (round % 3 == 1) (void)engine_.fail(lease, {"boom", true, 0, {}});
      else (void)engine_.complete(lease);
    }
  }
  void call(int dice) {
    constexpr const char* kPaths[] = {"/", "/sleep", "/run", "/mail", "/alarm"};
    const auto name = "t" + std::to_string(dice % 6);
    if (engine_.call("tally", name, {"POST", kPaths[dice % 5], ""})) ++answered_;
    (void)engine_.object_events("tally", name);
  }
  void subscribe(const std::string& session) {
    std::atomic<int> seen{0};
    const auto subscription = engine_.subscribe(session, 0, [&](const Event&) { ++seen; });
    admit(session, 1);
  }

  Engine& engine_;
  std::atomic<int> admitted_{0};
  std::atomic<int> answered_{0};
};

}  // namespace

TEST_CASE("an engine that many threads use at once answers each of them") {
  const test::TemporaryDirectory directory;
  for (int life = 0; life < 2; ++life) {
    auto engine = Engine::open(crowded(directory / "data")).value();
    for (int n = 0; n < kSessions; ++n) {
      SessionSpec spec;
      if (n % 2 == 0) spec.labels["class"] = "agent";
      REQUIRE(engine->put("s" + std::to_string(n), std::move(spec)));
    }
    REQUIRE(engine->on_turn("agent", [](Turn& turn) {
      (void)turn.emit("thought", "{}");
      (void)turn.take_steers();
    }));
    Crowd crowd(*engine);
    std::vector<std::thread> threads;
    for (int seed = 0; seed < 5; ++seed) threads.emplace_back([&crowd, seed] { crowd.work(seed, 60); });
    for (auto& thread : threads) thread.join();
    CHECK(crowd.admitted() > 0);
    CHECK(crowd.answered() > 0);
    CHECK(engine->health() == Health::ready);
  }
}

}  // namespace holdfast
