// As much of a reason as a WebSocket's close frame holds, without half a character at its end.
#pragma once

#include <cstddef>
#include <string_view>

namespace holdfast::http {

[[nodiscard]] inline std::string_view reason_in_frame(std::string_view reason) noexcept {
  constexpr std::size_t kBytesMax = 123;
  if (reason.size() <= kBytesMax) return reason;
  std::size_t end = kBytesMax;
  while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xc0) == 0x80) --end;
  return reason.substr(0, end);
}

}  // namespace holdfast::http
