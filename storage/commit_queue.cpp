#include "storage/commit_queue.hpp"

#include <memory>
#include <utility>

namespace holdfast {

bool CommitQueue::deliver(Wake wake) {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  const bool first = ready_.empty();
  ready_.push_back(std::exchange(taken, {}));
  some_.store(true, std::memory_order_relaxed);
  if (first && wake == Wake::yes) wake_();
  return true;
}

bool CommitQueue::closed() {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void CommitQueue::run(Piece& piece) {
  for (auto& pending : piece) {
    if (pending.done) pending.done({});
    pending = {};  // freed while it is at hand
  }
}

bool CommitQueue::run() {
  if (!some_.load(std::memory_order_relaxed)) return false;
  std::vector<Piece> pieces;
  {
    const std::lock_guard lock(mutex_);
    pieces.swap(ready_);
    some_.store(false, std::memory_order_relaxed);
    running_ = !pieces.empty();
  }
  const auto end = [this](void*) {
    const std::lock_guard lock(mutex_);
    running_ = false;
    ran_.notify_all();
  };
  const std::unique_ptr<void, decltype(end)> at_the_end(this, end);  // also when a completion throws, which it must not
  for (auto& piece : pieces) run(piece);
  return !pieces.empty();
}

void CommitQueue::close() {
  std::vector<Piece> pieces;
  {
    std::unique_lock lock(mutex_);
    closed_ = true;
    ran_.wait(lock, [this] { return !running_; });
    pieces.swap(ready_);
    some_.store(false, std::memory_order_relaxed);
  }
  for (auto& piece : pieces) run(piece);
}

}  // namespace holdfast
