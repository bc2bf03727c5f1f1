// Turns in this process: Engine::on_turn against the public API, on a real store.
#include <atomic>
#include <catch2/catch.hpp>
#include <holdfast/engine.hpp>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "tests/support/server.hpp"

namespace holdfast {
namespace {

class Opened {
 public:
  explicit Opened(const std::string& data) {
    Options options;
    options.data = data;
    options.limits.retry_default_ms = {1, 1};
    options.turn_threads = 2;
    auto opened = Engine::open(std::move(options));
    REQUIRE(opened);
    engine_ = std::move(*opened);
  }
  Engine* operator->() { return engine_.get(); }
  Admitted admit(const std::string& session, const std::string& id, std::optional<OnBusy> on_busy = {}) {
    auto request = AdmitRequest::prompt("text of " + id);
    request.id = id;
    request.on_busy = on_busy;
    auto admitted = engine_->admit(session, std::move(request));
    REQUIRE(admitted);
    return *admitted;
  }
  Message ended(const std::string& session, const std::string& id) {
    auto message = engine_->wait_message(session, id, 10'000);
    REQUIRE(message);
    return *message;
  }

 private:
  std::unique_ptr<Engine> engine_;
};

// What a handler found to be otherwise than expected: Catch takes assertions from one thread only.
struct Doubts {
  std::mutex mutex;
  std::vector<unsigned> lines;
  void expect(bool holds, unsigned line = __builtin_LINE()) {
    const std::lock_guard lock(mutex);
    if (!holds) lines.push_back(line);
  }
};

template <class Condition>
bool eventually(const Condition& holds) {
  for (int i = 0; i < 1'000; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace

TEST_CASE("a handler takes turns, emits events and completes them", "[engine][turns]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  Doubts doubts;
  REQUIRE(engine->on_turn("agent", [&](Turn& turn) {
    doubts.expect(turn.session().session == "s");
    doubts.expect(turn.text() == "text of " + turn.message().message);
    doubts.expect(turn.emit("delta", R"({"n":1})").has_value());
    doubts.expect(turn.emit("delta", "{broken").error().code == ErrorCode::invalid_body);
    doubts.expect(turn.emit("message.mine", "{}").error().code == ErrorCode::invalid_body);
    doubts.expect(turn.complete(R"({"ok":true})", WorkspaceState::warm).has_value());
    doubts.expect(turn.complete(R"({"ok":true})", {}).has_value());  // a second word changes nothing
    doubts.expect(turn.emit("late", "{}").error().code == ErrorCode::lease_lost);
  }));
  for (const std::string id : {"a", "b", "c"}) engine.admit("s", id);
  for (const std::string id : {"a", "b", "c"}) {
    const auto message = engine.ended("s", id);
    CHECK(message.state == MessageState::completed);
    CHECK(message.result == R"({"ok":true})");
    CHECK(message.attempt == 1);
  }
  EventQuery query;
  query.types = {"delta"};
  CHECK(engine->events("s", query)->items.size() == 3);
  CHECK(engine->get("s")->workspace == WorkspaceState::warm);
  CHECK(eventually([&] { return engine->stats().turns_running == 0; }));
  CHECK(doubts.lines.empty());
  CHECK(engine->on_turn("no name!", [](Turn&) {}).error().code == ErrorCode::invalid_name);
}

TEST_CASE("a handler without a word completes, one that throws is tried again and then fails", "[engine][turns]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  REQUIRE(engine->on_turn("agent", [](Turn& turn) {
    if (turn.message().message == "bad") throw std::runtime_error("no model");
    if (turn.message().message == "odd") throw 42;
    if (turn.message().message == "refused") (void)turn.fail({"policy", false, 0, "not this"});
    if (turn.message().message == "later" && turn.delivery().attempt == 1) (void)turn.fail({"busy", true, 0, {}});
  }));
  for (const std::string id : {"bad", "odd", "refused", "later", "quiet"}) engine.admit("s", id);
  CHECK(engine.ended("s", "quiet").state == MessageState::completed);
  const auto bad = engine.ended("s", "bad");
  CHECK(bad.state == MessageState::failed);
  CHECK(bad.failure->code == "exception");
  CHECK(bad.failure->detail == "no model");
  CHECK(bad.failure->reason == "exhausted");
  CHECK(bad.failure->attempts == 3);
  CHECK(engine.ended("s", "odd").failure->code == "exception");
  CHECK(engine.ended("s", "refused").failure->reason == "not_retryable");
  CHECK(engine.ended("s", "later").attempt == 2);
}

TEST_CASE("an interrupt cancels the running handler at once", "[engine][turns]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  Doubts doubts;
  std::atomic<bool> started{false};
  REQUIRE(engine->on_turn("agent", [&](Turn& turn) {
    started = true;
    eventually([&] { return turn.cancelled(); });
    doubts.expect(turn.cancelled());
    doubts.expect(turn.complete().error().code == ErrorCode::lease_lost);  // too late: it was captured
  }));
  engine.admit("s", "a");
  REQUIRE(eventually([&] { return started.load(); }));
  CHECK(engine->interrupt("s")->messages == 1);
  CHECK(engine.ended("s", "a").state == MessageState::interrupted);
  engine->close();
  CHECK(doubts.lines.empty());
}

TEST_CASE("a steer reaches the running handler", "[engine][turns]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  std::atomic<bool> started{false};
  std::string steered;
  REQUIRE(engine->on_turn("agent", [&](Turn& turn) {
    started = true;
    eventually([&] {
      for (const auto& message : turn.take_steers()) steered = message.message;
      return !steered.empty();
    });
  }));
  engine.admit("s", "a");
  REQUIRE(eventually([&] { return started.load(); }));
  CHECK(engine.admit("s", "more", OnBusy::steer).outcome == Outcome::steered);
  CHECK(engine.ended("s", "a").state == MessageState::completed);
  CHECK(steered == "more");
  const auto more = engine.ended("s", "more");
  CHECK(more.state == MessageState::completed);
  CHECK(more.steered_into == "a");
}

TEST_CASE("a steer that the handler never took runs next", "[engine][turns]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  std::atomic<bool> started{false};
  std::atomic<bool> go{false};
  REQUIRE(engine->on_turn("agent", [&](Turn&) {
    started = true;
    eventually([&] { return go.load(); });
  }));
  engine.admit("s", "a");
  REQUIRE(eventually([&] { return started.load(); }));
  CHECK(engine.admit("s", "more", OnBusy::steer).outcome == Outcome::steered);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the pool has looked at the session by now
  CHECK(engine->message("s", "more")->state == MessageState::queued);
  go = true;
  CHECK(engine.ended("s", "a").state == MessageState::completed);
  const auto more = engine.ended("s", "more");
  CHECK(more.state == MessageState::completed);
  CHECK(more.steered_into.empty());
}

TEST_CASE("handlers run on a bounded pool, and take what their labels allow", "[engine][turns]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  for (const std::string name : {"other", "mine"}) {
    SessionSpec spec;
    spec.labels = {{"class", name == "mine" ? "agent" : "somebody-else"}, {"gpu", "yes"}};
    REQUIRE(engine->put(name, spec));
    engine.admit(name, "m");
  }
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  TurnOptions options;
  options.labels = {{"gpu", "yes"}};
  options.concurrency = 8;
  REQUIRE(engine->on_turn(
      "agent",
      [&](Turn&) {
        const int running = ++now;
        int seen = most.load();
        while (seen < running && !most.compare_exchange_weak(seen, running)) {
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        --now;
      },
      options));
  for (int i = 0; i < 20; ++i) engine.admit("s" + std::to_string(i), "m");
  for (int i = 0; i < 20; ++i) CHECK(engine.ended("s" + std::to_string(i), "m").state == MessageState::completed);
  CHECK(engine.ended("mine", "m").state == MessageState::completed);
  CHECK(engine->message("other", "m")->state == MessageState::queued);
  CHECK(most == 2);  // turn_threads
}

TEST_CASE("closing cancels handlers; what they had goes back without using up an attempt", "[engine][turns]") {
  const test::TemporaryDirectory directory;
  {
    Opened engine(directory / "data");
    std::atomic<int> started{0};
    REQUIRE(engine->on_turn("agent", [&](Turn& turn) {
      ++started;
      eventually([&] { return turn.cancelled(); });
    }));
    for (const std::string name : {"s", "t", "u"}) engine.admit(name, "m");
    REQUIRE(eventually([&] { return started == 2; }));
    engine->close();
    CHECK(started == 2);
  }
  Opened engine(directory / "data");
  for (const std::string name : {"s", "t", "u"}) CHECK(engine->message(name, "m")->state == MessageState::queued);
  REQUIRE(engine->on_turn("agent", [](Turn&) {}));
  for (const std::string name : {"s", "t", "u"}) {
    const auto message = engine.ended(name, "m");
    CHECK(message.state == MessageState::completed);
    CHECK(message.attempt == 1);
  }
}

}  // namespace holdfast
