#include "src/core/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace holdfast {

void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "holdfast: invariant broken: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace holdfast
