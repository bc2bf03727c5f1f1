// Clock: the only source of time below the edge. Kernels take a Time and never a Clock.
#pragma once

#include <holdfast/types.hpp>

namespace holdfast {

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Time now() const noexcept = 0;  // wall clock, ms since the epoch; may jump
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Time now() const noexcept override;
};

}  // namespace holdfast
