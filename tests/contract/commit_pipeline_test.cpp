#include "storage/commit_pipeline.hpp"

#include <rapidcheck.h>

#include <chrono>
#include <future>
#include <numeric>

#include "tests/contract/slow_store.hpp"
#include "tests/contract/stores.hpp"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using test::rows_of;
using test::SlowStore;

constexpr std::uint64_t kBatchBytes = 1 << 20;

WriteSet one(std::string key, std::string value = "v") {
  WriteSet writes;
  writes.put(Family::objects, std::move(key), std::move(value));
  return writes;
}

// What completions said, in the order in which they ran.
class Log {
 public:
  CommitPipeline::Completion note(std::string what) {
    return [this, what = std::move(what)](const Result<void>& outcome) {
      const std::scoped_lock lock(mutex_);
      text_ += what + (outcome ? " " : "! ");
    };
  }
  std::string text() {
    const std::scoped_lock lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

void wait_for(CommitPipeline& pipeline, std::uint64_t commit) {
  std::promise<void> done;
  pipeline.after(commit, [&](const Result<void>&) { done.set_value(); });
  REQUIRE(done.get_future().wait_for(20s) == std::future_status::ready);
}

}  // namespace

TEST_CASE("pipeline: without a thread, commit_once does one batch") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  Log log;
  int ends = 0;
  pipeline.on_batch_end([&] { ++ends; });
  CHECK_FALSE(pipeline.commit_once());
  CHECK(pipeline.submit(one("a"), log.note("1")) == 1);
  CHECK(pipeline.submit(one("b"), log.note("2")) == 2);
  CHECK(pipeline.submit(one("c"), nullptr) == 3);
  CHECK(pipeline.durable() == 0);
  CHECK(log.text().empty());
  CHECK(rows_of(store, {"", ""}).empty());
  CHECK(pipeline.commit_once());
  CHECK(pipeline.durable() == 3);
  CHECK(log.text() == "1 2 ");
  CHECK(rows_of(store, {"", ""}).size() == 3);
  CHECK_FALSE(pipeline.commit_once());
  CHECK(ends == 1);
  CHECK(pipeline.stats().commits == 3);
  CHECK(pipeline.stats().syncs == 1);
}

TEST_CASE("pipeline: it is overloaded while the queue before the sync stands, until that has run empty") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes, {250, 1});
  std::vector<bool> seen;
  CommitPipeline::Completion again = [&](const Result<void>&) {
    seen.push_back(pipeline.overloaded());
    if (seen.size() < 2) pipeline.submit(one("b"), again);
  };
  pipeline.submit(one("a"), again);
  CHECK(pipeline.stats().queued == 1);
  for (int i = 0; i < 2; ++i) {
    std::this_thread::sleep_for(5ms);  // longer than the delay of 1 ms, however much longer
    CHECK(pipeline.commit_once());
  }
  CHECK(seen == std::vector<bool>{false, true});
  CHECK_FALSE(pipeline.overloaded());
  const auto stats = pipeline.stats();
  CHECK(stats.overloads == 1);
  CHECK(stats.queued == 0);
  CHECK(stats.batch_commits.sum == 2);
  CHECK(stats.gate_seconds.sum > 0.01);
}

TEST_CASE("pipeline: a write set without a write is numbered and completes, without a sync") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  Log log;
  CHECK(pipeline.submit({}, log.note("1")) == 1);
  CHECK(pipeline.commit_once());
  CHECK(log.text() == "1 ");
  CHECK(pipeline.durable() == 1);
  CHECK(pipeline.stats().syncs == 0);
}

TEST_CASE("pipeline: durability reaches the store") {
  const auto durability = GENERATE(Durability::synced, Durability::buffered);
  SlowStore store;
  store.permit(1);
  store.last_durability_ = durability == Durability::synced ? Durability::buffered : Durability::synced;
  CommitPipeline pipeline(store, durability, kBatchBytes);
  pipeline.submit(one("a"), nullptr);
  REQUIRE(pipeline.commit_once());
  CHECK(store.last_durability_ == durability);
}

TEST_CASE("pipeline: after() of a durable commit runs at once, of an open one with its batch") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  Log log;
  pipeline.after(0, log.note("zero"));
  CHECK(log.text() == "zero ");
  pipeline.submit(one("a"), log.note("1"));
  pipeline.after(1, log.note("after1"));
  pipeline.submit(one("b"), log.note("2"));
  CHECK(log.text() == "zero ");
  pipeline.commit_once();
  CHECK(log.text() == "zero 1 after1 2 ");
  pipeline.after(2, log.note("after2"));
  CHECK(log.text() == "zero 1 after1 2 after2 ");
  CHECK_FALSE(pipeline.commit_once());
}

TEST_CASE("pipeline: after() of the commit in flight runs behind that commit's completion, without another sync") {
  SlowStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  Log log;
  pipeline.start();
  pipeline.submit(one("a"), log.note("1"));
  store.wait_begun(1);
  pipeline.after(1, log.note("after1"));
  pipeline.submit(one("b"), log.note("2"));
  pipeline.after(1, log.note("again1"));
  CHECK(log.text().empty());
  store.permit(1);
  store.wait_begun(2);
  CHECK(log.text() == "1 after1 again1 ");
  store.permit(1);
  pipeline.stop();
  CHECK(log.text() == "1 after1 again1 2 ");
  CHECK(store.begun() == 2);
}

TEST_CASE("pipeline: a completion that runs may hand in more, also of its own commit") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, 1);  // every batch is full at once
  Log log;
  pipeline.start();
  std::promise<void> done;
  pipeline.submit(one("a"), [&](const Result<void>&) {
    log.note("1")({});
    CHECK(pipeline.durable() == 1);
    pipeline.after(1, log.note("after1"));
    pipeline.submit(one("b"), log.note("2"));
    pipeline.submit(one("c"), [&](const Result<void>&) {
      log.note("3")({});
      done.set_value();
    });
  });
  REQUIRE(done.get_future().wait_for(20s) == std::future_status::ready);
  pipeline.stop();
  CHECK(log.text() == "1 after1 2 3 ");
}

TEST_CASE("pipeline: after() waits for the completion of its commit, not only for the disk") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  Log log;
  pipeline.submit(one("a"), [&](const Result<void>&) {
    log.note("1")({});
    CHECK(pipeline.durable() == 2);
    pipeline.after(2, log.note("after2"));
  });
  pipeline.submit(one("b"), log.note("2"));
  pipeline.commit_once();
  CHECK(log.text() == "1 2 after2 ");
}

TEST_CASE("pipeline: what arrives during a sync shares the next one") {
  SlowStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  pipeline.start();
  pipeline.submit(one("first"), nullptr);
  store.wait_begun(1);
  for (int i = 0; i < 100; ++i) pipeline.submit(one(std::to_string(i)), nullptr);
  store.permit(2);
  wait_for(pipeline, 101);
  CHECK(store.begun() == 2);
  CHECK(pipeline.stats().commits == 101);
  CHECK(pipeline.stats().syncs == 2);
  pipeline.stop();
}

TEST_CASE("pipeline: a full batch makes submitters wait, and bounds what the store gets") {
  SlowStore store;
  constexpr std::size_t kValue = 1000;
  constexpr std::size_t kMax = 10 * kValue;
  CommitPipeline pipeline(store, Durability::synced, kMax);
  pipeline.start();
  pipeline.submit(one("first"), nullptr);
  store.wait_begun(1);
  std::atomic<int> submitted{0};
  std::thread submitter([&] {
    for (int i = 0; i < 100; ++i) {
      pipeline.submit(one(std::to_string(i), std::string(kValue, 'x')), nullptr);
      ++submitted;
    }
  });
  std::this_thread::sleep_for(50ms);
  CHECK(submitted <= 10);
  store.permit(1000);
  submitter.join();
  wait_for(pipeline, 101);
  pipeline.stop();
  CHECK(store.bytes_max() <= kMax + kValue + 100);
  CHECK(rows_of(store, {"", ""}).size() == 101);
}

TEST_CASE("pipeline: before start() and after a failure nobody waits for room") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, 1);
  Log log;
  for (int i = 0; i < 3; ++i) pipeline.submit(one(std::to_string(i)), log.note(std::to_string(i)));
  CHECK(pipeline.commit_once());
  CHECK(log.text() == "0 1 2 ");
}

TEST_CASE("pipeline: completions run in order, also from many threads") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, 4096);
  std::vector<std::uint64_t> ran;  // the writer's
  pipeline.start();
  constexpr std::size_t kThreads = 8;
  constexpr std::size_t kEach = 2000;
  std::array<std::vector<std::uint64_t>, kThreads> numbers;
  std::atomic<std::size_t> afters{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < kEach; ++i) {
        const auto commit =
            pipeline.submit(one(std::to_string(t) + "-" + std::to_string(i)), [&](const Result<void>& outcome) {
              if (outcome) ran.push_back(pipeline.durable());
            });
        numbers[t].push_back(commit);
        pipeline.after(commit, [&, commit](const Result<void>& outcome) {
          if (outcome && pipeline.durable() >= commit) ++afters;
        });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  pipeline.stop();
  CHECK(ran.size() == kThreads * kEach);
  CHECK(std::is_sorted(ran.begin(), ran.end()));
  CHECK(afters == kThreads * kEach);
  std::vector<std::uint64_t> all;
  for (const auto& of_thread : numbers) {
    CHECK(std::is_sorted(of_thread.begin(), of_thread.end()));
    all.insert(all.end(), of_thread.begin(), of_thread.end());
  }
  std::sort(all.begin(), all.end());
  std::vector<std::uint64_t> dense(kThreads * kEach);
  std::iota(dense.begin(), dense.end(), 1);
  CHECK(all == dense);
  CHECK(rows_of(store, {"", ""}).size() == kThreads * kEach);
}

TEST_CASE("pipeline: a failed write latches, and everything behind it gets the error") {
  const auto fault = GENERATE(MemoryStore::Fault::unknown_lost, MemoryStore::Fault::unknown_kept);
  const auto code = ErrorCode::commit_unknown;
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  Log log;
  std::vector<ErrorCode> hooks;
  std::vector<ErrorCode> codes;
  const auto code_of = [&](const Result<void>& outcome) { codes.push_back(outcome.error().code); };
  pipeline.on_broken([&](const Error& error) {
    CHECK(log.text() == "1 2! after2! ");
    hooks.push_back(error.code);
  });
  pipeline.submit(one("a"), log.note("1"));
  pipeline.commit_once();
  CHECK_FALSE(pipeline.broken());

  store.inject(fault);
  pipeline.submit(one("b"), log.note("2"));
  pipeline.after(2, log.note("after2"));
  pipeline.commit_once();
  CHECK(pipeline.broken());
  CHECK(pipeline.durable() == 1);

  pipeline.after(1, log.note("durable"));  // is durable whatever came later
  pipeline.after(2, code_of);
  CHECK(pipeline.submit(one("c"), code_of) == 3);
  pipeline.after(3, code_of);
  CHECK(pipeline.commit_once());
  CHECK(log.text() == "1 2! after2! durable ");
  CHECK(codes == std::vector<ErrorCode>(3, code));
  CHECK(hooks == std::vector<ErrorCode>{code});
  CHECK(pipeline.durable() == 1);
  CHECK(pipeline.stats().commits == 1);
  CHECK(rows_of(store, {"", ""}).size() == 1);
}

TEST_CASE("pipeline: a held write set is let go once its fate is known, and its completion has run") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  auto writes = std::make_shared<const WriteSet>(one("a"));
  const std::weak_ptr<const WriteSet> seen = writes;
  bool held = false;
  pipeline.submit(std::move(writes), pipeline.epoch(), [&](const Result<void>&) { held = !seen.expired(); });
  CHECK_FALSE(seen.expired());
  SECTION("it is in the store") {
    pipeline.commit_once();
    CHECK(seen.expired());
  }
  SECTION("it was refused") {
    store.inject(MemoryStore::Fault::full);
    pipeline.commit_once();
    CHECK(seen.expired());
  }
  SECTION("nobody knows: whose memory stands on it reads it still") {
    store.inject(MemoryStore::Fault::unknown_lost);
    pipeline.commit_once();
    CHECK(pipeline.broken());
    CHECK_FALSE(seen.expired());
  }
  CHECK(held);
}

TEST_CASE("pipeline: what was handed in while the write failed fails too, and waiters for room go on") {
  SlowStore store;
  CommitPipeline pipeline(store, Durability::synced, 1);
  Log log;
  int hooks = 0;
  pipeline.on_broken([&](const Error&) { ++hooks; });
  pipeline.start();
  store.memory().inject(MemoryStore::Fault::unknown_lost);
  pipeline.submit(one("a"), log.note("1"));
  store.wait_begun(1);
  pipeline.submit(one("b"), log.note("2"));
  std::thread waiter([&] { pipeline.submit(one("c"), log.note("3")); });
  std::this_thread::sleep_for(20ms);
  store.permit(1);
  waiter.join();
  pipeline.stop();
  CHECK(log.text() == "1! 2! 3! ");
  CHECK(hooks == 1);
  CHECK(store.begun() == 1);
}

TEST_CASE("pipeline: a batch that the disk has no room for is refused, and the pipeline goes on") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  Log log;
  int hooks = 0;
  pipeline.on_broken([](const Error&) { FAIL("it is known what the disk has"); });
  pipeline.on_refused([&](const Error& error) {
    CHECK(error.code == ErrorCode::insufficient_storage);
    CHECK(log.text() == "1 2! after2! ");
    ++hooks;
  });
  pipeline.submit(one("a"), log.note("1"));
  pipeline.commit_once();
  const auto before = pipeline.epoch();
  store.inject(MemoryStore::Fault::full);
  CHECK(pipeline.submit(one("b"), before, log.note("2")) == 2);
  pipeline.after(2, before, log.note("after2"));
  CHECK(pipeline.commit_once());
  CHECK(hooks == 1);
  CHECK_FALSE(pipeline.broken());
  const auto now = pipeline.epoch();
  CHECK(now == before + 1);
  CHECK(pipeline.refused(2, before));
  CHECK_FALSE(pipeline.refused(1, before));
  CHECK_FALSE(pipeline.refused(0, before));

  pipeline.after(1, before, log.note("durable"));  // is durable whatever came later
  pipeline.after(2, before, log.note("refused"));
  pipeline.submit(one("late"), before, log.note("late"));
  CHECK(pipeline.submit(one("c"), now, log.note("3")) == 3);
  pipeline.after(3, now, log.note("after3"));
  CHECK(pipeline.commit_once());
  CHECK(log.text() == "1 2! after2! durable refused! late! 3 after3 ");
  CHECK(pipeline.durable() == 3);
  CHECK(pipeline.refused(2, before));  // though later ones are durable
  CHECK(pipeline.stats().commits == 2);
  CHECK(pipeline.stats().refusals == 1);
  CHECK(rows_of(store, {"", ""}) == test::Rows{{"a", "v"}, {"c", "v"}});
}

TEST_CASE("pipeline: what was handed in while a batch was refused shares its fate, and waiters for room are refused") {
  SlowStore store;
  CommitPipeline pipeline(store, Durability::synced, 1);
  Log log;
  pipeline.start();
  const auto before = pipeline.epoch();
  store.memory().inject(MemoryStore::Fault::full);
  pipeline.submit(one("a"), before, log.note("1"));
  store.wait_begun(1);
  pipeline.submit(one("b"), before, log.note("2"));
  std::thread waiter([&] { pipeline.submit(one("c"), before, log.note("3")); });
  std::this_thread::sleep_for(20ms);
  store.permit(2);
  waiter.join();
  pipeline.submit(one("d"), log.note("4"));
  pipeline.stop();
  CHECK(log.text() == "1! 2! 3! 4 ");
  CHECK(rows_of(store, {"", ""}) == test::Rows{{"d", "v"}});
}

TEST_CASE("pipeline: after more refusals than it remembers, in doubt a commit was refused") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  const auto last = pipeline.submit(one("a"), nullptr);
  pipeline.commit_once();
  const auto epoch = pipeline.epoch();
  store.set_free_bytes(0);
  for (int i = 0; i < 1'024; ++i) {
    pipeline.submit(one("b"), nullptr);
    pipeline.commit_once();
  }
  CHECK_FALSE(pipeline.refused(last, epoch));
  pipeline.submit(one("b"), nullptr);
  pipeline.commit_once();
  CHECK(pipeline.refused(last, epoch));
  CHECK_FALSE(pipeline.refused(last, epoch + 1));
}

TEST_CASE("pipeline: stop() commits what is open, and is idempotent") {
  MemoryStore store;
  Log log;
  {
    CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
    pipeline.submit(one("a"), log.note("1"));
    pipeline.start();
    pipeline.submit(one("b"), log.note("2"));
    pipeline.stop();
    CHECK(log.text() == "1 2 ");
    pipeline.stop();
    pipeline.submit(one("c"), log.note("3"));
  }
  CHECK(log.text() == "1 2 3 ");
  CHECK(rows_of(store, {"", ""}).size() == 3);
}

TEST_CASE("pipeline: an idle writer wakes for each submit") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  pipeline.start();
  for (std::uint64_t i = 1; i <= 2000; ++i) {
    std::promise<void> done;
    pipeline.submit(one(std::to_string(i)), [&](const Result<void>&) { done.set_value(); });
    REQUIRE(done.get_future().wait_for(20s) == std::future_status::ready);
  }
  pipeline.stop();
  CHECK(pipeline.durable() == 2000);
}

// Any interleaving of submit, after, commit and a crash: each completion runs once, in the order of handing in
// (at once where the commit had completed), and a crash keeps all that completed well.
TEST_CASE("pipeline: a thread that lends itself commits, once its scope ends") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  pipeline.start();
  for (int i = 0; i < 100; ++i) {
    std::thread::id by;
    {
      const CommitPipeline::Lend lend(pipeline);
      pipeline.submit(one("k" + std::to_string(i)), [&](const auto&) { by = std::this_thread::get_id(); });
      CHECK(by == std::thread::id());
    }
    CHECK(by == std::this_thread::get_id());  // the writer sleeps, so nobody else was at it
    CHECK(pipeline.durable() == static_cast<std::uint64_t>(i) + 1);
  }
  pipeline.stop();
}

TEST_CASE("pipeline: a thread that lends itself for a few commits leaves more of them to the writer") {
  MemoryStore store;
  constexpr std::int64_t kHowLongEver = 1'000'000'000;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes, {250, 0, kHowLongEver});
  pipeline.start();
  const auto committers = [&](int commits, std::size_t commits_max) {
    std::vector<std::promise<std::thread::id>> by(static_cast<std::size_t>(commits));
    pipeline.begin_lending(commits_max);
    for (auto& who : by) pipeline.submit(one("k"), [&](const auto&) { who.set_value(std::this_thread::get_id()); });
    pipeline.end_lending();
    int mine = 0;
    for (auto& who : by) mine += who.get_future().get() == std::this_thread::get_id() ? 1 : 0;
    return mine;
  };
  CHECK(committers(2, 2) == 2);
  CHECK(committers(3, 2) == 0);
  CHECK(committers(1, 0) == 0);
  {
    CommitPipeline slow(store, Durability::synced, kBatchBytes, {250, 0, -1});  // every sync takes longer
    slow.start();
    std::promise<std::thread::id> by;
    slow.begin_lending(2);
    slow.submit(one("k"), [&](const auto&) { by.set_value(std::this_thread::get_id()); });
    slow.end_lending();
    CHECK(by.get_future().get() != std::this_thread::get_id());
    slow.stop();
  }
  {
    // An inner one commits at its own end: whoever opened it waits for that.
    pipeline.begin_lending(2);
    std::thread::id by;
    {
      const CommitPipeline::Lend lend(pipeline);
      pipeline.submit(one("k"), [&](const auto&) { by = std::this_thread::get_id(); });
    }
    CHECK(by == std::this_thread::get_id());
    pipeline.end_lending();
  }
  pipeline.stop();
}

TEST_CASE("pipeline: what a thread hands in before its end is written with one sync, but nobody waits for long") {
  constexpr std::int64_t kHowLongEver = 1'000'000'000;
  SlowStore store;
  store.permit(100);
  const bool bounded = GENERATE(false, true);
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes,
                          {250, 0, kHowLongEver, bounded ? 1'000 : kHowLongEver});
  pipeline.start();
  std::vector<std::promise<void>> durable(CommitPipeline::kCommitsGathered);
  const auto submit = [&](std::size_t i) {
    pipeline.submit(one("k"), [&, i](const auto&) { durable[i].set_value(); });
  };
  const auto wait = [&](std::size_t i) { REQUIRE(durable[i].get_future().wait_for(20s) == std::future_status::ready); };
  if (bounded) {
    std::this_thread::sleep_for(20ms);  // the writer sleeps
    pipeline.begin_lending(0);
    submit(0);
    wait(0);  // without a word to the pipeline
    pipeline.end_lending();
  } else {
    SECTION("they gather") {
      pipeline.begin_lending(0);
      submit(0);
      std::this_thread::sleep_for(20ms);
      submit(1);
      pipeline.end_lending();
      wait(0);
      wait(1);
      CHECK(store.begun() == 1);
    }
    SECTION("there are enough of them") {
      pipeline.begin_lending(0);
      for (std::size_t i = 0; i < durable.size(); ++i) submit(i);
      store.wait_begun(1);
      pipeline.end_lending();
      wait(durable.size() - 1);
    }
    SECTION("the thread waits for one of them, and says so") {
      pipeline.begin_lending(0);
      submit(0);
      {
        const CommitPipeline::Lend lend(pipeline);
        submit(1);
      }
      wait(1);
      pipeline.end_lending();
    }
    SECTION("the pipeline ends meanwhile") {
      pipeline.begin_lending(0);
      submit(0);
      std::thread([&] { pipeline.stop(); }).join();
      wait(0);
      pipeline.end_lending();
    }
  }
}

TEST_CASE("pipeline: who hands in more waits for room in a full batch, which is written then") {
  constexpr std::int64_t kHowLongEver = 1'000'000'000;
  SlowStore store;
  store.permit(100);
  CommitPipeline pipeline(store, Durability::synced, 1, {250, 0, kHowLongEver, kHowLongEver});
  pipeline.start();
  Log log;
  pipeline.begin_lending(0);
  for (const char* what : {"1", "2", "3"}) pipeline.submit(one(what), log.note(what));
  pipeline.end_lending();
  pipeline.stop();
  CHECK(log.text() == "1 2 3 ");
}

TEST_CASE("pipeline: who lends itself while another commits leaves it to that one") {
  SlowStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  pipeline.start();
  std::promise<void> first;
  std::promise<void> second;
  pipeline.submit(one("a"), [&](const auto&) { first.set_value(); });
  store.wait_begun(1);
  {
    const CommitPipeline::Lend lend(pipeline);
    pipeline.submit(one("b"), [&](const auto&) { second.set_value(); });
  }
  CHECK(store.begun() == 1);
  store.permit(2);
  first.get_future().get();
  second.get_future().get();
  CHECK(store.begun() == 2);
}

TEST_CASE("pipeline: lenders and others together lose nothing, also over full batches") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, 64);  // a batch is full after a few write sets
  pipeline.start();
  constexpr int kThreads = 6;
  constexpr int kEach = 400;
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        std::promise<void> durable;
        const auto put = [&](int n) {
          pipeline.submit(
              one("k" + std::to_string(t) + "." + std::to_string(i) + "." + std::to_string(n), "0123456789"),
              [&, n](const auto&) {
                ++done;
                if (n == 3) durable.set_value();
              });
        };
        const auto put_all = [&] {
          for (int n = 0; n < 4; ++n) put(n);
        };
        if (t % 2 == 0) {
          const CommitPipeline::Lend lend(pipeline);
          put_all();
        } else {
          put_all();
        }
        durable.get_future().get();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(done == kThreads * kEach * 4);
  pipeline.stop();
  CHECK(rows_of(store, {"", ""}).size() == static_cast<std::size_t>(kThreads * kEach * 4));
}

TEST_CASE("pipeline: any sequence of calls keeps the gate's promise") {
  const bool held = rc::check([](bool buffered) {
    MemoryStore store;
    CommitPipeline pipeline(store, buffered ? Durability::buffered : Durability::synced, kBatchBytes);
    std::vector<int> handed_in;
    std::vector<int> ran;
    std::vector<std::string> acknowledged;
    std::uint64_t last = 0;
    std::uint64_t completed = 0;
    int next = 0;
    for (int n = *rc::gen::inRange(0, 60); n > 0; --n) {
      switch (*rc::gen::inRange(0, 5)) {
        case 0:
        case 1: {
          const int id = next++;
          handed_in.push_back(id);
          last = pipeline.submit(one(std::to_string(id)), [&, id](const Result<void>& outcome) {
            ran.push_back(id);
            if (outcome) acknowledged.push_back(std::to_string(id));
          });
          break;
        }
        case 2: {
          const int id = next++;
          const auto commit = *rc::gen::inRange<std::uint64_t>(0, last + 1);
          const auto before = ran.size();
          pipeline.after(commit, [&, id](const Result<void>&) { ran.push_back(id); });
          RC_ASSERT((ran.size() > before) == (commit <= completed));
          if (ran.size() > before) ran.pop_back();
          else handed_in.push_back(id);
          break;
        }
        case 3:
          if (*rc::gen::inRange(0, 8) == 0) store.inject(MemoryStore::Fault::unknown_lost);
          break;
        default:
          pipeline.commit_once();
          completed = pipeline.durable();
          RC_ASSERT(ran == handed_in);
      }
    }
    pipeline.stop();
    RC_ASSERT(ran == handed_in);
    if (!buffered) {
      SeededRandom random(1);
      const auto next_process = store.crash(random);
      for (const auto& key : acknowledged) RC_ASSERT(next_process->get(Family::objects, key).value().has_value());
    }
  });
  CHECK(held);
}

}  // namespace holdfast
