#include "actors/shell/offload.hpp"

#include <pthread.h>

namespace holdfast::shell {

void Offload::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  work_.push_back(std::move(work));
  if (idle_ < work_.size() && threads_.size() < thread_count_) threads_.emplace_back([this] { run(); });
  wake_.notify_one();
}

bool Offload::run_one() {
  std::function<void()> work;
  {
    const std::lock_guard lock(mutex_);
    if (work_.empty()) return false;
    work = std::move(work_.front());
    work_.pop_front();
  }
  work();
  return true;
}

void Offload::stop() {
  std::vector<std::thread> threads;
  std::deque<std::function<void()>> dropped;  // what they hold goes without the lock
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    threads.swap(threads_);
    dropped.swap(work_);
    wake_.notify_all();
  }
  for (auto& thread : threads) thread.join();
}

void Offload::run() {
  ::pthread_setname_np(::pthread_self(), "hf-offload");
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      ++idle_;
      wake_.wait(lock, [this] { return stopped_ || !work_.empty(); });
      --idle_;
      if (stopped_) return;
      work = std::move(work_.front());
      work_.pop_front();
    }
    work();
  }
}

}  // namespace holdfast::shell
