// Bounded waits: read a document, and read it again whenever its session has news, until a condition holds or the time
// is over. Then the answer is the document as it is.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include <holdfast/engine.hpp>
#include "actors/shell/timers.hpp"

namespace holdfast {

template <class T>
class Wait : public std::enable_shared_from_this<Wait<T>> {
 public:
  using Read = std::function<void(Done<T>)>;
  using Watch = std::function<std::unique_ptr<Subscription>(std::function<void()>)>;

  Wait(shell::Timers& timers, Read read, std::function<bool(const T&)> holds, Done<T> done)
      : timers_(timers), read_(std::move(read)), holds_(std::move(holds)), done_(std::move(done)) {}

  // The engine closes, and drops the timer that kept it.
  ~Wait() {
    if (done_) done_(fail(ErrorCode::shutting_down, "the engine was closed while this waited; ask again"));
  }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  // The watch is set before the first read, so that nothing falls between the two.
  void start(const Watch& watch, Time deadline) {
    const auto self = this->shared_from_this();
    const std::weak_ptr<Wait> weak = self;
    auto subscription = watch([weak, &timers = timers_] {
      // A wake runs on a thread that must go on, mostly the commit writer: the reading is done elsewhere.
      timers.at(0, [weak] {
        if (const auto wait = weak.lock()) wait->look();
      });
    });
    {
      const std::lock_guard lock(mutex_);
      subscription_ = std::move(subscription);
      // The timer keeps the wait alive until it has answered.
      timer_ = timers_.at(deadline, [self] { self->time_is_over(); });
    }
    look();
  }

 private:
  void look() {
    {
      const std::lock_guard lock(mutex_);
      if (answered_) return;
      if (reading_) {
        again_ = true;
        return;
      }
      reading_ = true;
    }
    read_([self = this->shared_from_this()](Result<T> result) { self->seen(std::move(result)); });
  }

  void time_is_over() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    look();
  }

  void seen(Result<T> result) {
    std::unique_ptr<Subscription> ended;
    Done<T> done;
    bool again = false;
    {
      const std::lock_guard lock(mutex_);
      reading_ = false;
      if (answered_) return;
      again = std::exchange(again_, false);
      if (!result || holds_(*result) || (over_ && !again)) {
        answered_ = true;
        ended = std::move(subscription_);
        done = std::exchange(done_, nullptr);
        if (timer_) timers_.cancel(*timer_);
      }
    }
    if (done) {
      // The watch may be the one that woke us; it is ended from the timers' thread, outside any wake.
      std::shared_ptr<Subscription> keep = std::move(ended);
      timers_.at(0, [keep] {});
      done(std::move(result));
    } else if (again) {
      look();
    }
  }

  shell::Timers& timers_;
  Read read_;
  std::function<bool(const T&)> holds_;
  Done<T> done_;
  std::mutex mutex_;
  std::unique_ptr<Subscription> subscription_;
  std::optional<shell::Timers::Id> timer_;
  bool reading_ = false;
  bool again_ = false;
  bool over_ = false;
  bool answered_ = false;
};

}  // namespace holdfast
