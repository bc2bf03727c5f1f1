// Buckets: a histogram that costs its writer a few instructions a value.
//
// Bucket i holds the values up to 2^(Shift + i), the last one the rest, so the bucket is found by counting bits. One
// writer at a time (a load and a store, no read-modify-write); read() from any thread, which may see one value in the
// count and not yet in the sum.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <holdfast/stats.hpp>

namespace holdfast {

template <unsigned Shift, std::size_t Bounds>
class Buckets {
 public:
  void add(std::uint64_t value) noexcept {
    const auto width = static_cast<std::size_t>(std::bit_width((value - (value != 0)) >> Shift));
    bump(counts_[std::min(width, Bounds)], 1);
    bump(sum_, value);
  }

  // `unit`: what one of a value is in the unit that is shown.
  [[nodiscard]] Distribution read(double unit) const {
    Distribution out;
    for (std::size_t i = 0; i < Bounds; ++i)
      out.bounds.push_back(static_cast<double>(std::uint64_t{1} << (Shift + i)) * unit);
    for (const auto& count : counts_) out.counts.push_back(count.load(std::memory_order_relaxed));
    out.sum = static_cast<double>(sum_.load(std::memory_order_relaxed)) * unit;
    return out;
  }

 private:
  using Cell = std::atomic<std::uint64_t>;
  static void bump(Cell& cell, std::uint64_t by) noexcept {
    cell.store(cell.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  std::array<Cell, Bounds + 1> counts_{};
  Cell sum_{0};
};

}  // namespace holdfast
