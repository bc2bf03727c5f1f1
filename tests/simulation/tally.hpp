// Tally: how often rare things happened, and in how many seeds. A simulation that never reaches a branch proves nothing
// about it, so a run of many seeds fails when one that must happen never did.
//
// Everything is counted from outside: by what clients, workers, receivers and objects see, and by what is on disk
// afterwards.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <vector>

namespace holdfast::simulation {

enum class Rare : std::uint8_t {
  // crashes
  crash,
  crash_in_recovery,
  crash_unheard,
  crash_unanswered,
  crash_took_admission,
  crash_left_admission,
  crash_with_lease,
  crash_captured,
  crash_with_claim,
  crash_with_call,
  crash_with_mail_taken,
  crash_with_handler,
  // a store that fails
  write_kept,
  write_lost,
  write_refused,
  disk_full,
  read_failed,
  unknown_there,
  unknown_absent,
  unknown_replayed,
  unknown_fresh,
  // admission
  replay,
  replay_full,
  replay_mismatch,
  queue_full,
  busy,
  batch,
  batch_refused_late,
  overloaded,
  merged,
  replaced,
  interrupting,
  steered,
  checkpoint,
  deep_queue,
  edited,
  deleted,
  gone,
  // turns
  delivery,
  second_worker,
  completed_late,
  completed_again,
  completed_captured,
  returned,
  exhausted,
  leases_exhausted,
  expired,
  expired_head,
  lease_jumped,
  clock_back,
  interrupted,
  steer,
  steer_returned,
  redriven,
  cursor_expired,
  // memory
  evicted,
  eviction_waits,
  // the world outside
  push,
  push_accepted,
  push_rests,
  callback,
  callback_again,
  callback_given_up,
  // objects
  increment,
  object_threw,
  alarm,
  alarm_again,
  handler_ended,
  call_timed_out,
  call_answered,
  nap,
  payment,
  payment_given_up,
  letter,
  count_
};
inline constexpr auto kRare = static_cast<std::size_t>(Rare::count_);

class Tally {
 public:
  void saw(Rare what, std::uint64_t times = 1) noexcept { now_[static_cast<std::size_t>(what)] += times; }
  void end_seed() noexcept;
  void print(std::FILE* to) const;
  [[nodiscard]] std::vector<std::string_view> missing() const;  // that must happen, and never did

 private:
  std::array<std::uint64_t, kRare> now_{};  // of the seed that runs
  std::array<std::uint64_t, kRare> times_{};
  std::array<std::uint64_t, kRare> seeds_{};
};

}  // namespace holdfast::simulation
