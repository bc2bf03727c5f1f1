// ThreadLoad: whether a thread has time left, as the kernel's scheduler counts it.
//
// It looks at how long the thread ran and how long it waited for a processor (/proc/thread-self/schedstat): what it
// wanted of the time since the last look. A thread that wanted `percent` of it does not catch up with what is waiting.
// Waiting for a processor counts, so that a machine which others keep busy counts as busy. Where the kernel does not
// tell, no thread is ever saturated, unless `percent` is 0. look() and saturated() on the thread itself.
#pragma once

#include <chrono>
#include <cstdint>

namespace holdfast::http {

class ThreadLoad {
 public:
  explicit ThreadLoad(std::uint64_t percent) noexcept : percent_(percent), saturated_(percent == 0) {}
  ~ThreadLoad();
  ThreadLoad(const ThreadLoad&) = delete;
  ThreadLoad& operator=(const ThreadLoad&) = delete;

  void look(std::int64_t now_ms);
  // It ran for so long and found nothing to do: that is time it has left.
  void idled(std::chrono::nanoseconds time) noexcept { idled_ns_ += static_cast<std::uint64_t>(time.count()); }
  [[nodiscard]] bool saturated() const noexcept { return saturated_; }

  // The rule: `wanted_ns` of `ms`.
  [[nodiscard]] static bool saturates(std::uint64_t wanted_ns, std::int64_t ms, std::uint64_t percent) noexcept {
    return ms > 0 && wanted_ns / 10'000 >= static_cast<std::uint64_t>(ms) * percent;
  }

 private:
  const std::uint64_t percent_;
  int file_ = -1;
  bool opened_ = false;
  std::uint64_t wanted_ns_ = 0;
  std::uint64_t idled_ns_ = 0;
  std::int64_t looked_at_ms_ = 0;
  bool saturated_;
};

}  // namespace holdfast::http
