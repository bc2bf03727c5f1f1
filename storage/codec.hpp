// Codec: how values are written. Varints (LEB128), length-prefixed bytes, a format byte first in every value.
// What an Encoder wrote, a Decoder verifies: it never reads past the end, and done() is true only when every byte was
// read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}
  void u8(std::uint8_t v) { out_ += static_cast<char>(v); }
  void varint(std::uint64_t v) {
    char digits[10];
    std::size_t n = 0;
    for (; v >= 0x80; v >>= 7) digits[n++] = static_cast<char>(v | 0x80);
    digits[n++] = static_cast<char>(v);
    out_.append(digits, n);
  }
  void bytes(std::string_view v) {
    varint(v.size());
    out_ += v;
  }

 private:
  std::string& out_;
};

// After the first bad read every read returns zero or empty, and ok() stays false.
class Decoder {
 public:
  explicit Decoder(std::string_view in) : in_(in) {}
  std::uint8_t u8() noexcept {
    if (in_.empty()) return bad(), 0;
    const auto v = static_cast<std::uint8_t>(in_.front());
    in_.remove_prefix(1);
    return v;
  }
  std::uint64_t varint() noexcept {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t b = u8();
      if (!ok_) return 0;
      if (shift == 63 && b > 1) return bad(), 0;
      v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) return v;
    }
    return bad(), 0;
  }
  std::string_view bytes() noexcept {
    const std::uint64_t n = varint();
    if (n > in_.size()) return bad(), std::string_view{};
    const auto v = in_.substr(0, n);
    in_.remove_prefix(n);
    return v;
  }
  std::string text() { return std::string(bytes()); }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool done() const noexcept { return ok_ && in_.empty(); }

 private:
  void bad() noexcept {
    ok_ = false;
    in_ = {};
  }
  std::string_view in_;
  bool ok_ = true;
};

}  // namespace holdfast
