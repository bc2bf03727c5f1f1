// What the benchmarks in process share: time, memory, and many calls in the air.
#pragma once

#include <jemalloc/jemalloc.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <holdfast/engine.hpp>
#include <memory>
#include <thread>
#include <utility>

namespace holdfast::bench {

using Steady = std::chrono::steady_clock;

inline double seconds_since(Steady::time_point begin) {
  return std::chrono::duration<double>(Steady::now() - begin).count();
}

inline std::uint64_t resident_kib() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  statm >> all >> resident;
  return resident * 4;
}

// What the program holds of the allocator, without what the allocator keeps for later.
inline std::uint64_t allocated_bytes() {
  std::uint64_t epoch = 1;
  std::size_t size = sizeof epoch;
  mallctl("epoch", &epoch, &size, &epoch, size);
  std::size_t allocated = 0;
  size = sizeof allocated;
  mallctl("stats.allocated", &allocated, &size, nullptr, 0);
  return allocated;
}

// The engine, or the end of the program.
inline std::unique_ptr<Engine> open_or_exit(Options options) {
  auto engine = Engine::open(std::move(options));
  if (engine) return std::move(*engine);
  std::fprintf(stderr, "cannot open: %s\n", engine.error().detail.c_str());
  std::exit(3);
}

// Calls `make(i, done)` for i < n with at most 2 000 in the air.
template <class Make>
void many(std::uint64_t n, const Make& make) {
  std::atomic<std::uint64_t> in_the_air{0};
  for (std::uint64_t i = 0; i < n; ++i) {
    while (in_the_air > 2'000) std::this_thread::yield();
    ++in_the_air;
    make(i, [&](const auto&) { --in_the_air; });
  }
  while (in_the_air != 0) std::this_thread::yield();
}

}  // namespace holdfast::bench
