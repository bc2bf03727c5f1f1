#include "actors/shell/lane.hpp"

#include <memory>

namespace holdfast::shell {
namespace {

// How many messages an actor takes before another one's turn on the same lane.
constexpr std::size_t kThroughput = 64;

thread_local int t_no_lane = 0;

struct Slot {
  std::uint64_t engine = 0;
  std::unique_ptr<Lane> lane;
};
thread_local Slot t_slot;

}  // namespace

Lane::Lane(caf::actor_system& system) : caf::execution_unit(&system) {}

Lane::~Lane() = default;

void Lane::exec_later(caf::resumable* ready) { ready_.push_back(ready); }

void Lane::drain() {
  if (phase_ == Phase::draining) return;
  phase_ = Phase::draining;
  while (!ready_.empty()) {
    auto* actor = ready_.front();
    ready_.pop_front();
    if (actor->resume(this, kThroughput) == caf::resumable::resume_later) ready_.push_back(actor);
    else caf::intrusive_ptr_release(actor);
  }
  phase_ = Phase::idle;
}

Lane* Lane::current(caf::actor_system& system, std::uint64_t engine) {
  if (t_no_lane > 0) return nullptr;
  if (t_slot.engine != engine) {
    // A thread that works for two engines at once keeps the lane it is inside of and uses workers for the other.
    if (t_slot.lane && t_slot.lane->phase_ == Phase::draining) return nullptr;
    t_slot = {engine, std::make_unique<Lane>(system)};
  }
  return t_slot.lane.get();
}

NoLane::NoLane() noexcept { ++t_no_lane; }
NoLane::~NoLane() { --t_no_lane; }

}  // namespace holdfast::shell
