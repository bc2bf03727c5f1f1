// later: a time plus milliseconds that a caller chose. It stops at the end of Time instead of overflowing.
#pragma once

#include <holdfast/types.hpp>
#include <limits>

namespace holdfast::session {

[[nodiscard]] inline Time later(Time at, Time ms) noexcept {
  Time sum = 0;
  if (!__builtin_add_overflow(at, ms, &sum)) return sum;
  return ms < 0 ? std::numeric_limits<Time>::min() : std::numeric_limits<Time>::max();
}

}  // namespace holdfast::session
