// Hashing, sealing and signing against the published vectors, and every way to tamper.
#include "src/core/crypto.hpp"

#include <rapidcheck.h>
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace holdfast {
namespace {

std::string raw(std::string_view hex) {
  const auto bytes = from_hex(hex);
  REQUIRE(bytes.has_value());
  return *bytes;
}

Key32 key_of(std::string_view hex) {
  const auto bytes = raw(hex);
  Key32 key{};
  REQUIRE(bytes.size() == key.size());
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

std::string text_of(const Key32& key) { return {key.begin(), key.end()}; }

// Hands out these bytes, once.
class Prepared final : public Random {
 public:
  explicit Prepared(std::string bytes) : bytes_(std::move(bytes)) {}
  void fill(std::span<std::byte> out) override {
    REQUIRE(out.size() <= bytes_.size());
    std::transform(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(out.size()), out.begin(),
                   [](char c) { return static_cast<std::byte>(c); });
    bytes_.erase(0, out.size());
  }

 private:
  std::string bytes_;
};

class Folder {
 public:
  Folder() {
    std::string form = (std::filesystem::temp_directory_path() / "holdfast-crypto-XXXXXX").string();
    REQUIRE(::mkdtemp(form.data()) != nullptr);
    path_ = form;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::ptrdiff_t files() const {
    return std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator());
  }

 private:
  std::filesystem::path path_;
};

const bool kStarted = (crypto_start(), true);

}  // namespace

TEST_CASE("crypto: it may be started again, from any thread", "[crypto]") {
  REQUIRE(kStarted);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([] { crypto_start(); });
  for (auto& thread : threads) thread.join();
}

TEST_CASE("crypto: SHA-256 as in FIPS 180-4", "[crypto]") {
  CHECK(to_hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(to_hex(sha256(std::string(1'000'000, 'a'))) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK(sha256(std::string_view("a\0b", 3)) != sha256("a"));
}

TEST_CASE("crypto: SHA-256 from several threads", "[crypto]") {
  const auto expected = sha256("abc");
  std::vector<std::thread> threads;
  std::vector<int> right(4, 0);
  for (auto& count : right) {
    threads.emplace_back([&count, &expected] {
      for (int i = 0; i < 200; ++i) count += sha256("abc") == expected ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(right == std::vector<int>(4, 200));
}

TEST_CASE("crypto: hexadecimal", "[crypto]") {
  CHECK(to_hex("") == "");
  CHECK(to_hex(std::string_view("\x00\x01\x7f\x80\xff", 5)) == "00017f80ff");
  CHECK(from_hex("") == "");
  CHECK(from_hex("00017F80ff") == std::string("\x00\x01\x7f\x80\xff", 5));
  for (const std::string text : {"0", "000", "0g", "g0", " 00", "00 ", "0 0", "0x00", "00:00", "-1"}) {
    CAPTURE(text);
    CHECK_FALSE(from_hex(text).has_value());
  }
  CHECK_FALSE(from_hex(std::string_view("0\0", 2)).has_value());
  const bool held = rc::check([](const std::string& bytes) { RC_ASSERT(from_hex(to_hex(bytes)) == bytes); });
  CHECK(held);
}

TEST_CASE("crypto: base64url as in RFC 4648, without padding", "[crypto]") {
  const std::vector<std::pair<std::string, std::string>> vectors{
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"}};
  for (const auto& [bytes, text] : vectors) {
    CHECK(to_base64url(bytes) == text);
    CHECK(from_base64url(text) == bytes);
  }
  for (const std::string text : {"Z", "Zm9vY", "Zg==", "Zg=", "Zm8=", "+__-", "-/_-", "Zm 8", "Zm8 ", " Zm8", "Zm\n8",
                                 "Zh", "Zm9", "\xc3\xa4"}) {
    CAPTURE(text);
    CHECK_FALSE(from_base64url(text).has_value());
  }
  CHECK_FALSE(from_base64url(std::string_view("Zg\0", 3)).has_value());
  const bool held = rc::check([](const std::string& bytes) {
    const auto text = to_base64url(bytes);
    RC_ASSERT(text.find_first_of("+/=") == std::string::npos);
    RC_ASSERT(from_base64url(text) == bytes);
  });
  CHECK(held);
}

TEST_CASE("crypto: comparison looks at length and every byte", "[crypto]") {
  CHECK(equal_constant_time("", ""));
  CHECK(equal_constant_time({}, ""));
  CHECK(equal_constant_time("abc", "abc"));
  CHECK_FALSE(equal_constant_time("abc", "abd"));
  CHECK_FALSE(equal_constant_time("abc", "xbc"));
  CHECK_FALSE(equal_constant_time("abc", "ab"));
  CHECK_FALSE(equal_constant_time("", "a"));
  CHECK_FALSE(equal_constant_time(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

TEST_CASE("crypto: derived keys differ by id, context and master", "[crypto]") {
  const Key32 master = key_of("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  const auto one = derive_key(master, 1, "holdfast");
  CHECK(derive_key(master, 1, "holdfast") == one);
  CHECK(derive_key(master, 2, "holdfast") != one);
  CHECK(derive_key(master, 1, "otherctx") != one);
  CHECK(derive_key(Key32{}, 1, "holdfast") != one);
  CHECK(one != master);
}

TEST_CASE("crypto: a value is sealed as in draft-irtf-cfrg-xchacha, appendix A.3", "[crypto]") {
  const auto key = key_of("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  const auto nonce = raw("404142434445464748494a4b4c4d4e4f5051525354555657");
  const auto bound_to = raw("50515253c0c1c2c3c4c5c6c7");
  const std::string plain =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be "
      "it.";
  Prepared random(nonce);
  const auto sealed = seal(key, plain, bound_to, random);
  CHECK(to_hex(sealed) == to_hex(nonce) +
                              "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f"
                              "4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f"
                              "76b2383565d3fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49");
  CHECK(unseal(key, sealed, bound_to) == plain);
}

TEST_CASE("crypto: what was sealed is opened, and only as it was sealed", "[crypto]") {
  SystemRandom random;
  Key32 key{};
  random.fill(std::as_writable_bytes(std::span(key)));
  const bool held = rc::check([&](const std::string& plain, const std::string& place) {
    const auto sealed = seal(key, plain, place, random);
    RC_ASSERT(sealed.size() == plain.size() + 24 + 16);
    RC_ASSERT(unseal(key, sealed, place) == plain);
    RC_ASSERT(!unseal(key, sealed, place + "x").has_value());
    RC_ASSERT(!unseal(Key32{}, sealed, place).has_value());
    RC_ASSERT(!unseal(key, sealed + '\0', place).has_value());
    RC_ASSERT(seal(key, plain, place, random) != sealed);
  });
  CHECK(held);

  const auto sealed = seal(key, "a secret", "here", random);
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    CAPTURE(at);
    for (int bit = 0; bit < 8; ++bit) {
      auto changed = sealed;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      CHECK_FALSE(unseal(key, changed, "here").has_value());
    }
    CHECK_FALSE(unseal(key, sealed.substr(0, at), "here").has_value());
    CHECK_FALSE(unseal(key, sealed.substr(at + 1), "here").has_value());
  }
  CHECK(sealed.find("secret") == std::string::npos);
}

TEST_CASE("crypto: Ed25519 as in RFC 8032, section 7.1", "[crypto]") {
  struct Vector {
    std::string seed, public_key, message, signature;
  };
  const std::vector<Vector> vectors{
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe"
       "24655141438e7a100b"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302a"
       "eeb00d291612bb0c00"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
       "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
       "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed2"
       "8dc027beceea1ec40a"},
  };
  for (const auto& v : vectors) {
    const Signer signer(key_of(v.seed));
    const auto message = raw(v.message);
    CHECK(to_hex(signer.public_key()) == v.public_key);
    CHECK(to_hex(signer.sign(message)) == v.signature);
    CHECK(verify(signer.public_key(), message, raw(v.signature)));
    CHECK(signer.key_id() == "rk_" + to_hex(sha256(raw(v.public_key))).substr(0, 16));
  }
}

TEST_CASE("crypto: a signature holds for its message and key alone", "[crypto]") {
  const Signer signer(key_of("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));
  const Signer other(Key32{});
  const std::string message = "{\"seq\":1}";
  const auto signature = signer.sign(message);
  REQUIRE(verify(signer.public_key(), message, signature));
  CHECK_FALSE(verify(other.public_key(), message, signature));
  CHECK_FALSE(verify(signer.public_key(), message + " ", signature));
  CHECK_FALSE(verify(signer.public_key(), "", signature));
  CHECK_FALSE(verify(signer.public_key(), message, signature.substr(1)));
  CHECK_FALSE(verify(signer.public_key(), message, signature + '\0'));
  CHECK_FALSE(verify(signer.public_key(), message, ""));
  CHECK_FALSE(verify("", message, signature));
  CHECK_FALSE(verify(signer.public_key().substr(1), message, signature));
  for (std::size_t at = 0; at < signature.size(); ++at) {
    auto changed = signature;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    CAPTURE(at);
    CHECK_FALSE(verify(signer.public_key(), message, changed));
  }
}

TEST_CASE("crypto: a key file is made once, for its owner alone", "[crypto]") {
  const Folder folder;
  SystemRandom random;
  const auto path = folder.file("master.key");
  const auto missing = load_key_file(path, IfMissing::refuse, random);
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().code == ErrorCode::invalid_request);
  CHECK_THAT(missing.error().detail, Catch::Matchers::Contains(path));
  CHECK(folder.files() == 0);

  const auto made = load_key_file(path, IfMissing::create, random);
  REQUIRE(made.has_value());
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK(info.st_size == 32);
  CHECK(folder.files() == 1);
  for (const auto if_missing : {IfMissing::create, IfMissing::refuse}) {
    const auto again = load_key_file(path, if_missing, random);
    REQUIRE(again.has_value());
    CHECK(text_of(*again) == text_of(*made));
  }
  const auto second = load_key_file(folder.file("second.key"), IfMissing::create, random);
  REQUIRE(second.has_value());
  CHECK(text_of(*second) != text_of(*made));
}

TEST_CASE("crypto: a key file that cannot be trusted is refused with what to do", "[crypto]") {
  const Folder folder;
  SystemRandom random;
  const auto refusal = [&](const std::string& path) {
    const auto key = load_key_file(path, IfMissing::create, random);
    return key ? std::string("(accepted)") : key.error().detail;
  };
  const auto with = [&](const std::string& name, std::size_t size, ::mode_t mode) {
    const auto path = folder.file(name);
    std::ofstream(path) << std::string(size, 'k');
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    return path;
  };
  CHECK(refusal(with("good", 32, 0600)) == "(accepted)");
  CHECK(refusal(with("read-only", 32, 0400)) == "(accepted)");
  CHECK_THAT(refusal(with("group", 32, 0640)), Catch::Matchers::Contains("chmod 600"));
  CHECK_THAT(refusal(with("others", 32, 0604)), Catch::Matchers::Contains("chmod 600"));
  CHECK_THAT(refusal(with("writable", 32, 0620)), Catch::Matchers::Contains("chmod 600"));
  CHECK_THAT(refusal(with("empty", 0, 0600)), Catch::Matchers::Contains("exactly 32 bytes, and holds 0"));
  CHECK_THAT(refusal(with("short", 31, 0600)), Catch::Matchers::Contains("exactly 32 bytes"));
  CHECK_THAT(refusal(with("long", 33, 0600)), Catch::Matchers::Contains("exactly 32 bytes"));
  CHECK_THAT(refusal(with("huge", 4'097, 0600)), Catch::Matchers::Contains("more than 4096 bytes"));
  CHECK_THAT(refusal(folder.file(".")), Catch::Matchers::Contains("not a regular file"));
  CHECK_THAT(refusal(folder.file("nowhere/master.key")), Catch::Matchers::Contains("cannot be created"));
}

}  // namespace holdfast
