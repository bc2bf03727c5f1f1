// DiskSpace: what is left on the disk of a store, asked for as rarely as is safe.
//
// Operation: asking the disk is a system call, so a writer only counts down what it writes while much is left, and asks
// when little is, or after every kAskBytes. Others use the disk too: measure() is to be called once a second or so.
// Concurrency: take() from one thread, measure() and known() from any.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>

namespace holdfast {

class DiskSpace {
 public:
  static constexpr std::uint64_t kAskBytes = std::uint64_t{1} << 20;
  static constexpr std::uint64_t kMuchBytes = std::uint64_t{256} << 20;

  explicit DiskSpace(std::function<std::uint64_t()> ask) : ask_(std::move(ask)) { (void)measure(); }

  std::uint64_t measure() {
    const auto bytes = ask_();
    known_.store(bytes, std::memory_order_relaxed);
    return bytes;
  }
  [[nodiscard]] std::uint64_t known() const noexcept { return known_.load(std::memory_order_relaxed); }

  // Whether there is room for `bytes` and `spare` beside them. If so, `bytes` are taken for used.
  [[nodiscard]] bool take(std::uint64_t bytes, std::uint64_t spare) {
    auto left = known();
    unasked_ += bytes;
    if (left < kMuchBytes + bytes || unasked_ >= kAskBytes) {
      left = measure();
      unasked_ = 0;
    }
    if (left < spare || left - spare < bytes) return false;
    known_.store(left - bytes, std::memory_order_relaxed);  // a measurement of this moment may be lost: the next comes
    return true;
  }

 private:
  const std::function<std::uint64_t()> ask_;
  std::atomic<std::uint64_t> known_{0};
  std::uint64_t unasked_ = 0;  // written since the disk was asked
};

}  // namespace holdfast
