// Network: which addresses outgoing calls may reach. All that is not globally routable is refused unless allowed.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <holdfast/error.hpp>
#include <span>
#include <string_view>

namespace holdfast::egress {

// A CIDR block. IPv4 is held as IPv4-mapped IPv6.
struct Network {
  std::array<std::uint8_t, 16> address{};
  unsigned bits = 128;
};

// "10.0.0.0/8", "127.0.0.1", "::1/128". Errors: invalid_request.
[[nodiscard]] Result<Network> parse_network(std::string_view text);
[[nodiscard]] bool permitted(const sockaddr& address, std::span<const Network> allow);

}  // namespace holdfast::egress
