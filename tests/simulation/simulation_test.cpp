#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

#include "src/core/crypto.hpp"
#include "tests/simulation/world.hpp"

using holdfast::simulation::Coverage;
using holdfast::simulation::World;

namespace {
std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}
}  // namespace

// HOLDFAST_SIM_SEED runs one seed, HOLDFAST_SIM_SEEDS that many, HOLDFAST_SIM_STEPS makes each longer.
TEST_CASE("the engine keeps its word under crashes, faults and interleavings") {
  holdfast::crypto_start();
  const auto one = from_environment("HOLDFAST_SIM_SEED", 0);
  const auto seeds = one != 0 ? 1 : from_environment("HOLDFAST_SIM_SEEDS", 1'000);
  const auto steps = static_cast<int>(from_environment("HOLDFAST_SIM_STEPS", 300));
  Coverage coverage;
  for (std::uint64_t i = 0; i < seeds; ++i) World(one != 0 ? one : i + 1, coverage).run(steps);
  std::printf(
      "%llu seeds: %llu crashes, %llu faults, %llu replays, %llu batches, %llu refusals, %llu deliveries, "
      "%llu merged, %llu replaced, %llu expired (seen), %llu evictions, %llu interrupts, "
      "%llu steers, %llu redrives, %llu pushes, %llu accepted, %llu callbacks, %llu given up, %llu increments, %llu "
      "thrown, %llu rings (seen), %llu payments, %llu of them given up, %llu asked, %llu naps, %llu letters, %llu "
      "changes of the space, %llu refused batches\n",
      static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(coverage.crashes),
      static_cast<unsigned long long>(coverage.faults), static_cast<unsigned long long>(coverage.replays),
      static_cast<unsigned long long>(coverage.batches), static_cast<unsigned long long>(coverage.refusals),
      static_cast<unsigned long long>(coverage.deliveries), static_cast<unsigned long long>(coverage.merged),
      static_cast<unsigned long long>(coverage.replaced), static_cast<unsigned long long>(coverage.expiries),
      static_cast<unsigned long long>(coverage.evictions), static_cast<unsigned long long>(coverage.interrupts),
      static_cast<unsigned long long>(coverage.steers), static_cast<unsigned long long>(coverage.redrives),
      static_cast<unsigned long long>(coverage.pushes), static_cast<unsigned long long>(coverage.accepted),
      static_cast<unsigned long long>(coverage.callbacks), static_cast<unsigned long long>(coverage.callbacks_given_up),
      static_cast<unsigned long long>(coverage.increments), static_cast<unsigned long long>(coverage.thrown),
      static_cast<unsigned long long>(coverage.rings), static_cast<unsigned long long>(coverage.payments),
      static_cast<unsigned long long>(coverage.payments_given_up), static_cast<unsigned long long>(coverage.asked),
      static_cast<unsigned long long>(coverage.naps), static_cast<unsigned long long>(coverage.letters),
      static_cast<unsigned long long>(coverage.full_disks), static_cast<unsigned long long>(coverage.epochs));
  if (seeds >= 100) {  // a mix that never reaches a branch proves nothing about it
    CHECK(coverage.crashes > 0);
    CHECK(coverage.faults > 0);
    CHECK(coverage.replays > 0);
    CHECK(coverage.refusals > 0);
    CHECK(coverage.deliveries > 0);
    CHECK(coverage.merged > 0);
    CHECK(coverage.replaced > 0);
    CHECK(coverage.expiries > 0);
    CHECK(coverage.evictions > 0);
    CHECK(coverage.interrupts > 0);
    CHECK(coverage.steers > 0);
    CHECK(coverage.redrives > 0);
    CHECK(coverage.pushes > 0);
    CHECK(coverage.accepted > 0);
    CHECK(coverage.callbacks > 0);
    CHECK(coverage.callbacks_given_up > 0);
    CHECK(coverage.increments > 0);
    CHECK(coverage.thrown > 0);
    CHECK(coverage.rings > 0);
    CHECK(coverage.payments > 0);
    CHECK(coverage.payments_given_up > 0);
    CHECK(coverage.asked > 0);
    CHECK(coverage.naps > 0);
    CHECK(coverage.letters > 0);
    CHECK(coverage.full_disks > 0);
    CHECK(coverage.epochs > 0);
  }
}
