// Alarms: rings the durable alarms of sessions.
//
// The index on disk is the truth; memory holds the next kWindow of it. A session that is told of an alarm which it no
// longer has does nothing, so a stale entry is harmless, and a lost one cannot be: it stays on disk until the session
// has dealt with it.
//
// Thread-safety: all members from any thread.
#pragma once

#include <functional>
#include <mutex>
#include <set>

#include "actors/shell/timers.hpp"
#include "src/core/ids.hpp"
#include "storage/store.hpp"

namespace holdfast::shell {

class Alarms {
 public:
  using Ring = std::function<void(const SessionId&)>;

  Alarms(const Store& store, const Clock& clock, Timers& timers, Ring ring)
      : store_(store), clock_(clock), timers_(timers), ring_(std::move(ring)) {}

  // Reads the first of the index. Errors: internal.
  [[nodiscard]] Result<void> start();
  // An alarm became durable.
  void set(const SessionId& session, Time at);

 private:
  using Entry = std::pair<Time, SessionId>;
  [[nodiscard]] Result<void> refill();  // under mutex_
  void schedule();                      // under mutex_
  void ring_due();

  static constexpr std::size_t kWindow = 16'384;
  const Store& store_;
  const Clock& clock_;
  Timers& timers_;
  Ring ring_;
  std::mutex mutex_;
  std::set<Entry> window_;
  Time horizon_ = INT64_MAX;  // alarms at or after it may be on disk only
  Time scheduled_ = INT64_MAX;
};

}  // namespace holdfast::shell
