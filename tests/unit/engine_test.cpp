// The embedding API on real files, as a host uses it.
#include <holdfast/engine.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <limits>
#include <mutex>
#include <set>
#include <thread>

#include "actors/session/overlay.hpp"
#include "storage/memory_store.hpp"

namespace holdfast {
namespace {

class Directory {
 public:
  Directory() {
    auto pattern = (std::filesystem::temp_directory_path() / "holdfast-engine-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::unique_ptr<Engine> open(const Directory& directory, const std::function<void(Options&)>& change = {}) {
  Options options;
  options.data = directory.path();
  options.log_level = LogLevel::off;
  if (change) change(options);
  auto engine = Engine::open(std::move(options));
  if (!engine) FAIL(engine.error().detail);
  return std::move(*engine);
}

template <class T>
T ok(Result<T> result) {
  if (!result) FAIL(name_of(result.error().code) << ": " << result.error().detail);
  return std::move(*result);
}

}  // namespace

TEST_CASE("what was admitted is there after a restart, and so is the lease") {
  const Directory directory;
  Delivery turn;
  std::string first;
  {
    auto engine = open(directory);
    first = ok(engine->admit("s", AdmitRequest::prompt("one"))).message;
    CHECK(ok(engine->admit("s", AdmitRequest::prompt("two"))).position == 2);
    turn = ok(engine->claim()).at(0);
    CHECK(turn.message.message == first);
  }
  auto engine = open(directory);
  CHECK(ok(engine->get("s")).status == SessionStatus::running);
  CHECK(ok(engine->claim()).empty());
  ok(engine->accept({turn.delivery, turn.lease}));
  CHECK(ok(engine->append_events({turn.delivery, turn.lease}, {{"delta", "{\"t\":\"x\"}"}})) == 5);
  ok(engine->complete({turn.delivery, turn.lease}, {"{\"ok\":true}", {}}));
  CHECK(ok(engine->message("s", first)).result == "{\"ok\":true}");
  CHECK(ok(engine->claim()).at(0).message.seq == 2);
}

TEST_CASE("a second engine on the same directory is refused with words") {
  const Directory directory;
  const auto engine = open(directory);
  Options options;
  options.data = directory.path();
  const auto second = Engine::open(options);
  REQUIRE_FALSE(second);
  CHECK(second.error().detail.size() > 20);
}

TEST_CASE("eviction is invisible: a crowd of threads on more sessions than may live") {
  const Directory directory;
  auto engine = open(directory, [](Options& o) {
    o.durability = Durability::buffered;
    o.limits.live_objects_max = 4;
    o.limits.idle_evict_ms = 1;
  });
  constexpr int kThreads = 4;
  constexpr int kEach = 400;
  constexpr int kSessions = 40;
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        auto request = AdmitRequest::prompt("x");
        request.id = "m" + std::to_string(t) + "-" + std::to_string(i);
        if (!engine->admit("s" + std::to_string((i * 7 + t) % kSessions), std::move(request))) ++failures;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(engine->stats().evictions > 0);
  std::uint64_t total = 0;
  for (int s = 0; s < kSessions; ++s) {
    MessageQuery query;
    query.limit = 1'000;
    const auto page = ok(engine->messages("s" + std::to_string(s), query));
    std::uint64_t seq = 0;
    for (const auto& m : page.items) REQUIRE(m.seq == ++seq);
    total += seq;
  }
  CHECK(total == kThreads * kEach);
}

TEST_CASE("many admissions in the air to one session keep their order") {
  const Directory directory;
  auto engine = open(directory);
  constexpr int kMessages = 500;
  std::mutex mutex;
  std::condition_variable all;
  std::vector<std::uint64_t> order;
  for (int i = 0; i < kMessages; ++i) {
    engine->admit_async("s", AdmitRequest::prompt(std::to_string(i)), {}, [&](Result<Admitted> admitted) {
      const std::lock_guard lock(mutex);
      order.push_back(admitted ? admitted->seq : 0);
      if (order.size() == kMessages) all.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  all.wait(lock, [&] { return order.size() == kMessages; });
  for (int i = 0; i < kMessages; ++i) REQUIRE(order[static_cast<std::size_t>(i)] == static_cast<std::uint64_t>(i) + 1);
}

TEST_CASE("a subscription gives each event once and in order, while writing goes on") {
  const Directory directory;
  auto engine = open(directory);
  ok(engine->admit("s", AdmitRequest::prompt("before")));
  std::mutex mutex;
  std::condition_variable grown;
  std::vector<std::uint64_t> seen;
  auto subscription = engine->subscribe("s", 0, [&](const Event& event) {
    const std::lock_guard lock(mutex);
    seen.push_back(event.id);
    grown.notify_one();
  });
  for (int i = 0; i < 99; ++i) ok(engine->admit("s", AdmitRequest::prompt("x")));
  std::unique_lock lock(mutex);
  REQUIRE(grown.wait_for(lock, std::chrono::seconds(30), [&] { return seen.size() == 100; }));
  for (std::size_t i = 0; i < seen.size(); ++i) REQUIRE(seen[i] == i + 1);
  lock.unlock();
  subscription.reset();
  ok(engine->admit("s", AdmitRequest::prompt("after the end")));
  CHECK(seen.size() == 100);
}

TEST_CASE("waits answer when the condition holds, or with the document as it is") {
  const Directory directory;
  auto engine = open(directory);
  const auto admitted = ok(engine->admit("s", AdmitRequest::prompt("x")));
  CHECK(ok(engine->wait_session("s", 5, 20)).last_seq == 1);
  CHECK(ok(engine->wait_message("s", admitted.message, 20)).state == MessageState::queued);
  std::thread worker([&] {
    ClaimRequest claim;
    claim.wait_ms = 10'000;
    const auto turn = ok(engine->claim(claim)).at(0);
    ok(engine->complete({turn.delivery, turn.lease}));
  });
  CHECK(ok(engine->wait_message("s", admitted.message, 30'000)).state == MessageState::completed);
  worker.join();
  CHECK(engine->wait_session("nobody", 1, 20).error().code == ErrorCode::not_found);
}

TEST_CASE("a waiting claim is woken by one message, and only one of two waiters by it") {
  const Directory directory;
  auto engine = open(directory);
  std::atomic<int> got{0};
  std::atomic<int> empty{0};
  std::vector<std::thread> waiters;
  for (int i = 0; i < 2; ++i) {
    waiters.emplace_back([&] {
      ClaimRequest claim;
      claim.wait_ms = 700;
      (ok(engine->claim(claim)).empty() ? empty : got)++;
    });
  }
  while (engine->stats().waiting_claims < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ok(engine->admit("s", AdmitRequest::prompt("x")));
  for (auto& waiter : waiters) waiter.join();
  CHECK(got == 1);
  CHECK(empty == 1);
}

TEST_CASE("a lease that runs out gives the same message again, without any client") {
  const Directory directory;
  auto engine = open(directory, [](Options& o) { o.limits.lease_ms_min = 10; });
  const auto admitted = ok(engine->admit("s", AdmitRequest::prompt("x")));
  ClaimRequest claim;
  claim.lease_ms = 30;
  const auto lost = ok(engine->claim(claim)).at(0);
  claim.wait_ms = 10'000;
  const auto again = ok(engine->claim(claim)).at(0);
  CHECK(again.message.message == admitted.message);
  CHECK(again.attempt == 2);
  CHECK(engine->complete({lost.delivery, lost.lease}).error().code == ErrorCode::lease_lost);
}

TEST_CASE("labels and session filters choose the turn") {
  const Directory directory;
  auto engine = open(directory);
  SessionSpec gpu;
  gpu.labels = {{"gpu", "yes"}};
  ok(engine->put("needs-gpu", gpu));
  ok(engine->admit("needs-gpu", AdmitRequest::prompt("x")));
  CHECK(ok(engine->claim()).empty());
  ok(engine->admit("plain", AdmitRequest::prompt("y")));
  ClaimRequest claim;
  claim.sessions = {"plain"};
  claim.labels = {{"gpu", "yes"}, {"zone", "a"}};
  CHECK(ok(engine->claim(claim)).at(0).session.session == "plain");
  claim.sessions.clear();
  CHECK(ok(engine->claim(claim)).at(0).session.session == "needs-gpu");
}

TEST_CASE("higher priority first, then age") {
  const Directory directory;
  auto engine = open(directory);
  for (const auto& [session, priority] : {std::pair{"low", 1}, {"high", 9}, {"middle", 5}}) {
    auto request = AdmitRequest::prompt("x");
    request.priority = static_cast<std::uint8_t>(priority);
    ok(engine->admit(session, std::move(request)));
  }
  ClaimRequest claim;
  std::vector<std::string> order;
  for (int i = 0; i < 3; ++i) order.push_back(ok(engine->claim(claim)).at(0).session.session);
  CHECK(order == std::vector<std::string>{"high", "middle", "low"});
}

TEST_CASE("what a host fills in is checked as HTTP checks it") {
  const Directory directory;
  auto engine = open(directory);
  const std::string long_name(300, 'r');
  const auto message = ok(engine->admit("s", AdmitRequest::prompt("x"))).message;

  SECTION("how long a session lives") {
    constexpr std::int64_t kTtlMsMax = std::int64_t{1} << 50;
    SessionSpec spec;
    for (const auto ttl : {std::numeric_limits<std::int64_t>::max(), kTtlMsMax + 1, std::int64_t{-1}}) {
      spec.ttl_ms = ttl;
      CHECK(engine->put("t", spec).error().code == ErrorCode::invalid_body);
      CHECK(engine->create(spec).error().code == ErrorCode::invalid_body);
      CHECK(engine->patch("s", "{\"ttl_ms\":" + std::to_string(ttl) + "}").error().code == ErrorCode::invalid_body);
    }
    spec.ttl_ms = kTtlMsMax;
    CHECK(ok(engine->put("t", spec)).session.ttl_ms == kTtlMsMax);
    CHECK(ok(engine->patch("s", "{\"ttl_ms\":" + std::to_string(kTtlMsMax) + "}")).ttl_ms == kTtlMsMax);
  }
  SECTION("how much a session queues") {
    SessionSpec spec;
    spec.queue_capacity = 0;
    CHECK(engine->put("t", spec).error().pointer == "/queue/capacity");
  }
  SECTION("who claims, and from which sessions") {
    ClaimRequest claim;
    claim.runtime = long_name;
    CHECK(engine->claim(claim).error().code == ErrorCode::invalid_name);
    claim.runtime = "r";
    claim.sessions = {"s", long_name};
    CHECK(engine->claim(claim).error().pointer == "/sessions/1");
    claim.sessions = {"s"};
    CHECK(ok(engine->claim(claim)).size() == 1);
  }
  SECTION("what an edit says") {
    MessageEdit edit;
    edit.priority = 10;
    CHECK(engine->edit("s", message, edit).error().code == ErrorCode::invalid_body);
    edit.priority = 9;
    CHECK(ok(engine->edit("s", message, edit)).priority == 9);
    edit.turn = "";
    CHECK(engine->edit("s", message, edit).error().pointer == "/turn");
  }
}

TEST_CASE("a retry and a wait may be asked for later than time goes") {
  constexpr auto kForEver = std::numeric_limits<std::int64_t>::max();
  const Directory directory;
  std::promise<Result<Session>> seen;
  auto engine = open(directory);
  ok(engine->admit("s", AdmitRequest::prompt("one")));
  const auto turn = ok(engine->claim()).at(0);
  ok(engine->fail({turn.delivery, turn.lease}, {"busy", true, kForEver, ""}));
  CHECK(ok(engine->claim()).empty());
  const auto waits_for = ok(engine->message("s", turn.message.message)).waiting_for;
  REQUIRE(waits_for);
  CHECK(waits_for->kind == "retry");

  engine->wait_session_async("s", 2, kForEver, [&seen](Result<Session> s) { seen.set_value(std::move(s)); });
  auto session = seen.get_future();
  CHECK(session.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout);
  ok(engine->admit("s", AdmitRequest::prompt("two")));
  REQUIRE(session.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  CHECK(ok(session.get()).last_seq == 2);
}

TEST_CASE("a completion that throws is called once, and the session goes on") {
  const Directory directory;
  int answers = 0;
  std::promise<bool> put;
  auto engine = open(directory);
  // There is nothing of this session yet, so it is answered within the call.
  engine->get_async("s", [&answers](const Result<Session>&) {
    ++answers;
    throw std::runtime_error("as asked");
  });
  CHECK(answers == 1);
  engine->put_async("s", {}, {}, [&put](const Result<PutResult>& result) { put.set_value(result.has_value()); });
  auto done = put.get_future();
  REQUIRE(done.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  CHECK(done.get());
}

TEST_CASE("the door is closed in front of what is over its bounds, and after close()") {
  const Directory directory;
  auto engine = open(directory, [](Options& o) { o.limits.in_flight_max = 0; });
  CHECK(engine->admit("s", AdmitRequest::prompt("x")).error().code == ErrorCode::overloaded);
  engine->close();
  CHECK(engine->admit("s", AdmitRequest::prompt("x")).error().code == ErrorCode::shutting_down);
  CHECK(engine->claim().error().code == ErrorCode::shutting_down);
}

TEST_CASE("lists go page by page through all lengths of names, and filter by prefix and status") {
  const Directory directory;
  auto engine = open(directory, [](Options& o) { o.durability = Durability::buffered; });
  std::set<std::string> all;
  for (int i = 0; i < 25; ++i) all.insert("p" + std::string(static_cast<std::size_t>(i % 5), 'x') + std::to_string(i));
  for (const auto& name : all) ok(engine->put(name));
  ok(engine->admit("other", AdmitRequest::prompt("x")));
  std::set<std::string> seen;
  SessionQuery query;
  query.prefix = "p";
  query.limit = 4;
  do {
    const auto page = ok(engine->list(query));
    for (const auto& s : page.items) CHECK(seen.insert(s.session).second);
    query.cursor = page.next;
  } while (!query.cursor.empty());
  CHECK(seen == all);
  SessionQuery queued;
  queued.status = SessionStatus::queued;
  const auto page = ok(engine->list(queued));
  REQUIRE(page.items.size() == 1);
  CHECK(page.items[0].session == "other");
}

TEST_CASE("a fork has the events and the settings, and neither queue nor secrets") {
  const Directory directory;
  auto engine = open(directory);
  SessionSpec spec;
  spec.metadata = "{\"team\":\"x\"}";
  spec.repository = {RepositoryKind::git, "https://example.org/r.git", "secret"};
  ok(engine->put("s", spec));
  ok(engine->admit("s", AdmitRequest::prompt("one")));
  ok(engine->admit("s", AdmitRequest::prompt("two")));
  const auto fork = ok(engine->fork("s", {"f", 1}));
  CHECK(fork.metadata == spec.metadata);
  CHECK(fork.queued == 0);
  CHECK_FALSE(fork.credential);
  CHECK(ok(engine->events("f")).items.size() == 1);
  CHECK(ok(engine->admit("f", AdmitRequest::prompt("new"))).seq == 1);
  CHECK(engine->fork("s", {"f", {}}).error().code == ErrorCode::already_exists);
}

TEST_CASE("reads go through what is in flight, the newest first") {
  MemoryStore store;
  const auto write = [&store](const WriteSet& writes) {
    auto batch = store.make_batch();
    batch->append(writes);
    REQUIRE(store.write(*batch, Durability::synced));
  };
  WriteSet base;
  for (const auto* key : {"a", "b", "c", "d"}) base.put(Family::journal, key, "old");
  write(base);
  session::InFlight reader(store);
  WriteSet one;
  one.put(Family::journal, "b", "new");
  one.erase(Family::journal, "c");
  auto first = std::make_shared<const WriteSet>(one);
  reader.add(1, first);
  WriteSet two;
  two.put(Family::journal, "e", "new");
  two.erase_range(Family::journal, "a", "b");
  auto second = std::make_shared<const WriteSet>(two);
  reader.add(2, second);
  const auto keys = [&](Range::Order order) {
    std::string seen;
    REQUIRE(reader.scan(Family::journal, {"a", "z", order}, [&](auto key, auto value) {
      seen += std::string(key) + "=" + std::string(value) + " ";
      return Visit::next;
    }));
    return seen;
  };
  const auto check = [&] {
    CHECK(keys(Range::Order::ascending) == "b=new d=old e=new ");
    CHECK(keys(Range::Order::descending) == "e=new d=old b=new ");
    CHECK(**reader.get(Family::journal, "b") == "new");
    CHECK_FALSE(*reader.get(Family::journal, "c"));
    CHECK_FALSE(*reader.get(Family::journal, "a"));
  };
  check();
  SECTION("one that is in the store is let go by who held it") {
    write(one);
    first.reset();
    check();
    write(two);
    second.reset();
    check();
  }
  SECTION("and what is durable is not looked at any more") {
    reader.prune(2);
    CHECK(**reader.get(Family::journal, "a") == "old");
  }
}

}  // namespace holdfast
