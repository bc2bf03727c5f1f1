#include "actors/shell/offload.hpp"

#include <pthread.h>

#include <system_error>

namespace holdfast::shell {

void Offload::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  work_.push_back(std::move(work));
  if (idle_ < work_.size() && threads_.size() < thread_count_) add_thread();
  wake_.notify_one();
}

// The thread that commits may be the one that posts: where the system gives no more threads, those that are there do
// the work, and without any it waits for the next post() to try again.
void Offload::add_thread() {
  try {
    threads_.emplace_back([this] { run(); });
  } catch (const std::system_error&) {
  }
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
