// Names and minted ids: their shape, their order, and what is refused.
#include "src/core/ids.hpp"

#include <rapidcheck.h>
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace holdfast {
namespace {

constexpr Time kNow = 1'767'323'045'678;  // 0x019b7ca98f2e
constexpr std::uint64_t kPositionMax = (std::uint64_t{1} << 40) - 1;

// Every byte the same, so that the bits of a minted id can be told apart.
class SameByte final : public Random {
 public:
  explicit SameByte(std::byte byte) noexcept : byte_(byte) {}
  void fill(std::span<std::byte> out) override { std::fill(out.begin(), out.end(), byte_); }

 private:
  std::byte byte_;
};

bool lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

TEST_CASE("ids: what a name is", "[ids]") {
  for (const std::string name : {"a", "Z", "0", "chat-1", "a.b_c~d:e-f", "0.", "A~"}) {
    CAPTURE(name);
    CHECK(valid_name(name));
  }
  for (const std::string name :
       {"",    ".",   "-a",  "_a",       "~a",        ":a",    " a",  "a ", "a b", "a/b", "a\\b", "a%20",
        "a,b", "a\n", "a\"", "\xc3\xa4", "a\xc3\xa4", "a\x7f", "a@b", "[a", "a{",  "a`",  "a?",   "a#"}) {
    CAPTURE(name);
    CHECK_FALSE(valid_name(name));
  }
  CHECK(valid_name(std::string(128, 'x')));
  CHECK_FALSE(valid_name(std::string(129, 'x')));
  CHECK_FALSE(valid_name(std::string_view("a\0", 2)));
  // Every byte, at the start and after it.
  const std::string alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (int byte = 0; byte < 256; ++byte) {
    const auto c = static_cast<char>(byte);
    CAPTURE(byte);
    CHECK(valid_name(std::string(1, c)) == (alphanumeric.find(c) != std::string::npos));
    CHECK(valid_name(std::string("a") + c) == ((alphanumeric + "._~:-").find(c) != std::string::npos));
  }
}

TEST_CASE("ids: a session id is parsed once, and compares by both parts", "[ids]") {
  const auto id = ObjectId::parse("p", "chat-1");
  REQUIRE(id.has_value());
  CHECK(id->project == "p");
  CHECK(id->name == "chat-1");
  const auto refused = ObjectId::parse("p", "chat 1");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::invalid_name);
  CHECK_FALSE(refused.error().detail.empty());

  CHECK(ObjectId{"a", "b"} == ObjectId{"a", "b"});
  CHECK(ObjectId{"a", "b"} != ObjectId{"a", "c"});
  CHECK(ObjectId{"a", "z"} < ObjectId{"b", "a"});
  const std::unordered_set<ObjectId> set{{"a", "b"}, {"b", "a"}, {"a", "b"}};
  CHECK(set.size() == 2);
  CHECK(valid_name(kDefaultProject));
}

TEST_CASE("ids: a minted id is its prefix and a UUIDv7", "[ids]") {
  SameByte ones(std::byte{0xff});
  SameByte zeros(std::byte{0});
  CHECK(mint_id("dlv_", kNow, zeros) == "dlv_019b7ca98f2e70008000000000000000");
  CHECK(mint_id("dlv_", kNow, ones) == "dlv_019b7ca98f2e7fffbfffffffffffffff");
  CHECK(mint_id("", 0, zeros) == "00000000000070008000000000000000");
  CHECK(mint_message_id(kNow, 0, zeros) == "msg_019b7ca98f2e70008000000000000000");
  CHECK(mint_message_id(kNow, 1, zeros) == "msg_019b7ca98f2e70008000000000400000");
  CHECK(mint_message_id(kNow, 0, ones) == "msg_019b7ca98f2e7fff80000000003fffff");
  CHECK(mint_message_id(kNow, kPositionMax, zeros) == "msg_019b7ca98f2e7000bfffffffffc00000");

  const bool held = rc::check([](std::uint64_t seed) {
    const auto now = *rc::gen::inRange<Time>(0, Time{1} << 48);
    SeededRandom random(seed);
    const auto id = mint_id("ses_", now, random);
    RC_ASSERT(id.size() == 36U);
    RC_ASSERT(id.starts_with("ses_"));
    const auto hex = id.substr(4);
    RC_ASSERT(lower_hex(hex));
    RC_ASSERT(std::stoll(hex.substr(0, 12), nullptr, 16) == now);
    RC_ASSERT(hex[12] == '7');
    RC_ASSERT(std::string_view("89ab").find(hex[16]) != std::string_view::npos);
    RC_ASSERT(valid_name(id));
  });
  CHECK(held);
}

TEST_CASE("ids: minted ids sort by time, and do not repeat within a millisecond", "[ids]") {
  SeededRandom random(7);
  std::string before;
  for (Time now = kNow; now < kNow + 2'000; now += 1 + now % 3) {
    const auto id = mint_id("msg_", now, random);
    CHECK(before < id);
    before = id;
  }
  std::set<std::string> ids;
  for (int i = 0; i < 10'000; ++i) ids.insert(mint_id("msg_", kNow, random));
  for (int i = 0; i < 10'000; ++i) ids.insert(mint_message_id(kNow, 5, random));
  CHECK(ids.size() == 20'000);
}

TEST_CASE("ids: a minted message id carries its position", "[ids]") {
  SystemRandom random;
  for (const std::uint64_t position : {std::uint64_t{0}, std::uint64_t{1}, kPositionMax - 1, kPositionMax})
    CHECK(position_in(mint_message_id(kNow, position, random)) == position);
  const bool held = rc::check([&](std::uint64_t bits) {
    const auto position = bits & kPositionMax;
    const auto id = mint_message_id(*rc::gen::inRange<Time>(0, Time{1} << 48), position, random);
    RC_ASSERT(position_in(id) == position);
    RC_ASSERT(valid_name(id));
  });
  CHECK(held);
}

TEST_CASE("ids: what is not of a minted message's form has no position", "[ids]") {
  SeededRandom random(1);
  const auto good = mint_message_id(kNow, 42, random);
  REQUIRE(position_in(good) == 42U);
  const auto changed = [&](std::size_t at, char c) {
    auto id = good;
    id[at] = c;
    return id;
  };
  const std::vector<std::string> bad{
      "",
      "msg_",
      good + "0",
      good.substr(0, 35),
      "ses_" + good.substr(4),
      "MSG_" + good.substr(4),
      changed(4 + 12, '4'),  // another version
      changed(4 + 16, '0'),
      changed(4 + 16, 'c'),  // another variant
      changed(4, 'g'),
      changed(35, 'A'),
      changed(20, '-'),  // no digits
      changed(4, ' '),
      changed(35, '\0'),
      changed(10, '+'),
  };
  for (const auto& id : bad) {
    CAPTURE(id);
    CHECK_FALSE(position_in(id).has_value());
  }
}

}  // namespace holdfast
