// Checks of what a host fills in itself, through Engine or through an object's Context: what HTTP checks in a body and
// the engine relies on. The pointer of an error names the member, as in HTTP.
#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <holdfast/options.hpp>
#include <holdfast/types.hpp>

namespace holdfast::session {

inline constexpr std::uint8_t kPriorityMax = 9;
inline constexpr std::int64_t kTtlMsMax = std::int64_t{1} << 50;

// Errors of all: invalid_name, invalid_body, too_large.
[[nodiscard]] Result<void> check(const AdmitRequest& request, const Limits& limits);
[[nodiscard]] Result<void> check(const MessageEdit& edit, const Limits& limits);
[[nodiscard]] Result<void> check(const SessionSpec& spec, const Limits& limits);
[[nodiscard]] Result<void> check(const ClaimRequest& request, const Limits& limits);

}  // namespace holdfast::session
