// HOLDFAST_CHECK(condition): an invariant that only a bug can break. Stays on in release; aborts with the place.
// Input is never checked with it: input gets a Result.
#pragma once

namespace holdfast {
[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;
}

#define HOLDFAST_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::holdfast::check_failed(#condition, __FILE__, __LINE__))
