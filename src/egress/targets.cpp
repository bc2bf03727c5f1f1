#include "src/egress/targets.hpp"

#include <algorithm>

#include "src/core/check.hpp"

namespace holdfast::egress {

Targets::Verdict Targets::enter(const std::string& origin, Time now) {
  // Those that failed are remembered, but not without end.
  constexpr std::size_t kRememberedMax = 10'000;
  if (targets_.size() >= kRememberedMax)
    std::erase_if(targets_, [](const auto& target) { return target.second.in_flight == 0; });
  auto& target = targets_[origin];
  if (target.open_until > now) return {Door::broken, target.open_until};
  // After its rest a target gets one call; the others wait for what it says.
  const std::uint64_t room = target.failures >= settings_.failures_max ? 1 : settings_.concurrency;
  if (target.in_flight >= room) return {Door::busy, 0};
  ++target.in_flight;
  return {Door::open, 0};
}

void Targets::leave(const std::string& origin, bool reached, Time now) {
  const auto found = targets_.find(origin);
  HOLDFAST_CHECK(found != targets_.end() && found->second.in_flight > 0);
  auto& target = found->second;
  --target.in_flight;
  target.failures = reached ? 0 : target.failures + 1;
  target.open_until = target.failures >= settings_.failures_max ? now + settings_.open_ms : 0;
  forget_if_idle(found);
}

void Targets::cancel(const std::string& origin) {
  const auto found = targets_.find(origin);
  HOLDFAST_CHECK(found != targets_.end() && found->second.in_flight > 0);
  --found->second.in_flight;
  forget_if_idle(found);
}

void Targets::forget_if_idle(std::map<std::string, Target>::iterator target) {
  if (target->second.in_flight == 0 && target->second.failures == 0) targets_.erase(target);
}

std::size_t Targets::broken(Time now) const {
  return static_cast<std::size_t>(
      std::count_if(targets_.begin(), targets_.end(), [now](const auto& t) { return t.second.open_until > now; }));
}

std::size_t Targets::in_flight() const {
  std::size_t sum = 0;
  for (const auto& [origin, target] : targets_) sum += target.in_flight;
  return sum;
}

}  // namespace holdfast::egress
