// Backlog: whether a pipelining client's own requests stand in a queue, so that those at its end are old when they are
// reached.
//
// A connection answers its requests in order, one at a time. Two signs tell that they stand in a queue:
// - what was read waited longer than kWaitMs to be taken up, for kStandMs without a break (StandingQueue). One read at
// a
//   time is followed through the input, which costs a reading of the clock;
// - every read for kStandMs filled the whole buffer: more is waiting in the kernel, where nobody sees how old it is.
// If the I/O thread then has no time left either (ThreadLoad), serving in order would answer everybody late: new work
// is refused at once until the queue is gone. A refusal is a fraction of the work, so the queue shrinks. One of
// kRefusedMax + 1 requests is served nevertheless: a flood that comes faster than refusals leave would else stop all
// work.
//
// A client that waits for its answers is never refused: what it sends is taken up when it is read. A pure rule; one
// thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "src/core/standing_queue.hpp"

namespace holdfast::http {

class Backlog {
 public:
  static constexpr std::int64_t kStandMs = 100;
  static constexpr std::int64_t kWaitMs = 50;
  static constexpr unsigned kRefusedMax = 12;

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
    if (!queue_.left(now_ms, now_ms - followed_since_ms_)) refused_ = 0;
  }
  [[nodiscard]] bool stands(std::int64_t now_ms) const noexcept {
    if (queue_.stands(now_ms)) return true;
    return full_since_ != 0 && now_ms - full_since_ >= kStandMs;
  }
  // Whether to refuse the request at hand, of a queue that stands.
  [[nodiscard]] bool refuse() noexcept {
    if (refused_ < kRefusedMax) return ++refused_, true;
    refused_ = 0;
    return false;
  }

 private:
  StandingQueue queue_{kWaitMs, kStandMs};
  std::size_t waiting_ = 0;   // bytes that were read and not parsed
  std::size_t followed_ = 0;  // of those, what comes before the read that is followed
  std::int64_t followed_since_ms_ = 0;
  bool following_ = false;
  bool reached_ = false;
  std::int64_t full_since_ = 0;  // 0: the last read emptied the queue
  unsigned refused_ = 0;         // in a row
};

}  // namespace holdfast::http
