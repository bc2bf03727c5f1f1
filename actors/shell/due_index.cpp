#include "actors/shell/due_index.hpp"

#include <vector>

#include "storage/keys.hpp"

namespace holdfast::shell {

Result<void> DueIndex::start() {
  const std::lock_guard lock(mutex_);
  auto filled = refill();
  if (filled) schedule();
  return filled;
}

Result<void> DueIndex::refill() {
  Time horizon = INT64_MAX;
  auto scanned = store_.scan(Family::index, range_, [&](std::string_view key, std::string_view) {
    if (window_.size() >= kWindow) {
      horizon = keys::due_at(key);
      return Visit::stop;
    }
    window_.emplace(key);
    return Visit::next;
  });
  if (scanned) horizon_ = horizon;
  return scanned;
}

std::size_t DueIndex::held() const {
  const std::lock_guard lock(mutex_);
  return window_.size();
}

void DueIndex::set(std::string key) {
  const std::lock_guard lock(mutex_);
  if (keys::due_at(key) >= horizon_) return;
  window_.insert(std::move(key));
  if (window_.size() > 2 * kWindow) {
    // All that are due at the same time as the last one go with it: the horizon is a time.
    horizon_ = keys::due_at(*window_.rbegin());
    while (!window_.empty() && keys::due_at(*window_.rbegin()) >= horizon_) window_.erase(std::prev(window_.end()));
  }
  schedule();
}

void DueIndex::schedule() { schedule(window_.empty() ? horizon_ : keys::due_at(*window_.begin())); }

void DueIndex::schedule(Time at) {
  if (at >= scheduled_) return;
  scheduled_ = at;
  timers_.at(at, [this] { ring_due(); });
}

void DueIndex::ring_due() {
  std::vector<std::string> due;
  {
    const std::lock_guard lock(mutex_);
    const Time now = clock_.now();
    scheduled_ = INT64_MAX;
    // A store that cannot read now is looked at again soon. The pipeline finds out for itself whether it is broken.
    if (window_.empty() && horizon_ != INT64_MAX && !refill()) return schedule(now + kAgainMs);
    while (!window_.empty() && keys::due_at(*window_.begin()) <= now)
      due.push_back(std::move(window_.extract(window_.begin()).value()));
    schedule();
  }
  std::size_t rung = 0;
  while (rung < due.size() && ring_(due[rung])) ++rung;
  if (rung == due.size()) return;
  const std::lock_guard lock(mutex_);
  for (; rung < due.size(); ++rung) window_.insert(std::move(due[rung]));
  schedule(clock_.now() + kAgainMs);
}

}  // namespace holdfast::shell
