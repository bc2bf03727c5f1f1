// StandingQueue: is this queue a burst, which goes away by itself, or does it stand?
//
// The question of CoDel (RFC 8289): a queue whose delay has been above `target` without a break for `interval` will not
// become shorter by serving it in order, and what is added to it only waits. Then new work is refused until the delay
// is below the target once, or the queue is empty. Unlike CoDel, which drops a packet now and then because the sender
// slows down for it, everything new is refused: the client is told to come back.
//
// A pure rule: times come in as arguments, in any one unit. One thread.
#pragma once

#include <cstdint>

namespace holdfast {

class StandingQueue {
 public:
  StandingQueue(std::int64_t target, std::int64_t interval) noexcept : target_(target), interval_(interval) {}

  // At `now` something left the queue after `delay`. Whether the queue stands.
  bool left(std::int64_t now, std::int64_t delay) noexcept {
    if (delay < target_) {
      empty();
    } else if (!above_) {
      above_ = true;
      since_ = now;
    }
    return stands(now);
  }
  void empty() noexcept { above_ = false; }
  [[nodiscard]] bool above() const noexcept { return above_; }
  [[nodiscard]] bool stands(std::int64_t now) const noexcept { return above_ && now - since_ >= interval_; }

 private:
  const std::int64_t target_;
  const std::int64_t interval_;
  bool above_ = false;
  std::int64_t since_ = 0;
};

}  // namespace holdfast
