#include "actors/shell/timers.hpp"

#include <pthread.h>

#include <algorithm>
#include <chrono>

namespace holdfast::shell {

Timers::Id Timers::at(Time when, std::function<void()> call) {
  const std::lock_guard lock(mutex_);
  const Id id{when, ++next_};
  timers_.emplace(id, std::move(call));
  if (timers_.begin()->first == id) wake_.notify_one();
  return id;
}

void Timers::cancel(const Id& id) {
  std::map<Id, std::function<void()>>::node_type cancelled;  // goes without the lock: what it holds may set timers
  const std::lock_guard lock(mutex_);
  cancelled = timers_.extract(id);
}

Time Timers::run_due() {
  std::unique_lock lock(mutex_);
  while (!timers_.empty() && timers_.begin()->first.first <= clock_.now()) {
    auto call = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    lock.unlock();
    call();
    call = nullptr;  // not under the lock: the end of what it holds may wait for somebody who sets a timer
    lock.lock();
  }
  return timers_.empty() ? 0 : timers_.begin()->first.first;
}

void Timers::start() {
  const std::lock_guard lock(mutex_);
  phase_ = Phase::running;
  thread_ = std::thread([this] { run(); });
}

void Timers::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (phase_ == Phase::running) phase_ = Phase::stopping;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  std::map<Id, std::function<void()>> dropped;  // what they hold may set timers when it goes
  const std::lock_guard lock(mutex_);
  phase_ = Phase::idle;
  dropped.swap(timers_);
}

void Timers::run() {
  ::pthread_setname_np(::pthread_self(), "hf-timers");
  // The clock may jump, so no wait is longer than this, whatever the next timer says.
  constexpr Time kLookMs = 1'000;
  for (;;) {
    const Time next = run_due();
    std::unique_lock lock(mutex_);
    if (phase_ == Phase::stopping) return;
    if (!timers_.empty() && timers_.begin()->first.first != next) continue;
    const Time wait = next == 0 ? kLookMs : std::clamp<Time>(next - clock_.now(), 0, kLookMs);
    if (wait > 0) wake_.wait_for(lock, std::chrono::milliseconds(wait));
    if (phase_ == Phase::stopping) return;
  }
}

}  // namespace holdfast::shell
