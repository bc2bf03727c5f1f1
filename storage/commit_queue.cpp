#include "storage/commit_queue.hpp"

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
  return run_all();
}

void CommitQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  (void)run_all();  // when what runs has run
}

bool CommitQueue::run_all() {
  const std::lock_guard running(running_);
  std::vector<Piece> pieces;
  {
    const std::lock_guard lock(mutex_);
    pieces.swap(ready_);
    some_.store(false, std::memory_order_relaxed);
  }
  for (auto& piece : pieces) run(piece);
  return !pieces.empty();
}

}  // namespace holdfast
