// Metrics: what the front counts, by I/O thread, and the page that shows it with the engine's own numbers, in
// Prometheus text form.
//
// Each I/O thread counts in its own cells (a relaxed load and store, no read-modify-write); a scrape sums them. The
// route's pattern is the label, never the path, so that names cannot grow the number of series.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <holdfast/engine.hpp>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "http/router.hpp"
#include "src/core/buckets.hpp"

namespace holdfast::http {

// Why the front turned something away without asking the engine.
enum class Refusal : std::uint8_t {
  connections,   // connections_max are open
  commit_delay,  // what waits for the disk has waited too long
  backlog,       // the client's own requests stand in a queue, and the thread has no time
  not_ready,     // the store is being read
};
inline constexpr std::size_t kRefusals = 4;

// One more of something for as long as it lives.
class Counted {
 public:
  explicit Counted(std::atomic<std::int64_t>& number) noexcept : number_(number) { ++number_; }
  ~Counted() { --number_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::atomic<std::int64_t>& number_;
};

class Metrics {
 public:
  Metrics(std::span<const Route> routes, unsigned threads);

  static constexpr std::size_t kNoRoute = static_cast<std::size_t>(-1);
  // From I/O thread number `thread` only. `route` is an index into the table, or kNoRoute.
  void count(unsigned thread, std::size_t route, int status, std::uint64_t micros) noexcept;
  void refused(unsigned thread, Refusal why) noexcept;
  // How late the thread's timer was: what an event waited for the ones before it.
  void lag(unsigned thread, std::uint64_t micros) noexcept { threads_[thread]->lag.add(micros); }

  // Open streams of events and WebSockets; any thread.
  std::atomic<std::int64_t> streams{0};
  std::atomic<std::int64_t> websockets{0};

  // Any thread.
  [[nodiscard]] std::string render(const EngineStats& stats, const Limits& limits, std::uint64_t connections,
                                   bool overloaded) const;

 private:
  static constexpr std::array<double, 12> kBucketSeconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                         0.05,   0.1,   0.25,   0.5,   1,    5};
  static constexpr std::size_t kClasses = 6;  // 1xx to 5xx at 1 to 5
  using Cell = std::atomic<std::uint64_t>;
  struct Cells {  // of one route and class of status
    std::array<Cell, kBucketSeconds.size() + 1> buckets{};
    Cell micros{0};
  };
  struct Thread {
    std::unique_ptr<std::array<Cells, kClasses>[]> routes;
    std::array<Cell, kRefusals> refused{};
    Buckets<7, 16> lag;  // 128 µs to 4.2 s
  };
  [[nodiscard]] Distribution total(std::size_t row, std::size_t status_class) const;

  std::vector<std::string> labels_;  // "GET /v1/sessions/{s}", and "other" at the end
  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace holdfast::http
