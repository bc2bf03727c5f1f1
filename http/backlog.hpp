// Backlog: whether a pipelining client's own requests stand in a queue, so that those at its end are old when they are
// reached.
//
// A connection answers its requests in order, one at a time. Two signs tell that they stand in a queue:
// - what was read waited for `delay_ms` to be taken up, for as long without a break (StandingQueue). One read at a time
//   is followed through the input, which costs a reading of the clock;
// - every read for `delay_ms` filled the whole buffer: more is waiting in the kernel, where nobody sees how old it is.
// If the I/O thread then has no time left either (ThreadLoad), serving in order would answer everybody late, and so
// would refusing in order: what a client pipelines without bound comes faster than the kernel can even hand it over. So
// the connection is closed with one refusal, which discards all that stands in it, here and in the kernel. Until then
// it was served in time, and so is the next one, which begins with an empty queue.
//
// A client that waits for its answers never has a queue: whenever one is sent, there is nothing else. A pure rule; one
// thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "src/core/standing_queue.hpp"

namespace holdfast::http {

class Backlog {
 public:
  // 0: it never stands.
  explicit Backlog(std::int64_t delay_ms) noexcept : delay_ms_(delay_ms), queue_(delay_ms, delay_ms) {}

  // `bytes` were read of `room`, at `now_ms`.
  void read(std::size_t bytes, std::size_t room, std::int64_t now_ms) noexcept {
    if (!following_) {
      following_ = true;
      reached_ = false;
      followed_ = waiting_;
      followed_since_ms_ = now_ms;
    }
    waiting_ += bytes;
    if (bytes < room) {
      full_since_ = 0;
    } else if (full_since_ == 0) {
      full_since_ = now_ms;
    }
  }
  // The parser took so many bytes of what was read.
  void parsed(std::size_t bytes) noexcept {
    waiting_ -= bytes;
    reached_ = reached_ || followed_ < bytes;
    followed_ -= reached_ ? followed_ : bytes;
  }
  // At `now_ms` the request that they end is taken up.
  void take_up(std::int64_t now_ms) noexcept {
    if (!following_ || !reached_) return;
    following_ = false;
    queue_.left(now_ms, now_ms - followed_since_ms_);
  }
  // The request was answered.
  void answered() noexcept {
    if (waiting_ != 0) return;
    following_ = false;
    full_since_ = 0;
    queue_.empty();
  }
  [[nodiscard]] bool stands(std::int64_t now_ms) const noexcept {
    if (delay_ms_ == 0) return false;
    return queue_.stands(now_ms) || (waiting_ != 0 && full_since_ != 0 && now_ms - full_since_ >= delay_ms_);
  }

 private:
  const std::int64_t delay_ms_;
  StandingQueue queue_;
  std::size_t waiting_ = 0;   // bytes that were read and not parsed
  std::size_t followed_ = 0;  // of those, what comes before the read that is followed
  std::int64_t followed_since_ms_ = 0;
  bool following_ = false;
  bool reached_ = false;
  std::int64_t full_since_ = 0;  // 0: the last read emptied the queue
};

}  // namespace holdfast::http
