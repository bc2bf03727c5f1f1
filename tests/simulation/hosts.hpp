// What a host's objects do in the simulation: they count, throw, set alarms, pay each other, ask each other, sleep and
// write to a session. What they hold in memory must be what is stored.
#pragma once

#include <cstdint>
#include <holdfast/options.hpp>
#include <map>
#include <string>
#include <string_view>

#include "tests/simulation/tally.hpp"

namespace holdfast::simulation {

inline constexpr std::string_view kLedger = "ledger";  // a session that is paused for ever
inline constexpr std::uint64_t kAccounts = 4;          // and one that takes nothing
[[nodiscard]] ObjectName account(std::uint64_t n);

// What the objects of one world tell of. It outlives them, as the world outlives its engines.
struct Witness {
  explicit Witness(Tally& t) : tally(t) {}
  Tally& tally;
  std::map<std::string, int> alarms_thrown;  // in a row, by counter
  bool dying = false;                        // an engine is taken down right now, as a crash does it
};

void register_hosts(Options& options, Witness& witness);

}  // namespace holdfast::simulation
