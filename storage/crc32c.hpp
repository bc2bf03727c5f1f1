// CRC-32C (Castagnoli, RFC 3720 appendix B.4), eight bytes a step.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace holdfast {
namespace crc32c_detail {

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  constexpr std::uint32_t kPolynomialReflected = 0x82f63b78;
  Tables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ kPolynomialReflected : crc >> 1;
    tables[0][i] = crc;
  }
  for (std::size_t t = 1; t < 8; ++t) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::uint32_t before = tables[t - 1][i];
      tables[t][i] = before >> 8 ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

inline constexpr Tables kTables = make_tables();

}  // namespace crc32c_detail

// Of all of `data`, continuing after `before`, the crc of what came first.
[[nodiscard]] constexpr std::uint32_t crc32c(std::string_view data, std::uint32_t before = 0) noexcept {
  const auto& tables = crc32c_detail::kTables;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(data[i]); };
  std::uint32_t crc = ~before;
  while (data.size() >= 8) {
    crc ^= byte(0) | std::uint32_t{byte(1)} << 8 | std::uint32_t{byte(2)} << 16 | std::uint32_t{byte(3)} << 24;
    crc = tables[7][crc & 0xff] ^ tables[6][crc >> 8 & 0xff] ^ tables[5][crc >> 16 & 0xff] ^ tables[4][crc >> 24] ^
          tables[3][byte(4)] ^ tables[2][byte(5)] ^ tables[1][byte(6)] ^ tables[0][byte(7)];
    data.remove_prefix(8);
  }
  for (const char c : data) crc = crc >> 8 ^ tables[0][(crc ^ static_cast<std::uint8_t>(c)) & 0xff];
  return ~crc;
}

}  // namespace holdfast
