// Objects of the host's classes, through the public API and on a real store.
#include <atomic>
#include <catch2/catch.hpp>
#include <holdfast/engine.hpp>
#include <thread>

#include "src/core/log.hpp"
#include "storage/rocks_store.hpp"
#include "tests/support/server.hpp"

namespace holdfast {
namespace {

std::atomic<int> g_made{0};
std::atomic<int> g_alarms{0};
std::atomic<int> g_alarm_failures{0};

// A counter that also shows everything else that an object can do, by path.
class Counter final : public Object {
 public:
  Counter() { ++g_made; }
  Task<> on_activate(Context& ctx) override {
    n_ = ctx.storage().get<std::int64_t>("n").value_or(0);
    return {};
  }

  Task<Reply> on_request(Context& ctx, const Request& request) override {
    auto& storage = ctx.storage();
    const auto& path = request.path;
    if (path == "/value") return Reply::text(std::to_string(n_));
    if (path == "/increment") {
      storage.put("n", ++n_);
      return Reply::text(std::to_string(n_));
    }
    if (path == "/throw") {
      storage.put("n", ++n_);
      throw std::runtime_error("no");
    }
    if (path == "/refuse") {
      storage.put("n", ++n_);
      throw ObjectError(ErrorCode::forbidden, "not you");
    }
    if (path == "/put") {
      storage.put(request.query, request.body);
      return Reply::empty();
    }
    if (path == "/get") return Reply::text(storage.get(request.query).value_or("(none)"));
    if (path == "/remove") return Reply::text(storage.remove(request.query) ? "yes" : "no");
    if (path == "/clear") {
      storage.clear();
      return Reply::text(std::to_string(storage.list().size()));
    }
    if (path == "/list") return Reply::text(listed(storage, request.query));
    if (path == "/half") {
      storage.put("kept", "1");
      try {
        storage.transaction([&] {
          storage.put("lost", "1");
          throw std::runtime_error("back");
        });
      } catch (const std::runtime_error&) {
      }
      return Reply::text(listed(storage, {}));
    }
    if (path == "/wrong_type") {
      storage.put("text", "seven");
      return Reply::text(std::to_string(*storage.get<std::int64_t>("text")));
    }
    if (path == "/alarm") {
      ctx.set_alarm(ctx.now() + std::stoi(request.body));
      return Reply::text(std::to_string(*ctx.alarm() - ctx.now()));
    }
    if (path == "/no_alarm") {
      ctx.clear_alarm();
      return Reply::text(ctx.alarm() ? "armed" : "none");
    }
    if (path == "/emit") {
      ctx.emit("said", request.body);
      return Reply::empty();
    }
    return Reply::text(request.method + " " + ctx.object_class() + "/" + ctx.name(), 404);
  }

  Task<> on_alarm(Context& ctx) override {
    if (g_alarm_failures > 0) {
      --g_alarm_failures;
      ctx.storage().put("n", std::int64_t{1'000});
      throw std::runtime_error("not yet");
    }
    ++g_alarms;
    ctx.storage().put("n", n_ += 100);
    return {};
  }

 private:
  static std::string listed(ObjectStorage& storage, const std::string& how) {
    ListOptions options;
    if (how == "prefix") options.prefix = "a";
    if (how == "reverse") options.reverse = true;
    if (how == "limit") options.limit = 2;
    if (how == "bounds") options.from = "a2", options.to = "b2";
    std::string out;
    for (const auto& entry : storage.list(options)) out += entry.key + "=" + entry.value + " ";
    return out;
  }
  std::int64_t n_ = 0;
};

class Opened {
 public:
  explicit Opened(const std::string& data, const std::function<void(Options&)>& change = {}) {
    Options options;
    options.data = data;
    options.register_class<Counter>("counter");
    if (change) change(options);
    auto opened = Engine::open(std::move(options));
    REQUIRE(opened);
    engine_ = std::move(*opened);
  }
  Engine* operator->() { return engine_.get(); }
  // "200 body", or the error's code.
  std::string ask(const std::string& name, const std::string& path, const std::string& body = {},
                  const std::string& query = {}) {
    auto reply = engine_->call("counter", name, {"POST", path, body, {}, query});
    if (!reply) return std::string(name_of(reply.error().code));
    return std::to_string(reply->status) + " " + reply->body;
  }

 private:
  std::unique_ptr<Engine> engine_;
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

TEST_CASE("an object counts, survives a restart, and its namesake of another class is another", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  {
    Opened engine(directory / "data");
    CHECK(engine.ask("one", "/increment") == "200 1");
    CHECK(engine.ask("one", "/increment") == "200 2");
    CHECK(engine.ask("two", "/increment") == "200 1");
    CHECK(engine.ask("one", "/nothing") == "404 POST counter/one");
    CHECK(engine->get("one").error().code == ErrorCode::not_found);  // no session of this name
    CHECK(engine->call("ghost", "one", {"GET", "/", ""}).error().code == ErrorCode::not_found);
    CHECK(engine->call("counter", "no name!", {"GET", "/", ""}).error().code == ErrorCode::invalid_name);
  }
  Opened engine(directory / "data", [](Options& o) { o.register_class<Counter>("other"); });
  CHECK(engine.ask("one", "/value") == "200 2");
  CHECK(engine->call("other", "one", {"GET", "/value", ""})->body == "0");
  Options refused;
  refused.data = directory / "data2";
  refused.register_class<Counter>("no name!");
  CHECK(Engine::open(std::move(refused)).error().code == ErrorCode::invalid_request);
}

TEST_CASE("an object that cleared what it had leaves nothing on disk", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  {
    Opened engine(directory / "data");
    CHECK(engine.ask("one", "/increment") == "200 1");
    CHECK(engine.ask("one", "/alarm", "60000") == "200 60000");
    CHECK(engine.ask("one", "/clear") == "200 0");
    CHECK(engine.ask("one", "/no_alarm") == "200 none");
    CHECK(engine.ask("two", "/increment") == "200 1");
  }
  const auto logger = make_logger(LogLevel::off, LogFormat::text);
  const auto store = RocksStore::open(directory / "data", *logger);
  REQUIRE(store);
  std::size_t rows = 0;
  REQUIRE((*store)->scan(Family::objects, {}, [&](auto, auto) {
    ++rows;
    return Visit::next;
  }));
  CHECK(rows == 1);  // the number of "two"
}

TEST_CASE("a handler that throws writes nothing, and its members are made anew", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  CHECK(engine.ask("a", "/increment") == "200 1");
  const int made = g_made;
  CHECK(engine.ask("a", "/throw") == "internal");
  CHECK(engine.ask("a", "/value") == "200 1");
  CHECK(g_made == made + 1);
  CHECK(engine.ask("a", "/refuse") == "forbidden");
  CHECK(engine.ask("a", "/increment") == "200 2");
  CHECK(engine.ask("a", "/wrong_type") == "internal");
  CHECK(engine.ask("a", "/get", {}, "text") == "200 (none)");
}

TEST_CASE("storage: values, order, bounds, transactions, limits", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data", [](Options& o) {
    o.limits.object_key_bytes_max = 4;
    o.limits.object_value_bytes_max = 8;
    o.limits.object_event_bytes_max = 10;
  });
  for (const std::string key : {"b2", "a1", "a3", "b1", "a2"}) CHECK(engine.ask("s", "/put", "v" + key, key) == "204 ");
  CHECK(engine.ask("s", "/list") == "200 a1=va1 a2=va2 a3=va3 b1=vb1 b2=vb2 ");
  CHECK(engine.ask("s", "/list", {}, "prefix") == "200 a1=va1 a2=va2 a3=va3 ");
  CHECK(engine.ask("s", "/list", {}, "reverse") == "200 b2=vb2 b1=vb1 a3=va3 a2=va2 a1=va1 ");
  CHECK(engine.ask("s", "/list", {}, "limit") == "200 a1=va1 a2=va2 ");
  CHECK(engine.ask("s", "/list", {}, "bounds") == "200 a2=va2 a3=va3 b1=vb1 ");
  CHECK(engine.ask("s", "/remove", {}, "a1") == "200 yes");
  CHECK(engine.ask("s", "/remove", {}, "a1") == "200 no");
  CHECK(engine.ask("s", "/clear") == "200 0");
  CHECK(engine.ask("s", "/list") == "200 ");
  CHECK(engine.ask("s", "/half") == "200 kept=1 ");
  CHECK(engine.ask("s", "/put", "12345678", "key") == "too_large");  // 3 and 8 bytes in one event
  CHECK(engine.ask("s", "/put", "1234567", "key") == "204 ");
  CHECK(engine.ask("s", "/put", "123456789", "k") == "too_large");
  CHECK(engine.ask("s", "/put", "1", "k1234") == "too_large");
  CHECK(engine.ask("s", "/put", "1", "") == "too_large");
  CHECK(engine.ask("t", "/list") == "200 ");  // another object's keys are its own
}

TEST_CASE("what is evicted comes back as it was", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data", [](Options& o) { o.limits.live_objects_max = 4; });
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < 64; ++i)
      CHECK(engine.ask("o" + std::to_string(i), "/increment") == "200 " + std::to_string(round));
  }
  CHECK(engine->stats().evictions > 0);
}

TEST_CASE("one event at a time: a crowd of threads loses no increment", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  std::vector<std::thread> crowd;
  std::atomic<int> failed{0};
  for (int t = 0; t < 8; ++t) {
    crowd.emplace_back([&] {
      for (int i = 0; i < 50; ++i) failed += engine->call("counter", "one", {"POST", "/increment", ""}) ? 0 : 1;
    });
  }
  for (auto& thread : crowd) thread.join();
  CHECK(failed == 0);
  CHECK(engine.ask("one", "/value") == "200 400");
}

TEST_CASE("an alarm rings once, after a restart too; setting replaces, clearing ends it", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  g_alarms = 0;
  {
    Opened engine(directory / "data");
    CHECK(engine.ask("a", "/alarm", "20") == "200 20");
    CHECK(eventually([&] { return engine.ask("a", "/value") == "200 100"; }));
    CHECK(g_alarms == 1);
    CHECK(engine.ask("b", "/alarm", "20") == "200 20");
    CHECK(engine.ask("b", "/no_alarm") == "200 none");
    CHECK(engine.ask("c", "/alarm", "3600000") == "200 3600000");
    CHECK(engine.ask("c", "/alarm", "30") == "200 30");
    CHECK(eventually([&] { return engine.ask("c", "/value") == "200 100"; }));
    CHECK(engine.ask("d", "/alarm", "300") == "200 300");
  }
  Opened engine(directory / "data");
  CHECK(eventually([&] { return engine.ask("d", "/value") == "200 100"; }));
  CHECK(g_alarms == 3);
  CHECK(engine.ask("b", "/value") == "200 0");
}

TEST_CASE("an alarm whose handler throws writes nothing and rings again", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  g_alarms = 0;
  g_alarm_failures = 1;
  CHECK(engine.ask("a", "/alarm", "1") == "200 1");
  CHECK(eventually([&] { return g_alarm_failures == 0; }));
  CHECK(engine.ask("a", "/value") == "200 0");
  CHECK(eventually([&] { return engine.ask("a", "/value") == "200 100"; }));
  CHECK(g_alarms == 1);
}

TEST_CASE("an object's events are read in order, and wake who watches", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  for (const std::string n : {"1", "2", "3"}) CHECK(engine.ask("a", "/emit", n) == "204 ");
  CHECK(engine.ask("a", "/emit", "{broken") == "invalid_body");
  const auto page = engine->object_events("counter", "a");
  REQUIRE(page);
  REQUIRE(page->items.size() == 3);
  CHECK(page->items[2].id == 3);
  CHECK(page->items[2].type == "said");
  CHECK(page->items[2].data == "3");
  EventQuery query;
  query.after = 2;
  CHECK(engine->object_events("counter", "a", query)->items.size() == 1);
}

TEST_CASE("nothing comes after the last event that there can be, and of no object", "[engine][objects]") {
  const test::TemporaryDirectory directory;
  Opened engine(directory / "data");
  CHECK(engine.ask("a", "/emit", "1") == "204 ");
  EventQuery query;
  query.after = UINT64_MAX;
  const auto page = engine->object_events("counter", "a", query);
  REQUIRE(page);
  CHECK(page->items.empty());
  CHECK(page->next == UINT64_MAX);
  CHECK_FALSE(page->more);
  CHECK(engine->object_events("counter", std::string(300, 'a')).error().code == ErrorCode::invalid_name);
}

}  // namespace holdfast
