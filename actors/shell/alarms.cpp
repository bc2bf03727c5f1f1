#include "actors/shell/alarms.hpp"

#include <vector>

#include "storage/keys.hpp"

namespace holdfast::shell {

Result<void> Alarms::start() {
  const std::lock_guard lock(mutex_);
  auto filled = refill();
  if (filled) schedule();
  return filled;
}

Result<void> Alarms::refill() {
  horizon_ = INT64_MAX;
  return store_.scan(Family::index, keys::all_alarms(), [&](std::string_view key, std::string_view) {
    auto alarm = keys::parse_alarm(key);
    if (!alarm) return Visit::next;
    if (window_.size() >= kWindow) {
      horizon_ = alarm->at;
      return Visit::stop;
    }
    window_.emplace(alarm->at, std::move(alarm->session));
    return Visit::next;
  });
}

void Alarms::set(const SessionId& session, Time at) {
  const std::lock_guard lock(mutex_);
  if (at >= horizon_) return;
  window_.emplace(at, session);
  if (window_.size() > 2 * kWindow) {
    const auto last = std::prev(window_.end());
    horizon_ = last->first;
    window_.erase(window_.lower_bound(Entry{horizon_, {}}), window_.end());
  }
  schedule();
}

void Alarms::schedule() {
  const Time next = window_.empty() ? horizon_ : window_.begin()->first;
  if (next >= scheduled_) return;
  scheduled_ = next;
  timers_.at(next, [this] { ring_due(); });
}

void Alarms::ring_due() {
  std::vector<SessionId> due;
  {
    const std::lock_guard lock(mutex_);
    const Time now = clock_.now();
    scheduled_ = INT64_MAX;
    if (window_.empty() && horizon_ != INT64_MAX && !refill()) {
      // The store cannot read now: look again soon. The pipeline finds out for itself whether it is broken.
      scheduled_ = now + 1'000;
      timers_.at(scheduled_, [this] { ring_due(); });
      return;
    }
    while (!window_.empty() && window_.begin()->first <= now) {
      due.push_back(window_.begin()->second);
      window_.erase(window_.begin());
    }
    schedule();
  }
  for (const auto& session : due) ring_(session);
}

}  // namespace holdfast::shell
