// Completions that go back to the thread that handed them in.
#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "storage/commit_pipeline.hpp"
#include "tests/contract/slow_store.hpp"
#include "tests/contract/stores.hpp"

namespace holdfast {
namespace {

using Runs = CommitPipeline::Runs;

constexpr std::uint64_t kBatchBytes = 1 << 20;
constexpr std::size_t kLeaveToTheWriter = 0;

WriteSetPtr one(std::string key) {
  WriteSet writes;
  writes.put(Family::objects, std::move(key), "v");
  return std::make_shared<const WriteSet>(std::move(writes));
}

// A pipeline that is stepped, and this thread's queue.
struct Stepped {
  MemoryStore store;
  CommitPipeline pipeline{store, Durability::synced, kBatchBytes};
  int woken = 0;
  std::shared_ptr<CommitQueue> queue = pipeline.queue([this] { ++woken; });
  std::string log;

  void submit(const std::string& what, Runs runs = Runs::anywhere) {
    pipeline.submit(one(what), epoch, note(what), runs);
  }
  CommitPipeline::Completion note(const std::string& what) {
    return [this, what](const Result<void>& outcome) { log += what + (outcome ? " " : "! "); };
  }
  // One round of an event loop; what it leaves open is committed by step().
  template <class Round>
  void round(const Round& what) {
    pipeline.begin_lending(kLeaveToTheWriter, queue.get());
    what();
    pipeline.end_lending();
  }
  std::uint64_t epoch = pipeline.epoch();
};

}  // namespace

TEST_CASE("queue: it gets in one piece what a batch made durable, and only what may run anywhere") {
  Stepped s;
  CHECK_FALSE(s.queue->run());
  s.round([&] {
    s.submit("a");
    s.submit("b", Runs::in_order);
    s.submit("c");
  });
  CHECK(s.log.empty());
  s.pipeline.commit_once();
  CHECK(s.log == "b ");
  CHECK(s.pipeline.durable() == 3);
  CHECK(s.queue->run());
  CHECK(s.log == "b a c ");
  CHECK_FALSE(s.queue->run());
  CHECK(s.pipeline.stats().commits == 3);
  CHECK(s.pipeline.stats().queued == 0);
}

TEST_CASE("queue: outside of a round, and within an inner lending that is waited for, who commits completes") {
  Stepped s;
  s.submit("outside");
  s.pipeline.commit_once();
  CHECK(s.log == "outside ");
  s.round([&] {
    const CommitPipeline::Lend lend(s.pipeline);
    s.submit("inside");
  });
  s.pipeline.commit_once();
  CHECK(s.log == "outside inside ");
  s.round([&] {
    { const CommitPipeline::Lend lend(s.pipeline); }
    s.submit("after");
  });
  s.pipeline.commit_once();
  CHECK(s.log == "outside inside ");
  s.queue->run();
  CHECK(s.log == "outside inside after ");
}

TEST_CASE("queue: a piece wakes the loop, once until it has run; not what the round itself made durable") {
  Stepped s;
  for (const char* what : {"a", "b"}) {
    s.round([&] { s.submit(what); });
    s.pipeline.commit_once();
  }
  CHECK(s.woken == 1);
  CHECK(s.queue->run());
  CHECK(s.log == "a b ");
  s.round([&] { s.submit("c"); });
  s.pipeline.commit_once();
  CHECK(s.woken == 2);
  CHECK(s.queue->run());

  s.pipeline.start();  // a thread lends itself beside a writer only
  const auto lent = [&](const std::string& what) {
    s.pipeline.begin_lending(CommitPipeline::kEverything, s.queue.get());
    s.submit(what);
    s.pipeline.end_lending();
  };
  lent("d");
  CHECK(s.woken == 2);
  CHECK(s.queue->run());
  CHECK(s.log == "a b c d ");
  s.pipeline.stop();
}

TEST_CASE("queue: what failed completes on who commits, with the error, and so does what was open behind it") {
  const auto fault = GENERATE(MemoryStore::Fault::unknown_lost, MemoryStore::Fault::full);
  Stepped s;
  s.store.inject(fault);
  s.round([&] { s.submit("a"); });
  s.pipeline.commit_once();
  CHECK(s.log == "a! ");
  const bool goes_on = fault == MemoryStore::Fault::full;
  CHECK(s.pipeline.broken() != goes_on);
  s.round([&] { s.submit("late"); });  // of the epoch before
  s.pipeline.commit_once();
  CHECK(s.log == "a! late! ");
  s.epoch = s.pipeline.epoch();
  s.round([&] { s.submit("b"); });
  s.pipeline.commit_once();
  CHECK(s.queue->run() == goes_on);
  CHECK(s.log == (goes_on ? "a! late! b " : "a! late! b! "));
}

TEST_CASE("queue: what is handed in while a batch is refused is refused with it") {
  test::SlowStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  const auto queue = pipeline.queue([] {});
  const auto epoch = pipeline.epoch();
  std::string log;  // the writer's, until it has ended
  const auto submit = [&](const std::string& what) {
    pipeline.begin_lending(kLeaveToTheWriter, queue.get());
    pipeline.submit(
        one(what), epoch, [&log, what](const auto& outcome) { log += what + (outcome ? " " : "! "); }, Runs::anywhere);
    pipeline.end_lending();
  };
  pipeline.start();
  store.memory().inject(MemoryStore::Fault::full);
  submit("a");
  store.wait_begun(1);
  submit("b");
  store.permit(2);
  pipeline.stop();
  CHECK(log == "a! b! ");
  CHECK(store.begun() == 1);
}

TEST_CASE("queue: when it closes what is there runs, and what comes later completes on who commits") {
  Stepped s;
  s.round([&] { s.submit("there"); });
  s.pipeline.commit_once();
  s.round([&] { s.submit("open"); });
  SECTION("by its owner") {
    s.queue->close();
    CHECK(s.log == "there ");
    s.pipeline.commit_once();
    CHECK(s.log == "there open ");
    s.queue->close();
  }
  SECTION("by the end of the pipeline") {
    s.pipeline.stop();
    CHECK(s.log == "there open ");
    s.round([&] { s.submit("late"); });
    s.pipeline.stop();
    CHECK(s.log == "there open late ");
  }
  CHECK_FALSE(s.queue->run());
}

TEST_CASE("queue: loops, and others, and the end of it all lose no completion and run none twice") {
  MemoryStore store;
  CommitPipeline pipeline(store, Durability::synced, kBatchBytes);
  pipeline.start();
  constexpr int kLoops = 3;
  constexpr int kEach = 3'000;
  std::vector<std::atomic<int>> ran(kLoops * kEach);
  std::vector<std::thread> loops;
  for (int loop = 0; loop < kLoops; ++loop) {
    loops.emplace_back([&, loop] {
      const auto queue = pipeline.queue([] {});
      for (int i = 0; i < kEach; ++i) {
        pipeline.begin_lending(static_cast<std::size_t>(i % 4), queue.get());
        queue->run();
        for (int n = i % 3; n >= 0 && i < kEach; --n, ++i) {
          auto& count = ran[static_cast<std::size_t>(loop * kEach + i)];
          const auto key = std::to_string(loop) + "." + std::to_string(i);
          pipeline.submit(
              one(key), pipeline.epoch(), [&](const auto&) { ++count; }, i % 5 == 0 ? Runs::in_order : Runs::anywhere);
        }
        --i;
        pipeline.end_lending();
      }
      if (loop == 0) queue->close();  // the others leave it to the pipeline
    });
  }
  for (auto& loop : loops) loop.join();
  pipeline.stop();
  CHECK(std::all_of(ran.begin(), ran.end(), [](const auto& count) { return count == 1; }));
  CHECK(test::rows_of(store, {"", ""}).size() == static_cast<std::size_t>(kLoops * kEach));
}

}  // namespace holdfast
