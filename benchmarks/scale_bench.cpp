// Start-up and memory at scale.
//
//     scale_bench build DIR N     makes a store of N sessions with one queued message of 256 bytes each
//     scale_bench start DIR       opens it and answers one request: how long, how much memory
//     scale_bench idle DIR N      makes N sessions, keeps them live and idle: memory of each, and after eviction
#include <chrono>
#include <cstdio>
#include <cstring>
#include <holdfast/engine.hpp>
#include <string>
#include <thread>

#include "benchmarks/letters.hpp"
#include "benchmarks/measure.hpp"

namespace {

using namespace holdfast;
using namespace holdfast::bench;

std::unique_ptr<Engine> open(const char* directory, std::uint64_t live_max, std::uint64_t idle_ms) {
  Options options;
  options.data = directory;
  options.durability = Durability::buffered;  // how the store is made does not matter here
  options.limits.live_objects_max = live_max;
  options.limits.idle_evict_ms = idle_ms;
  return open_or_exit(std::move(options));
}

int build(const char* directory, std::uint64_t n) {
  const auto begin = Steady::now();
  auto engine = open(directory, 10'000, 60'000);
  Letters letters(n);
  many(n, [&](std::uint64_t i, auto done) {
    engine->admit_async("s" + std::to_string(i), AdmitRequest::prompt(letters.next(kMessageBytes)), {}, done);
  });
  std::printf("%llu sessions made in %.1f s\n", static_cast<unsigned long long>(n), seconds_since(begin));
  return 0;
}

int start(const char* directory) {
  const auto begin = Steady::now();
  auto engine = open(directory, 10'000, 60'000);
  const double opened = seconds_since(begin);
  const auto admitted = engine->admit("s7", AdmitRequest::prompt("again"));
  std::printf("ready after %.3f s, first answer (%s) after %.3f s, %llu MiB resident\n", opened,
              admitted ? "admitted" : admitted.error().detail.c_str(), seconds_since(begin),
              static_cast<unsigned long long>(resident_kib() / 1'024));
  return 0;
}

int idle(const char* directory, std::uint64_t n) {
  {
    auto engine = open(directory, 1, 60'000);  // made and evicted: what follows only reads
    many(n, [&](std::uint64_t i, auto done) { engine->put_async("s" + std::to_string(i), {}, {}, done); });
  }
  auto engine = open(directory, n + 1, 3'000);
  const auto touch_all = [&] {
    many(n, [&](std::uint64_t i, auto done) { engine->get_async("s" + std::to_string(i), done); });
  };
  // One round fills the block cache; everything is evicted; the second round makes them live again.
  const auto settle = [&] {
    while (engine->stats().live_objects > 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    std::this_thread::sleep_for(std::chrono::seconds(1));
  };
  touch_all();
  settle();
  const auto before = allocated_bytes();
  touch_all();
  const auto live = allocated_bytes();
  const auto alive = engine->stats().live_objects;
  settle();
  const auto after = allocated_bytes();
  const auto each = [&](std::uint64_t a, std::uint64_t b) {
    return (static_cast<double>(a) - static_cast<double>(b)) / static_cast<double>(n);
  };
  std::printf("%llu live idle sessions: %.0f bytes each; evicted again: %.0f bytes each\n",
              static_cast<unsigned long long>(alive), each(live, before), each(after, before));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "build") == 0) return build(argv[2], std::strtoull(argv[3], nullptr, 10));
  if (argc == 3 && std::strcmp(argv[1], "start") == 0) return start(argv[2]);
  if (argc == 4 && std::strcmp(argv[1], "idle") == 0) return idle(argv[2], std::strtoull(argv[3], nullptr, 10));
  return std::fprintf(stderr, "usage: scale_bench build DIR N | start DIR | idle DIR N\n"), 2;
}
