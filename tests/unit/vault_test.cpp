#include "storage/vault.hpp"

#include <catch2/catch.hpp>

namespace holdfast {
namespace {

Key32 key_of(unsigned char byte) {
  Key32 key;
  key.fill(byte);
  return key;
}

const ObjectId kSession{"default", "s"};
const std::string kSecret = "ghp_a-token-that-must-not-be-seen";
const std::string kLabel("git\0token\xff", 10);  // labels are arbitrary bytes

struct Sealed {
  SystemRandom random;
  Vault vault{key_of(1)};
  std::string key = vault.make_session_key(kSession, random);
  std::string value = vault.seal_value(kSession, key, kLabel, kSecret, random).value();
};

}  // namespace

TEST_CASE("vault: a sealed value opens in its place") {
  crypto_start();
  Sealed s;
  CHECK(s.vault.open_value(kSession, s.key, kLabel, s.value).value() == kSecret);
  CHECK(s.vault.seal_value(kSession, s.key, "", "", s.random).has_value());
  const auto empty = s.vault.seal_value(kSession, s.key, "", "", s.random).value();
  CHECK(s.vault.open_value(kSession, s.key, "", empty).value().empty());
}

TEST_CASE("vault: a sealed value does not show the secret, and no two are the same") {
  crypto_start();
  Sealed s;
  CHECK(s.value.find(kSecret) == std::string::npos);
  CHECK(s.vault.seal_value(kSession, s.key, kLabel, kSecret, s.random).value() != s.value);
  CHECK(s.vault.make_session_key(kSession, s.random) != s.key);
}

TEST_CASE("vault: a sealed value opens nowhere else") {
  crypto_start();
  Sealed s;
  const ObjectId other{"default", "t"};
  const auto refused = [](const Result<std::string>& opened) {
    return !opened && opened.error().code == ErrorCode::internal &&
           opened.error().detail.find(kSecret) == std::string::npos;
  };
  CHECK(refused(s.vault.open_value(kSession, s.key, "other label", s.value)));
  CHECK(refused(s.vault.open_value(other, s.key, kLabel, s.value)));
  const auto key_of_other = s.vault.make_session_key(other, s.random);
  CHECK(refused(s.vault.open_value(kSession, key_of_other, kLabel, s.value)));
  CHECK(refused(s.vault.open_value(other, key_of_other, kLabel, s.value)));
  const auto next_key = s.vault.make_session_key(kSession, s.random);  // the old one is gone: crypto-shred
  CHECK(refused(s.vault.open_value(kSession, next_key, kLabel, s.value)));
  CHECK(refused(Vault(key_of(2)).open_value(kSession, s.key, kLabel, s.value)));
  CHECK(refused(Vault(key_of(2)).seal_value(kSession, s.key, kLabel, kSecret, s.random)));
  // A value is not a session key, and the other way round.
  CHECK(refused(s.vault.open_value(kSession, s.value, kLabel, s.value)));
  CHECK(refused(s.vault.open_value(kSession, s.key, kLabel, s.key)));
}

TEST_CASE("vault: any damaged byte is found") {
  crypto_start();
  Sealed s;
  for (std::size_t i = 0; i < s.value.size(); ++i) {
    std::string damaged = s.value;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    CHECK_FALSE(s.vault.open_value(kSession, s.key, kLabel, damaged));
  }
  for (std::size_t i = 0; i < s.key.size(); ++i) {
    std::string damaged = s.key;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    CHECK_FALSE(s.vault.open_value(kSession, damaged, kLabel, s.value));
  }
  CHECK_FALSE(s.vault.open_value(kSession, s.key, kLabel, ""));
  CHECK_FALSE(s.vault.open_value(kSession, "", kLabel, s.value));
}

TEST_CASE("vault: all keys of a session are in its range") {
  const Range range = Vault::session_range(kSession);
  const std::string key = Vault::session_key_key(kSession);
  CHECK(to_hex(key) == "530764656661756c7401736b");
  CHECK(to_hex(Vault::value_key(kSession, "git")) == "530764656661756c74017376676974");
  CHECK(range.from <= key);
  for (const std::string& label : {std::string(), kLabel, std::string(40, '\xff')}) {
    CHECK(key < Vault::value_key(kSession, label));
    CHECK(Vault::value_key(kSession, label) < range.to);
  }
  CHECK(Vault::session_key_key({"default", "t"}) >= range.to);
}

}  // namespace holdfast
