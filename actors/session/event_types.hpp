// Whether an event may be of this type: one word of printable ASCII, since it stands on a line of its own in SSE and
// between commas in ?types=.
#pragma once

#include <algorithm>
#include <string_view>

namespace holdfast::session {

[[nodiscard]] inline bool valid_event_type(std::string_view type) noexcept {
  return !type.empty() && std::all_of(type.begin(), type.end(), [](char c) { return c > ' ' && c <= '~' && c != ','; });
}

}  // namespace holdfast::session
