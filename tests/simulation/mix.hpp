// Mix: what one seed does at all, how often, and how small its limits are.
//
// A world in which everything happens at its ordinary rate seldom sees two rare things meet. So most seeds draw a mix
// of their own (swarm testing; Groce et al., ISSTA 2012): some operations never happen, some happen all the time, and
// each limit is its ordinary one or tiny. One seed of four runs the ordinary mix.
#pragma once

#include <array>
#include <cstdint>
#include <holdfast/options.hpp>
#include <holdfast/types.hpp>
#include <string>
#include <vector>

#include "src/core/random.hpp"
#include "storage/memory_store.hpp"

namespace holdfast::simulation {

// A step. Its weight in the ordinary mix is in mix.cpp.
enum class Op : std::uint8_t {
  admit,
  admit_batch,
  retry,
  mismatch,
  edit,
  look,
  read_events,
  change_queue,
  interrupt,
  redrive,
  remove,
  claim,
  work,
  answer_call,
  increment,
  use_account,
  offload,
  commit,
  answers,
  one_actor,
  all_actors,
  clock,
  jump,
  sweep,
  fault,
  crash,
  crash_unheard,
  count_
};
inline constexpr auto kOps = static_cast<std::size_t>(Op::count_);

struct Mix {
  std::array<std::uint32_t, kOps> weights{};
  std::vector<MemoryStore::Fault> faults;  // that are injected
  std::vector<OnBusy> policies;            // that messages choose from
  Limits limits;
  std::uint64_t sessions = 4;
  std::uint64_t expiring = 8;  // one message of so many expires; 0: none
  std::uint64_t delayed = 8;   // ... is not to run before a moment
  std::uint64_t called = 4;    // ... asks for a callback
  bool pushed = true;          // the turns of one session are pushed
  bool disk_fills = true;      // and has space again
  std::int64_t tick_ms = 400;  // the clock goes on by less than this
  std::int64_t jump_ms = 10'000;

  [[nodiscard]] Op draw(Random& random) const;
  [[nodiscard]] std::string text() const;  // for the report of a failure
};

[[nodiscard]] Mix draw_mix(Random& random);

}  // namespace holdfast::simulation
