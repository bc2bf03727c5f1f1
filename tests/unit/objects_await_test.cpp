// Handlers that await, and what leaves an object for others: calls, mail, deferred work. On a real store.
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <holdfast/engine.hpp>
#include <limits>
#include <thread>

#include "tests/support/server.hpp"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

// Holds up whoever passes until it is opened.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void await_arrival(int count = 1) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, 20s, [&] { return arrived_ >= count; }));
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  bool open_ = false;
};

std::shared_ptr<Gate> g_gate;
std::atomic<int> g_taken{0};
std::atomic<int> g_refuse{0};
std::atomic<int> g_ended{0};  // frames of handlers that were destroyed or done

struct CountsItsEnd {
  ~CountsItsEnd() { ++g_ended; }
};

ObjectName other(const std::string& name) { return {"awaiter", name}; }

class Awaiter final : public Object {
 public:
  Task<> on_activate(Context& ctx) override {
    n_ = ctx.storage().get<std::int64_t>("n").value_or(0);
    return {};
  }

  Task<Reply> on_request(Context& ctx, const Request& request) override {
    const CountsItsEnd end;
    const auto& path = request.path;
    if (path == "/value") co_return Reply::text(std::to_string(n_));
    if (path == "/add") {
      put(ctx, n_ + 1);
      co_return Reply::text(std::to_string(n_));
    }
    if (path == "/sleep") {
      put(ctx, n_ + 1);
      co_await ctx.sleep(5);
      put(ctx, n_ + 1);
      co_return Reply::text(std::to_string(n_));
    }
    if (path == "/call") {
      const auto reply = co_await ctx.call(other(request.body), {"GET", "/add", ""});
      co_return reply ? Reply::text("it says " + reply->body)
                      : Reply::text(std::string(name_of(reply.error().code)), 502);
    }
    if (path == "/call_ghost") {
      const auto reply = co_await ctx.call({"ghost", "one"}, {"GET", "/", ""});
      co_return Reply::text(std::string(name_of(reply.error().code)));
    }
    if (path == "/circle") {  // of n calls, back to where it began
      const auto left = std::stoi(request.body);
      if (left == 0) co_return Reply::text("round");
      const auto next = other(ctx.name() == "a" ? "b" : "a");
      co_return *co_await ctx.call(next, {"GET", "/circle", std::to_string(left - 1)});
    }
    if (path == "/run") {
      const auto here = std::this_thread::get_id();
      const auto there = co_await ctx.run([] { return std::this_thread::get_id(); });
      co_return Reply::text(here == there ? "the same thread" : "another thread");
    }
    if (path == "/run_throws") {
      try {
        co_await ctx.run([] { throw std::runtime_error("as asked"); });
      } catch (const std::runtime_error& error) {
        co_return Reply::text(error.what());
      }
    }
    if (path == "/wait" || path == "/wait_and_throw" || path == "/wait_blocking") {
      put(ctx, n_ + 1);
      auto wait = [](Context& c) -> Task<> {
        const auto gate = g_gate;
        co_await c.run([&] { gate->pass(); });
      };
      if (path == "/wait_blocking") co_await ctx.block_while(wait(ctx));
      else co_await wait(ctx);
      put(ctx, n_ + 10);
      if (path == "/wait_and_throw") throw std::runtime_error("as asked");
      co_return Reply::text(std::to_string(n_));
    }
    if (path == "/sync") {
      put(ctx, n_ + 1);
      co_await ctx.sync();
      throw std::runtime_error("after the first write was durable");
    }
    if (path == "/start_throws" || path == "/write_and_start_throws") {
      if (path == "/write_and_start_throws") put(ctx, n_ + 1);
      const Start<Nothing> broken = [](const Done<Nothing>&) { throw std::runtime_error("as asked"); };
      (void)co_await ctx.wait_for(broken);
    }
    if (path == "/sleep_for_ever") co_await ctx.sleep(std::numeric_limits<Time>::max());
    if (path == "/foreign") co_await std::suspend_always{};
    if (path == "/mail") {  // body: to whom
      put(ctx, n_ - 1);
      ctx.enqueue(other(request.body), "1");
      co_return Reply::empty();
    }
    if (path == "/mail_and_throw") {
      ctx.enqueue(other(request.body), "1");
      throw std::runtime_error("as asked");
    }
    if (path == "/mail_many") {
      for (int i = 1; i <= 50; ++i) ctx.enqueue(other(request.body), "list " + std::to_string(i));
      co_return Reply::empty();
    }
    if (path == "/mail_session") {
      co_return Reply::text(std::to_string(ctx.enqueue(request.body, AdmitRequest::prompt("from an object"))));
    }
    if (path == "/mail_unsound") {
      auto message = AdmitRequest::prompt("from an object");
      if (request.body == "priority") message.priority = 10;
      if (request.body == "id") message.id = "no name!";
      if (request.body == "turn") message.turn.clear();
      ctx.enqueue("s1", std::move(message));
    }
    if (path == "/mail_nobody") ctx.enqueue({"awaiter", "no name!"}, "1");
    if (path == "/list") co_return Reply::text(ctx.storage().get("list").value_or(""));
    if (path == "/defer" || path == "/defer_throws") {
      ctx.storage().put("deferred", "not yet");
      ctx.defer(
          [throws = path == "/defer_throws"] {
            if (throws) throw std::runtime_error("as asked");
            return std::string("done elsewhere");
          },
          &Awaiter::on_deferred);
      co_return Reply::empty();
    }
    if (path == "/deferred") co_return Reply::text(ctx.storage().get("deferred").value_or(""));
    if (path == "/alarm") {
      ctx.set_alarm(ctx.now() + 1);
      co_return Reply::empty();
    }
    if (path == "/batch") {
      ctx.storage().put_all({{"b1", "1"}, {"b2", "2"}, {"b3", "3"}});
      const auto some = ctx.storage().get_all({"b3", "none", "b1"});
      const auto removed = ctx.storage().remove_all({"b1", "none", "b2"});
      co_return Reply::text(some[0].value + some[1].value + " " + std::to_string(removed) + " " +
                            std::to_string(ctx.storage().list({.prefix = "b"}).size()));
    }
    co_return Reply::text("?", 404);
  }

  Task<> on_message(Context& ctx, const Inbound& mail) override {
    if (g_refuse > 0) {
      --g_refuse;
      put(ctx, n_ + 1'000);
      throw std::runtime_error("not now");
    }
    if (mail.body.starts_with("list ")) {
      ctx.storage().put("list", ctx.storage().get("list").value_or("") + mail.body.substr(5) + " ");
      return {};
    }
    ++g_taken;
    put(ctx, n_ + std::stoi(mail.body));
    return {};
  }

  Task<> on_alarm(Context& ctx) override {
    const CountsItsEnd end;
    put(ctx, n_ + 1);
    const auto gate = g_gate;
    co_await ctx.run([&] { gate->pass(); });
    put(ctx, n_ + 10);
  }

  Task<> on_deferred(Context& ctx, std::string answer) {
    ctx.storage().put("deferred", answer);
    return {};
  }

 private:
  void put(Context& ctx, std::int64_t n) { ctx.storage().put("n", n_ = n); }
  std::int64_t n_ = 0;
};

// Loads itself from another object.
class Follower final : public Object {
 public:
  Task<> on_activate(Context& ctx) override {
    const auto reply = co_await ctx.call(other("leader"), {"GET", "/add", ""});
    if (!reply) throw ObjectError(reply.error());
    loaded_ = reply->body;
    const auto gate = g_gate;
    co_await ctx.run([&] { gate->pass(); });
  }
  Task<Reply> on_request(Context&, const Request&) override { return Reply::text(loaded_); }

 private:
  std::string loaded_;
};

class Opened {
 public:
  explicit Opened(const std::string& data, const std::function<void(Options&)>& change = {}) {
    g_gate = std::make_shared<Gate>();
    Options options;
    options.data = data;
    options.register_class<Awaiter>("awaiter");
    options.register_class<Follower>("follower");
    if (change) change(options);
    auto opened = Engine::open(std::move(options));
    REQUIRE(opened);
    engine_ = std::move(*opened);
  }
  Engine* operator->() { return engine_.get(); }
  void close() { engine_.reset(); }
  std::string ask(const std::string& name, const std::string& path, const std::string& body = {}) {
    return said(engine_->call("awaiter", name, {"POST", path, body}));
  }
  std::future<std::string> ask_later(const std::string& name, const std::string& path,
                                     const std::string& object_class = "awaiter") {
    auto promise = std::make_shared<std::promise<std::string>>();
    engine_->call_async(object_class, name, {"POST", path, ""},
                        [promise](Result<Reply> reply) { promise->set_value(said(std::move(reply))); });
    return promise->get_future();
  }

 private:
  static std::string said(Result<Reply> reply) {
    if (!reply) return std::string(name_of(reply.error().code));
    return std::to_string(reply->status) + " " + reply->body;
  }
  std::unique_ptr<Engine> engine_;
};

template <class Condition>
bool eventually(const Condition& holds) {
  for (int i = 0; i < 2'000; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

}  // namespace

TEST_CASE("a handler awaits time, other objects and other threads", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  CHECK(engine.ask("a", "/sleep") == "200 2");
  CHECK(engine.ask("a", "/call", "b") == "200 it says 1");
  CHECK(engine.ask("a", "/call", "a") == "200 it says 3");  // itself: it waits, so it may
  CHECK(engine.ask("a", "/call_ghost") == "200 not_found");
  CHECK(engine.ask("a", "/circle", "6") == "200 round");
  CHECK(engine.ask("a", "/run") == "200 another thread");
  CHECK(engine.ask("a", "/run_throws") == "200 as asked");
  CHECK(engine.ask("a", "/batch") == "200 31 2 1");
}

TEST_CASE("a handler that awaits what its Context did not offer ends with an error", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  const int ended = g_ended;
  CHECK(engine.ask("a", "/foreign") == "internal");
  CHECK(g_ended == ended + 1);
  CHECK(engine.ask("a", "/add") == "200 1");
}

TEST_CASE("a Start that throws ends its handler with an error, and the object goes on", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  for (const std::string path : {"/start_throws", "/write_and_start_throws"}) {
    auto answer = engine.ask_later("a", path);
    REQUIRE(answer.wait_for(20s) == std::future_status::ready);
    CHECK(answer.get() == "internal");
  }
  auto value = engine.ask_later("a", "/value");
  REQUIRE(value.wait_for(20s) == std::future_status::ready);
  CHECK(value.get() == "200 1");  // written before the await
}

TEST_CASE("a completion that throws is called once, and the object goes on", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  int answers = 0;
  Opened engine(directory / "data");
  // Neither writes, so both are answered within the call.
  for (const std::string path : {"/value", "/mail_nobody"}) {
    engine->call_async("awaiter", "a", {"POST", path, ""}, [&answers](const Result<Reply>&) {
      ++answers;
      throw std::runtime_error("as asked");
    });
  }
  CHECK(answers == 2);
  auto value = engine.ask_later("a", "/add");
  REQUIRE(value.wait_for(20s) == std::future_status::ready);
  CHECK(value.get() == "200 1");
}

TEST_CASE("a sleep that ends later than time goes lasts until the engine closes", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  auto sleeping = engine.ask_later("a", "/sleep_for_ever");
  CHECK(sleeping.wait_for(50ms) == std::future_status::timeout);
  CHECK(engine.ask("a", "/add") == "200 1");
  engine.close();
  CHECK(sleeping.get() == "shutting_down");
}

TEST_CASE("while a handler awaits, other events enter and see what it wrote before", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  auto waiting = engine.ask_later("a", "/wait");
  g_gate->await_arrival();
  CHECK(engine.ask("a", "/value") == "200 1");
  CHECK(engine.ask("a", "/add") == "200 2");
  g_gate->open();
  CHECK(waiting.get() == "200 12");
}

TEST_CASE("block_while holds other events up, in their order", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  auto waiting = engine.ask_later("a", "/wait_blocking");
  g_gate->await_arrival();
  auto second = engine.ask_later("a", "/value");
  auto third = engine.ask_later("a", "/add");
  CHECK(second.wait_for(50ms) == std::future_status::timeout);
  g_gate->open();
  CHECK(waiting.get() == "200 11");
  CHECK(second.get() == "200 11");
  CHECK(third.get() == "200 12");
}

TEST_CASE("no event enters before on_activate is done", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  auto first = engine.ask_later("f", "/", "follower");
  auto second = engine.ask_later("f", "/", "follower");
  g_gate->await_arrival();
  CHECK(second.wait_for(50ms) == std::future_status::timeout);
  g_gate->open();
  CHECK(first.get() == "200 1");
  CHECK(second.get() == "200 1");
  CHECK(engine.ask("leader", "/value") == "200 1");  // activated once
}

TEST_CASE("a throw takes back what came after the last await, and ends who else waits in the instance",
          "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  CHECK(engine.ask("s", "/sync") == "internal");
  CHECK(engine.ask("s", "/value") == "200 1");

  auto throwing = engine.ask_later("a", "/wait_and_throw");
  auto bystander = engine.ask_later("a", "/wait");
  g_gate->await_arrival(2);
  CHECK(engine.ask("a", "/value") == "200 2");
  const int ended = g_ended;
  g_gate->open();
  CHECK(throwing.get() == "internal");
  const auto other_one = bystander.get();  // it may have come back first
  CHECK((other_one == "internal" || other_one == "200 12"));
  CHECK(engine.ask("a", "/value") == (other_one == "internal" ? "200 2" : "200 12"));
  CHECK(g_ended >= ended + 2);
}

TEST_CASE("closing the engine ends handlers that wait", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  const int ended = g_ended;
  {
    Opened engine(directory / "data");
    auto waiting = engine.ask_later("a", "/wait");
    g_gate->await_arrival();
    std::thread opener([gate = g_gate, &waiting] {
      waiting.wait();  // the handler is gone before its work is
      gate->open();
    });
    engine->close();
    CHECK(waiting.get() == "shutting_down");
    opener.join();
    CHECK(g_ended == ended + 1);
  }
  Opened engine(directory / "data");
  CHECK(engine.ask("a", "/value") == "200 1");
}

TEST_CASE("a call that is not answered in time ends with an error", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data", [](Options& o) { o.limits.object_call_ms = 30; });
  auto blocking = engine.ask_later("b", "/wait_blocking");
  g_gate->await_arrival();
  CHECK(engine.ask("a", "/call", "b") == "502 timed_out");
  g_gate->open();
  CHECK(blocking.get() == "200 11");
}

TEST_CASE("an alarm whose handler awaits stays set until it is done", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  {
    Opened engine(directory / "data");
    CHECK(engine.ask("a", "/alarm") == "204 ");
    g_gate->await_arrival();
    CHECK(engine.ask("a", "/value") == "200 1");
    std::thread closer([&] { engine->close(); });
    std::this_thread::sleep_for(20ms);
    g_gate->open();
    closer.join();
  }
  Opened engine(directory / "data");
  g_gate->open();  // it rings again
  CHECK(eventually([&] { return engine.ask("a", "/value") == "200 12"; }));
  std::this_thread::sleep_for(50ms);
  CHECK(engine.ask("a", "/value") == "200 12");
}

TEST_CASE("mail arrives once, in order, and only if its sender's event was durable", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  g_taken = 0;
  {
    Opened engine(directory / "data");
    CHECK(engine.ask("a", "/mail", "b") == "204 ");
    CHECK(eventually([&] { return engine.ask("b", "/value") == "200 1"; }));
    CHECK(engine.ask("a", "/value") == "200 -1");
    CHECK(engine.ask("a", "/mail_and_throw", "b") == "internal");
    CHECK(engine.ask("a", "/mail_nobody") == "invalid_name");
    CHECK(engine.ask("a", "/mail_many", "c") == "204 ");
    std::string all;
    for (int i = 1; i <= 50; ++i) all += std::to_string(i) + " ";
    CHECK(eventually([&] { return engine.ask("c", "/list") == "200 " + all; }));
    for (int i = 0; i < 20; ++i) CHECK(engine.ask("a", "/mail", "b") == "204 ");
  }
  Opened engine(directory / "data");  // some may have been under way
  CHECK(eventually([&] { return engine.ask("b", "/value") == "200 21"; }));
  CHECK(g_taken == 21);
}

TEST_CASE("mail whose receiver throws is sent again, and given up with an event when it can never arrive",
          "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data", [](Options& o) { o.limits.queue_capacity_max = 10; });
  g_refuse = 1;
  CHECK(engine.ask("a", "/mail", "b") == "204 ");
  CHECK(eventually([&] { return engine.ask("b", "/value") == "200 1"; }));
  CHECK(engine->object_events("awaiter", "a")->items.empty());

  const auto refused = engine->call("awaiter", "a", {"POST", "/mail_session", "s1"});
  CHECK(eventually([&] { return engine->get("s1").has_value(); }));
  const auto messages = engine->messages("s1");
  REQUIRE(messages);
  REQUIRE(messages->items.size() == 1);
  CHECK(messages->items[0].message.starts_with("obj_"));

  REQUIRE(engine->remove("s1"));
  CHECK(engine.ask("a", "/mail_session", "s1") == "200 3");
  CHECK(eventually([&] { return engine->object_events("awaiter", "a")->items.size() == 1; }));
  const auto event = engine->object_events("awaiter", "a")->items[0];
  CHECK(event.type == "object.message_failed");
  CHECK(event.data.find(R"("session":"s1","seq":3,"code":"gone")") != std::string::npos);
}

TEST_CASE("a message to a session is checked when it is enqueued, as Engine::admit checks it", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  {
    Opened engine(directory / "data");
    CHECK(engine.ask("a", "/mail_unsound", "priority") == "invalid_body");
    CHECK(engine.ask("a", "/mail_unsound", "id") == "invalid_name");
    CHECK(engine.ask("a", "/mail_unsound", "turn") == "invalid_body");
    CHECK(engine.ask("a", "/mail_session", "s1") == "200 1");
    CHECK(eventually([&] { return engine->get("s1").has_value(); }));
  }
  Opened engine(directory / "data");
  CHECK(engine->messages("s1")->items.size() == 1);
}

TEST_CASE("deferred work runs elsewhere and comes back as an event", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data", [](Options& o) { o.limits.live_objects_max = 1; });
  CHECK(engine.ask("a", "/defer") == "204 ");
  CHECK(eventually([&] { return engine.ask("a", "/deferred") == "200 done elsewhere"; }));
  CHECK(engine.ask("a", "/defer_throws") == "204 ");
  CHECK(eventually([&] { return engine->object_events("awaiter", "a")->items.size() == 1; }));
  CHECK(engine->object_events("awaiter", "a")->items[0].type == "object.defer_failed");
  CHECK(engine.ask("a", "/deferred") == "200 not yet");
}

TEST_CASE("a crowd that awaits loses nothing", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  std::vector<std::thread> crowd;
  for (int t = 0; t < 8; ++t) {
    crowd.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        if (t % 2 == 0) engine->call("awaiter", "hub", {"POST", "/call", "leaf"});
        else engine->call("awaiter", "hub", {"POST", "/mail", "leaf"});
      }
    });
  }
  for (auto& thread : crowd) thread.join();
  CHECK(eventually([&] { return engine.ask("leaf", "/value") == "200 200"; }));
  CHECK(engine.ask("hub", "/value") == "200 -100");
}

}  // namespace holdfast
