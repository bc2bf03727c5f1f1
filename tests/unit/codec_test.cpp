#include "storage/codec.hpp"

#include <rapidcheck.h>
#include <catch2/catch.hpp>
#include <limits>
#include <vector>

#include "src/core/crypto.hpp"

namespace holdfast {
namespace {

std::string varint(std::uint64_t value) {
  std::string out;
  Encoder(out).varint(value);
  return out;
}

}  // namespace

TEST_CASE("codec: golden bytes") {
  CHECK(to_hex(varint(0)) == "00");
  CHECK(to_hex(varint(127)) == "7f");
  CHECK(to_hex(varint(128)) == "8001");
  CHECK(to_hex(varint(300)) == "ac02");
  CHECK(to_hex(varint(std::numeric_limits<std::uint64_t>::max())) == "ffffffffffffffffff01");
  std::string out;
  Encoder encoder(out);
  encoder.u8(255);
  encoder.bytes("ab");
  encoder.bytes("");
  CHECK(to_hex(out) == "ff02616200");
}

TEST_CASE("codec: what was written is read back, and a shorter text never is") {
  const bool held = rc::check([](std::uint8_t byte, std::uint64_t number, const std::string& bytes) {
    std::string out;
    Encoder encoder(out);
    encoder.u8(byte);
    encoder.varint(number);
    encoder.bytes(bytes);
    const auto read = [&](std::string_view text) {
      Decoder in(text);
      const bool same = in.u8() == byte && in.varint() == number && in.text() == bytes;
      return in.done() && same;
    };
    RC_ASSERT(read(out));
    RC_ASSERT(!read(out + "x"));
    for (std::size_t n = 0; n < out.size(); ++n) {
      Decoder in(std::string_view(out).substr(0, n));
      in.u8();
      in.varint();
      in.bytes();
      RC_ASSERT(!in.ok());
      RC_ASSERT(!in.done());
    }
  });
  CHECK(held);
}

TEST_CASE("codec: a varint over 64 bits is bad") {
  const auto ok = [](std::string_view text) {
    Decoder in(text);
    in.varint();
    return in.ok();
  };
  CHECK(ok(std::string(9, '\xff') + '\x01'));
  CHECK_FALSE(ok(std::string(9, '\xff') + '\x02'));
  CHECK_FALSE(ok(std::string(10, '\xff') + '\x01'));
  CHECK_FALSE(ok(std::string(3, '\x80')));
}

TEST_CASE("codec: after a bad read everything is zero and empty") {
  Decoder in(
      "\x05"
      "ab");
  CHECK(in.bytes().empty());
  CHECK_FALSE(in.ok());
  CHECK(in.u8() == 0);
  CHECK(in.varint() == 0);
  CHECK(in.text().empty());
  CHECK_FALSE(in.done());
}

}  // namespace holdfast
