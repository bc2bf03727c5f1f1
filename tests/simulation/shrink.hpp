// A seed that failed, with fewer steps: the first steps of a seed are the same however many follow, so what goes wrong
// at step n goes wrong in a run of n steps too.
#pragma once

#include <cstdint>
#include <functional>

namespace holdfast::simulation {

// The fewest steps with which `fails` said yes, of a run that fails with `steps`. By halving: if a shorter run passes
// and a still shorter one fails, that one may be missed.
[[nodiscard]] inline int fewest_failing(int steps, const std::function<bool(int)>& fails) {
  int passes = -1;
  while (steps - passes > 1) {
    const int half = passes + (steps - passes) / 2;
    (fails(half) ? steps : passes) = half;
  }
  return steps;
}

}  // namespace holdfast::simulation
