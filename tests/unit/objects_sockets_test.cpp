// WebSockets of objects, between clients inside this process and an engine whose threads and disk the test drives.
#include <caf/scheduler/test_coordinator.hpp>
#include <catch2/catch.hpp>
#include <sstream>

#include "src/core/crypto.hpp"
#include "src/engine/impl.hpp"
#include "storage/memory_store.hpp"

namespace holdfast {
namespace {

std::vector<std::string> g_closed;  // "code reason attachment" of each on_websocket_close
std::function<void()> g_on_evict;   // runs once
int g_activated = 0;

// Does what the first word of a message says.
class Line final : public Object {
 public:
  Task<> on_activate(Context& ctx) override {
    ++g_activated;
    ctx.set_auto_response("ping", "pong");
    return {};
  }
  void on_evict() noexcept override {
    if (const auto hook = std::exchange(g_on_evict, nullptr)) hook();
  }
  Task<Reply> on_request(Context& ctx, const Request& request) override {
    if (request.path == "/open") return Reply::text(std::to_string(ctx.websockets().size()));
    return Reply::text(ctx.storage().get(request.path).value_or("(none)"));
  }
  Task<> on_websocket_open(Context& ctx, WebSocket socket, const Request& request) override {
    ctx.storage().put("/opened", request.path);
    socket.add_tag(request.query);
    socket.attach("as " + request.query);
    ctx.broadcast("hello " + request.query);
    if (request.path == "/refuse") throw ObjectError(ErrorCode::forbidden, "not you");
    return {};
  }
  Task<> on_websocket_message(Context& ctx, WebSocket socket, const SocketMessage& message) override {
    std::istringstream words(message.data);
    std::string what;
    std::string how;
    words >> what >> how;
    if (what == "put") {
      ctx.storage().put("/value", how);
      ctx.broadcast("put " + how);
    }
    if (what == "get") socket.send(ctx.storage().get("/value").value_or("(none)"));
    if (what == "tell") ctx.broadcast("for " + how, how);
    if (what == "attach") socket.attach(std::string(std::stoul(how), 'x'));
    if (what == "attachment") socket.send(std::to_string(socket.attachment().size()));
    if (what == "leave") {
      socket.send("bye");
      socket.close(4'000, "as asked");
    }
    if (what == "fail") {
      socket.attach("changed");
      ctx.storage().put("/value", "lost");
      socket.send("lost");
      throw std::runtime_error("no");
    }
    return {};
  }
  Task<> on_websocket_close(Context&, WebSocket socket, const SocketClose& close) override {
    g_closed.push_back(std::to_string(close.code) + " " + close.reason + " " + socket.attachment());
    return {};
  }
};

struct Nowhere final : egress::Outbound {
  void post(egress::Request, std::function<void(egress::Outcome)>) override {}
  void close() override {}
};
struct SetClock final : Clock {
  explicit SetClock(const Time& from) : time(from) {}
  [[nodiscard]] Time now() const noexcept override { return time; }
  const Time& time;
};

struct Screen final : SocketPeer {
  void send(SocketMessage message) override { seen.push_back(message.data); }
  void close(SocketClose close) override { seen.push_back(std::to_string(close.code) + " " + close.reason); }
  std::vector<std::string> take() { return std::exchange(seen, {}); }
  std::vector<std::string> seen;
};

using Seen = std::vector<std::string>;

class Stage {
 public:
  explicit Stage(const Limits& limits = {}) {
    crypto_start();
    g_closed.clear();
    EngineParts parts;
    parts.options.limits = limits;
    parts.options.register_class<Line>("line");
    parts.logger = make_logger(LogLevel::off, LogFormat::text);
    parts.clock = std::make_unique<SetClock>(now_);
    parts.random = std::make_unique<SeededRandom>(7);
    auto store = std::make_unique<MemoryStore>();
    store_ = store.get();
    parts.store = std::move(store);
    parts.outbound = std::make_unique<Nowhere>();
    parts.identity.id = "str_test";
    parts.drive = EngineParts::Drive::stepped;
    auto made = Engine::Impl::make(std::move(parts));
    REQUIRE(made);
    engine_ = std::move(*made);
  }
  ~Stage() { engine_->abandon(); }
  Engine::Impl* operator->() { return engine_.get(); }
  [[nodiscard]] MemoryStore& store() { return *store_; }

  // Runs the actors; what they write stays on its way to the disk.
  void run() {
    auto& scheduler = dynamic_cast<caf::scheduler::test_coordinator&>(engine_->system().scheduler());
    while (scheduler.try_run_once()) {
    }
  }
  void settle() {
    do run();
    while (engine_->pipeline().commit_once());
  }
  void pass(Time ms) {
    now_ += ms;
    engine_->timers().run_due();
    settle();
  }
  std::string get(const std::string& path) {
    std::string got;
    engine_->call("line", "one", {"GET", path, ""}, nullptr, [&](Result<Reply> r) { got = r ? r->body : "error"; });
    settle();
    return got;
  }

 private:
  Time now_ = 1'000'000;
  MemoryStore* store_ = nullptr;
  std::unique_ptr<Engine::Impl> engine_;
};

class Client {
 public:
  Client(Stage& stage, const std::string& name, const std::string& path = "/") : stage_(stage) {
    stage_->open_websocket("line", "one", {"GET", path, "", {}, name}, screen,
                           [this](Result<std::shared_ptr<SocketLink>> opened) { answer.emplace(std::move(opened)); });
  }
  // What the engine says when the object is done with the message; "" while it is not.
  const std::string& say(const std::string& text) {
    result.clear();
    (**answer)->received({text, false}, [this](const Result<Nothing>& taken) {
      result = taken ? "taken" : std::string(name_of(taken.error().code));
    });
    return result;
  }
  std::string ask(const std::string& text) {
    say(text);
    stage_.settle();
    return result;
  }
  void leave(const SocketClose& close) const { (**answer)->closed(close); }

  std::shared_ptr<Screen> screen = std::make_shared<Screen>();
  std::optional<Result<std::shared_ptr<SocketLink>>> answer;
  std::string result;

 private:
  Stage& stage_;
};

}  // namespace

TEST_CASE("frames leave an object when what they tell is durable, in order", "[engine][objects][sockets]") {
  Stage stage;
  Client ann(stage, "ann");
  stage.run();
  CHECK_FALSE(ann.answer);
  CHECK(ann.screen->seen.empty());
  stage.settle();
  REQUIRE(ann.answer);
  REQUIRE(*ann.answer);
  CHECK(ann.screen->take() == Seen{"hello ann"});
  Client bob(stage, "bob");
  stage.settle();
  CHECK(ann.screen->take() == Seen{"hello bob"});
  CHECK(bob.screen->take() == Seen{"hello bob"});

  // What bob reads is not on disk yet either.
  ann.say("put 1");
  stage.run();
  bob.say("get");
  stage.run();
  CHECK(ann.screen->seen.empty());
  CHECK(bob.screen->seen.empty());
  CHECK(ann.result.empty());
  CHECK(bob.result.empty());
  stage.settle();
  CHECK(ann.screen->take() == Seen{"put 1"});
  CHECK(bob.screen->take() == Seen{"put 1", "1"});
  CHECK(ann.result == "taken");
  CHECK(bob.result == "taken");

  CHECK(bob.ask("leave") == "taken");
  CHECK(bob.screen->take() == Seen{"bye", "4000 as asked"});
}

TEST_CASE("what does not become durable is told to nobody", "[engine][objects][sockets]") {
  Stage stage;
  Client ann(stage, "ann");
  stage.settle();
  (void)ann.screen->take();
  stage.store().inject(MemoryStore::Fault::unknown_lost);
  CHECK(ann.ask("put 1") == "commit_unknown");
  CHECK(ann.screen->seen.empty());
  Client bob(stage, "bob");
  stage.settle();
  REQUIRE(bob.answer);
  CHECK_FALSE(*bob.answer);
  CHECK(bob.screen->seen.empty());
  CHECK(stage->sockets().open() == 1);
}

TEST_CASE("a WebSocket is refused by a handler that throws, which wrote nothing", "[engine][objects][sockets]") {
  Stage stage;
  Client ann(stage, "ann", "/refuse");
  stage.settle();
  REQUIRE(ann.answer);
  CHECK(ann.answer->error().code == ErrorCode::forbidden);
  CHECK(ann.screen->seen.empty());
  CHECK(stage.get("/opened") == "(none)");
  CHECK(stage.get("/open") == "0");
  CHECK(stage->sockets().open() == 0);
  CHECK(g_closed.empty());
}

TEST_CASE("an attachment has a limit, and a handler that throws leaves it as it was", "[engine][objects][sockets]") {
  Stage stage;
  Client ann(stage, "ann");
  stage.settle();
  (void)ann.screen->take();
  CHECK(ann.ask("attach 16384") == "taken");
  CHECK(ann.ask("attach 16385") == "too_large");
  CHECK(ann.ask("attachment") == "taken");
  CHECK(ann.screen->take() == Seen{"16384"});
  CHECK(ann.ask("fail") == "internal");
  CHECK(ann.screen->seen.empty());
  CHECK(ann.ask("attachment") == "taken");
  CHECK(ann.screen->take() == Seen{"16384"});
  CHECK(stage.get("/value") == "(none)");
}

TEST_CASE("a broadcast to a tag reaches those who carry it", "[engine][objects][sockets]") {
  Stage stage;
  Client ann(stage, "red");
  Client bob(stage, "blue");
  Client eve(stage, "red");
  stage.settle();
  for (auto* client : {&ann, &bob, &eve}) (void)client->screen->take();
  CHECK(bob.ask("tell red") == "taken");
  CHECK(ann.screen->take() == Seen{"for red"});
  CHECK(eve.screen->take() == Seen{"for red"});
  CHECK(bob.screen->take().empty());
  CHECK(ann.ask("tell green") == "taken");
  CHECK(ann.screen->seen.empty());
}

TEST_CASE("an object hears once that a WebSocket closed, with what it attached", "[engine][objects][sockets]") {
  Stage stage;
  Client ann(stage, "ann");
  Client bob(stage, "bob");
  stage.settle();
  ann.leave({1'000, "bye"});
  ann.leave({1'001, "again"});
  ann.answer.reset();
  stage.settle();
  CHECK(g_closed == Seen{"1000 bye as ann"});
  CHECK(stage.get("/open") == "1");
  bob.answer.reset();
  stage.settle();
  CHECK(g_closed == Seen{"1000 bye as ann", "1006  as bob"});
  CHECK(stage->sockets().open() == 0);
}

TEST_CASE("an object hears of a close when too much is in flight for anything else", "[engine][objects][sockets]") {
  Limits limits;
  limits.in_flight_max = 1;
  Stage stage(limits);
  Client ann(stage, "ann");
  stage.settle();
  Client eve(stage, "eve");
  CHECK(ann.say("get") == "overloaded");
  ann.leave({1'000, {}});
  stage.settle();
  CHECK(g_closed == Seen{"1000  as ann"});
}

TEST_CASE("connections outlive the instance, and an automatic answer does not wake it", "[engine][objects][sockets]") {
  Stage stage;
  Client ann(stage, "ann");
  stage.settle();
  (void)ann.screen->take();
  stage.pass(120'000);
  CHECK(stage->stats().evictions == 1);
  const auto activations = stage->stats().activations;
  CHECK(ann.say("ping") == "taken");
  CHECK(ann.screen->take() == Seen{"pong"});
  stage.settle();
  CHECK(stage->stats().activations == activations);
  CHECK(ann.ask("attachment") == "taken");
  CHECK(ann.ask("tell ann") == "taken");
  CHECK(ann.screen->take() == Seen{"6", "for ann"});
  CHECK(stage->stats().activations == activations + 1);
}

TEST_CASE("what comes while an object leaves memory finds all that its instance sets", "[engine][objects][sockets]") {
  Stage stage;
  CHECK(stage.get("/open") == "0");
  const int activated = g_activated;
  std::string got;
  g_on_evict = [&] {
    stage->call("line", "one", {"GET", "/open", ""}, nullptr, [&](Result<Reply> r) { got = r ? r->body : "error"; });
    stage.run();
  };
  stage.pass(120'000);
  CHECK_FALSE(g_on_evict);
  CHECK(got == "0");
  CHECK(g_activated == activated + 1);
  CHECK(stage->sockets().auto_response({std::string(kDefaultProject), "one", "line"}, "ping") == "pong");
  CHECK(stage->stats().evictions == 0);
  stage.pass(120'000);
  CHECK(stage->stats().evictions == 1);
  CHECK(stage->sockets().auto_response({std::string(kDefaultProject), "one", "line"}, "ping").empty());
}

}  // namespace holdfast
