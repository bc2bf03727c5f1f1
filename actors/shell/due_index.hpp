// DueIndex: rings what is due in one ordered index on disk: the alarms of sessions, the callbacks of messages.
//
// The index is the truth; memory holds the next kWindow keys of it. Whoever is told of an entry which is no longer
// there does nothing, so a stale one is harmless, and a lost one cannot be: it stays on disk until it was dealt with.
//
// Thread-safety: all members from any thread.
#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <string>

#include "actors/shell/timers.hpp"
#include "storage/store.hpp"

namespace holdfast::shell {

class DueIndex {
 public:
  // Gets a key that is due, on the timers' thread. False: not now, ring it again in a second.
  using Ring = std::function<bool(std::string_view key)>;

  // `range` of Family::index: keys of one leading byte and the time when they are due.
  DueIndex(const Store& store, Range range, const Clock& clock, Timers& timers, Ring ring)
      : store_(store), range_(std::move(range)), clock_(clock), timers_(timers), ring_(std::move(ring)) {}

  // Reads the first of the index. Errors: internal.
  [[nodiscard]] Result<void> start();
  // How many entries memory holds.
  [[nodiscard]] std::size_t held() const;
  // An entry became durable.
  void set(std::string key);

 private:
  [[nodiscard]] Result<void> refill();  // under mutex_
  void schedule();                      // under mutex_
  void schedule(Time at);               // under mutex_
  void ring_due();

  static constexpr std::size_t kWindow = 16'384;
  static constexpr Time kAgainMs = 1'000;
  const Store& store_;
  const Range range_;
  const Clock& clock_;
  Timers& timers_;
  Ring ring_;
  mutable std::mutex mutex_;
  std::set<std::string, std::less<>> window_;
  Time horizon_ = INT64_MAX;  // entries due at or after it may be on disk only
  Time scheduled_ = INT64_MAX;
};

}  // namespace holdfast::shell
