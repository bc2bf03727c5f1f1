// The engine in process, on a real disk with fsync: admissions one at a time and many in the air, reads, whole turns.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <holdfast/engine.hpp>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace holdfast;

class Counter final : public Object {
 public:
  Task<Reply> on_request(Context& ctx, const Request& request) override {
    auto n = ctx.storage().get<std::int64_t>("n").value_or(0);
    if (request.method == "POST") ctx.storage().put("n", ++n);
    return Reply::text(std::to_string(n));
  }
};

class TemporaryEngine {
 public:
  TemporaryEngine() {
    directory_ = std::filesystem::current_path() / ("engine_bench." + std::to_string(::getpid()) + ".data");
    std::filesystem::remove_all(directory_);
    Options options;
    options.data = directory_;
    options.limits.queue_capacity = 1'000'000'000;
    options.register_class<Counter>("counter");
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

// Workers, as many as the argument says, that claim and complete, one turn at a time each, over 10 000 sessions that
// have their messages queued already. An item is a turn.
class Drain {
 public:
  Drain(Engine& engine, std::int64_t turns) : engine_(engine), left_(turns) {}

  void work() {
    ClaimRequest request;
    request.wait_ms = 100;
    engine_.claim_async(request, [this](Result<std::vector<Delivery>> turns) {
      if (!turns || turns->empty()) return again();
      engine_.complete_async({turns->front().delivery, turns->front().lease}, {}, [this](const Result<Nothing>&) {
        const std::lock_guard lock(mutex_);
        ++done_;
        news_.notify_all();
        if (--left_ > 0) ready_.push_back(0);
      });
    });
  }
  // Waits for one turn more; starts the workers that are free meanwhile.
  void next() {
    std::unique_lock lock(mutex_);
    for (;;) {
      auto free = std::exchange(ready_, {}).size();
      lock.unlock();
      for (; free > 0; --free) work();
      lock.lock();
      if (seen_ < done_) break;
      if (ready_.empty()) news_.wait_for(lock, std::chrono::milliseconds(10));
    }
    ++seen_;
  }

 private:
  void again() {
    const std::lock_guard lock(mutex_);
    ready_.push_back(0);
    news_.notify_all();
  }

  Engine& engine_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::vector<int> ready_;
  std::int64_t left_;
  std::int64_t done_ = 0;
  std::int64_t seen_ = 0;
};

void drain(benchmark::State& state) {
  std::optional<Drain> workers;  // outlives the engine, whose last answers they get
  const TemporaryEngine engine;
  const auto turns = static_cast<std::int64_t>(state.max_iterations);
  std::atomic<std::int64_t> in_the_air{0};
  for (std::int64_t i = 0; i < turns + 10'000; ++i) {
    while (in_the_air > 1'000) std::this_thread::yield();
    ++in_the_air;
    engine->admit_async("s" + std::to_string(i % 10'000), message(), {}, [&](const auto&) { --in_the_air; });
  }
  while (in_the_air != 0) std::this_thread::yield();
  workers.emplace(*engine, turns);
  for (std::int64_t worker = 0; worker < state.range(0); ++worker) workers->work();
  for (auto _ : state) workers->next();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(drain)->Arg(64)->UseRealTime();

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

// What the disk takes: one record appended to a file that has its size already, and fdatasync.
void one_fdatasync(benchmark::State& state) {
  const auto path = std::filesystem::current_path() / ("engine_bench." + std::to_string(::getpid()) + ".log");
  const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  constexpr off_t kSize = 16 << 20;
  (void)!::posix_fallocate(fd, 0, kSize);
  const std::string record(200, 'x');
  off_t at = 0;
  for (auto _ : state) {
    (void)!::pwrite(fd, record.data(), record.size(), at);
    at = (at + static_cast<off_t>(record.size())) % (kSize - static_cast<off_t>(record.size()));
    ::fdatasync(fd);
  }
  ::close(fd);
  std::filesystem::remove(path);
}
BENCHMARK(one_fdatasync)->UseRealTime();

// One call after the other from one thread, to one object.
void increment_an_object(benchmark::State& state) {
  const TemporaryEngine engine;
  for (auto _ : state) benchmark::DoNotOptimize(engine->call("counter", "one", {"POST", "/", ""}));
}
BENCHMARK(increment_an_object)->UseRealTime();

void read_an_object(benchmark::State& state) {
  const TemporaryEngine engine;
  (void)engine->call("counter", "one", {"POST", "/", ""});
  for (auto _ : state) benchmark::DoNotOptimize(engine->call("counter", "one", {"GET", "/", ""}));
}
BENCHMARK(read_an_object)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
