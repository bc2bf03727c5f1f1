// Metrics: request counters and latencies by route, and the engine's own numbers, in Prometheus text form.
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

namespace holdfast::http {

class Metrics {
 public:
  Metrics(std::span<const Route> routes, unsigned threads);

  static constexpr std::size_t kNoRoute = static_cast<std::size_t>(-1);
  // From I/O thread number `thread` only. `route` is an index into the table, or kNoRoute.
  void count(unsigned thread, std::size_t route, int status, std::uint64_t micros) noexcept;

  // Any thread.
  [[nodiscard]] std::string render(const EngineStats& stats, std::uint64_t connections) const;

 private:
  static constexpr std::array<double, 12> kBucketSeconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                         0.05,   0.1,   0.25,   0.5,   1,    5};
  using Cell = std::atomic<std::uint64_t>;
  struct Cells {
    std::array<Cell, 6> by_class{};  // 1xx to 5xx at 1 to 5
    std::array<Cell, kBucketSeconds.size() + 1> buckets{};
    Cell micros{0};
  };
  struct Totals {
    std::array<std::uint64_t, 6> by_class{};
    std::array<std::uint64_t, kBucketSeconds.size() + 1> buckets{};
    std::uint64_t micros = 0;
    std::uint64_t count = 0;
  };
  [[nodiscard]] Totals total(std::size_t row) const;

  std::vector<std::string> labels_;  // "GET /v1/sessions/{s}", and "other" at the end
  std::vector<std::unique_ptr<Cells[]>> threads_;
};

}  // namespace holdfast::http
