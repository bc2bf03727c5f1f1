#include "src/core/clock.hpp"

#include <chrono>

namespace holdfast {

Time SystemClock::now() const noexcept {
  using std::chrono::duration_cast;
  return duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace holdfast
