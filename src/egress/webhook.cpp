#include "src/egress/webhook.hpp"

#include <sodium.h>

#include <array>

#include "src/core/crypto.hpp"

namespace holdfast::egress {
namespace {

constexpr std::string_view kPrefix = "whsec_";
constexpr std::size_t kKeyBytesMin = 16;
constexpr std::size_t kKeyBytesMax = 64;
constexpr std::size_t kKeyBytes = 32;  // of those that are made here

std::string hmac(std::string_view key, std::string_view text) {
  const auto bytes = [](std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); };
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> out{};
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, bytes(key), key.size());
  crypto_auth_hmacsha256_update(&state, bytes(text), text.size());
  crypto_auth_hmacsha256_final(&state, out.data());
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

}  // namespace

std::optional<std::string> webhook_key(std::string_view secret) {
  if (secret.starts_with(kPrefix)) secret.remove_prefix(kPrefix.size());
  std::string key(kKeyBytesMax, '\0');
  std::size_t size = 0;
  const char* end = nullptr;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(key.data()), key.size(), secret.data(), secret.size(), nullptr,
                        &size, &end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
      end != secret.data() + secret.size() || size < kKeyBytesMin)
    return std::nullopt;
  key.resize(size);
  return key;
}

std::string make_webhook_secret(Random& random) {
  std::string key(kKeyBytes, '\0');
  random.fill(std::as_writable_bytes(std::span(key)));
  return std::string(kPrefix) + to_base64(key);
}

std::string sign_webhook(std::span<const std::string> secrets, std::string_view id, std::int64_t timestamp_s,
                         std::string_view body) {
  std::string text(id);
  text += '.' + std::to_string(timestamp_s) + '.';
  text += body;
  std::string out;
  for (const auto& secret : secrets) {
    const auto key = webhook_key(secret);
    if (!key) continue;
    if (!out.empty()) out += ' ';
    out += "v1," + to_base64(hmac(*key, text));
  }
  return out;
}

}  // namespace holdfast::egress
