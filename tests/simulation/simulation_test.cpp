#define CATCH_CONFIG_EXTERNAL_INTERFACES  // the listener
#include <unistd.h>

#include <catch2/catch.hpp>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "src/core/crypto.hpp"
#include "tests/simulation/shrink.hpp"
#include "tests/simulation/world.hpp"

using holdfast::simulation::fewest_failing;
using holdfast::simulation::Tally;
using holdfast::simulation::World;

namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string command_for(std::uint64_t seed, int steps) {
  return "HOLDFAST_SIM_SEED=" + std::to_string(seed) + " HOLDFAST_SIM_STEPS=" + std::to_string(steps);
}

// The seed that runs now, and whether something was wrong with it: an assertion inside an actor or a handler is
// recorded, though its exception goes no further.
struct Now {
  std::uint64_t seed = 0;
  int steps = 0;
  bool failed = false;
};
Now g_now;

// Runs the seed again in processes of its own, since a failed HOLDFAST_CHECK ends the process.
bool fails_in_a_process(std::uint64_t seed, int steps) {
  char self[PATH_MAX] = {};
  if (::readlink("/proc/self/exe", self, sizeof self - 1) <= 0) return false;
  const auto command =
      "HOLDFAST_SIM_SHRINK=0 " + command_for(seed, steps) + " '" + std::string(self) + "' >/dev/null 2>&1";
  return std::system(command.c_str()) != 0;
}

class Shrinker final : public Catch::TestEventListenerBase {
 public:
  using TestEventListenerBase::TestEventListenerBase;
  bool assertionEnded(const Catch::AssertionStats& stats) override {
    if (!stats.assertionResult.isOk()) g_now.failed = true;
    return false;
  }
  void testCaseEnded(const Catch::TestCaseStats&) override {
    const auto [seed, steps, failed] = std::exchange(g_now, {});
    if (!failed || seed == 0 || from_environment("HOLDFAST_SIM_SHRINK", 1) == 0) return;
    std::printf("seed %llu fails; trying fewer steps than %d ...\n", static_cast<unsigned long long>(seed), steps);
    std::fflush(stdout);
    const int fewest = fewest_failing(steps, [seed = seed](int n) { return fails_in_a_process(seed, n); });
    std::printf("it needs %d steps: %s build/release/bin/simulation_tests\n", fewest,
                command_for(seed, fewest).c_str());
  }
};

}  // namespace
CATCH_REGISTER_LISTENER(Shrinker)

// HOLDFAST_SIM_SEED runs one seed, HOLDFAST_SIM_SEEDS that many from HOLDFAST_SIM_FIRST on; HOLDFAST_SIM_STEPS makes
// each longer or shorter.
TEST_CASE("the engine keeps its word under crashes, faults and interleavings") {
  holdfast::crypto_start();
  const auto one = from_environment("HOLDFAST_SIM_SEED", 0);
  const auto first = one != 0 ? one : from_environment("HOLDFAST_SIM_FIRST", 1);
  const auto seeds = one != 0 ? 1 : from_environment("HOLDFAST_SIM_SEEDS", 2'000);
  const auto steps = static_cast<int>(from_environment("HOLDFAST_SIM_STEPS", 300));
  Tally tally;
  for (auto seed = first; seed < first + seeds; ++seed) {
    g_now = {seed, steps, false};
    World(seed, steps, tally).run();
    if (g_now.failed) FAIL("seed " << seed << " failed; see above");
  }
  g_now = {};
  std::printf("%llu seeds from %llu on, %d steps each\n", static_cast<unsigned long long>(seeds),
              static_cast<unsigned long long>(first), steps);
  tally.print(stdout);
  // A mix that never reaches a branch proves nothing about it.
  if (constexpr std::uint64_t kMany = 2'000; seeds >= kMany && steps >= 300)
    for (const auto& name : tally.missing()) FAIL_CHECK("this never happened: " << name);
}

TEST_CASE("a failing run is shortened to the fewest steps that fail") {
  int asked = 0;
  const auto from = [&](int first) {
    return fewest_failing(300, [&, first](int steps) {
      ++asked;
      return steps >= first;
    });
  };
  CHECK(from(137) == 137);
  CHECK(from(300) == 300);
  CHECK(from(0) == 0);
  CHECK(asked < 30);
}
