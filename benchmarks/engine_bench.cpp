// The engine in process, on a real disk with fsync: admissions one at a time and many in the air, reads, whole turns.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <holdfast/engine.hpp>
#include <mutex>
#include <string>

namespace {

using namespace holdfast;

class TemporaryEngine {
 public:
  TemporaryEngine() {
    directory_ = std::filesystem::current_path() / ("engine_bench." + std::to_string(::getpid()) + ".data");
    std::filesystem::remove_all(directory_);
    Options options;
    options.data = directory_;
    options.limits.queue_capacity = 1'000'000'000;
    engine_ = std::move(*Engine::open(std::move(options)));
  }
  ~TemporaryEngine() {
    engine_.reset();
    std::filesystem::remove_all(directory_);
  }
  Engine& operator*() const { return *engine_; }
  Engine* operator->() const { return engine_.get(); }

 private:
  std::filesystem::path directory_;
  std::unique_ptr<Engine> engine_;
};

AdmitRequest message() { return AdmitRequest::prompt(std::string(200, 'x')); }

void admit_one_at_a_time(benchmark::State& state) {
  const TemporaryEngine engine;
  std::uint64_t n = 0;
  for (auto _ : state) benchmark::DoNotOptimize(engine->admit("s" + std::to_string(++n % 10'000), message()));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(admit_one_at_a_time)->UseRealTime();

// As many in the air as the argument says, from one thread, over 10 000 sessions.
void admit_many_in_the_air(benchmark::State& state) {
  const TemporaryEngine engine;
  const auto width = state.range(0);
  std::mutex mutex;
  std::condition_variable room;
  std::int64_t in_the_air = 0;
  std::uint64_t n = 0;
  for (auto _ : state) {
    {
      std::unique_lock lock(mutex);
      room.wait(lock, [&] { return in_the_air < width; });
      ++in_the_air;
    }
    engine->admit_async("s" + std::to_string(++n * 7'919 % 10'000), message(), {}, [&](const Result<Admitted>&) {
      const std::lock_guard lock(mutex);
      if (in_the_air-- == width) room.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  while (in_the_air != 0) room.wait_for(lock, std::chrono::milliseconds(1));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(admit_many_in_the_air)->Arg(64)->Arg(256)->UseRealTime();

void read_a_session(benchmark::State& state) {
  const TemporaryEngine engine;
  (void)engine->admit("s", message());
  for (auto _ : state) benchmark::DoNotOptimize(engine->get("s"));
}
BENCHMARK(read_a_session)->UseRealTime();

// Admit, claim, complete: three durable steps.
void whole_turn(benchmark::State& state) {
  const TemporaryEngine engine;
  for (auto _ : state) {
    (void)engine->admit("s", message());
    const auto turns = engine->claim({});
    (void)engine->complete({turns->at(0).delivery, turns->at(0).lease});
  }
}
BENCHMARK(whole_turn)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
