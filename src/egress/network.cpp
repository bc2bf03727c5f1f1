#include "src/egress/network.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>

namespace holdfast::egress {
namespace {

using Address = std::array<std::uint8_t, 16>;
constexpr unsigned kV4Offset = 96;  // bits before the IPv4 address in a mapped one

Address mapped(const void* v4) {
  Address out{};
  out[10] = out[11] = 0xff;
  std::memcpy(&out[12], v4, 4);
  return out;
}

std::optional<Network> host(const std::string& text) {
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return Network{mapped(&v4), 128};
  in6_addr v6{};
  if (::inet_pton(AF_INET6, text.c_str(), &v6) != 1) return std::nullopt;
  Network network;
  std::memcpy(network.address.data(), &v6, network.address.size());
  return network;
}

bool is_v4(const Address& address) {
  constexpr Address kPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(address.begin(), address.begin() + kV4Offset / 8, kPrefix.begin());
}

bool within(const Address& address, const Network& network) {
  if (network.bits < kV4Offset && is_v4(address)) return false;  // "::/0" is all of IPv6, and nothing of IPv4
  const unsigned whole = network.bits / 8;
  if (!std::equal(address.begin(), address.begin() + whole, network.address.begin())) return false;
  const unsigned rest = network.bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return (address[whole] & mask) == (network.address[whole] & mask);
}

// Not globally routable: the special-purpose registries of IANA (RFC 6890 and its updates).
std::span<const Network> special() {
  static const auto kNetworks = [] {
    constexpr std::array kBlocks{
        "0.0.0.0/8",      "10.0.0.0/8",    "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24",   "192.0.2.0/24",  "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",  "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/4",   "240.0.0.0/4",    "::/128",         "::1/128",        "64:ff9b:1::/48",
        "100::/64",       "2001:db8::/32", "fc00::/7",       "fe80::/10",      "fec0::/10",      "ff00::/8"};
    std::array<Network, kBlocks.size()> networks;
    for (std::size_t i = 0; i < kBlocks.size(); ++i) networks[i] = *parse_network(kBlocks[i]);
    return networks;
  }();
  return kNetworks;
}

// IPv4 that travels inside IPv6: translated, 6to4, Teredo (whose address is inverted), compatible.
std::optional<Address> embedded(const Address& a) {
  static const auto kTranslated = *parse_network("64:ff9b::/96");
  static const auto k6to4 = *parse_network("2002::/16");
  static const auto kTeredo = *parse_network("2001::/32");
  static const auto kCompatible = *parse_network("::/96");
  if (within(a, kTranslated) || within(a, kCompatible)) return mapped(&a[12]);
  if (within(a, k6to4)) return mapped(&a[2]);
  if (within(a, kTeredo)) {
    std::array<std::uint8_t, 4> v4{};
    std::transform(a.begin() + 12, a.end(), v4.begin(), [](std::uint8_t b) { return static_cast<std::uint8_t>(~b); });
    return mapped(v4.data());
  }
  return std::nullopt;
}

bool in_any(const Address& address, std::span<const Network> networks) {
  return std::any_of(networks.begin(), networks.end(), [&](const auto& n) { return within(address, n); });
}

}  // namespace

Result<Network> parse_network(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorCode::invalid_request,
                "\"" + std::string(text) + "\" is no network: write it as 10.0.0.0/8, 127.0.0.1 or fd00::/8");
  };
  const auto slash = text.find('/');
  if (text.find('\0') != std::string_view::npos) return wrong();
  auto network = host(std::string(text.substr(0, slash)));
  if (!network) return wrong();
  if (slash == std::string_view::npos) return *network;
  const bool v4 = text.substr(0, slash).find(':') == std::string_view::npos;
  const auto digits = text.substr(slash + 1);
  unsigned bits = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (digits.empty() || parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size() ||
      bits > (v4 ? 32 : 128))
    return wrong();
  network->bits = v4 ? kV4Offset + bits : bits;
  return *network;
}

bool permitted(const sockaddr& address, std::span<const Network> allow) {
  Address a{};
  if (address.sa_family == AF_INET) {
    a = mapped(&reinterpret_cast<const sockaddr_in&>(address).sin_addr);
  } else if (address.sa_family == AF_INET6) {
    std::memcpy(a.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, a.size());
  } else {
    return false;
  }
  if (in_any(a, allow)) return true;
  if (in_any(a, special())) return false;
  const auto inner = embedded(a);
  return !inner || in_any(*inner, allow) || !in_any(*inner, special());
}

}  // namespace holdfast::egress
