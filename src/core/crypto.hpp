// Hashing, sealing and signing on libsodium. Nothing here invents: SHA-256, XChaCha20-Poly1305, Ed25519.
#pragma once

#include <array>
#include <cstdint>
#include <holdfast/error.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "src/core/random.hpp"

namespace holdfast {

using Key32 = std::array<unsigned char, 32>;

// Call once before anything else here (idempotent, thread-safe). Aborts when libsodium cannot start.
void crypto_start();

[[nodiscard]] std::string sha256(std::string_view data);  // 32 raw bytes
void append_hex(std::string& out, std::string_view raw);
[[nodiscard]] std::string to_hex(std::string_view raw);
[[nodiscard]] std::optional<std::string> from_hex(std::string_view hex);
[[nodiscard]] std::string to_base64(std::string_view raw);     // RFC 4648 4, with padding
[[nodiscard]] std::string to_base64url(std::string_view raw);  // without padding
[[nodiscard]] std::optional<std::string> from_base64url(std::string_view text);
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b) noexcept;

// Sub-keys of the master key; `context` is 8 characters (crypto_kdf).
[[nodiscard]] Key32 derive_key(const Key32& master, std::uint64_t id, std::string_view context);

// nonce || ciphertext || tag. `bound_to` is authenticated with it: a sealed value cannot be moved elsewhere.
[[nodiscard]] std::string seal(const Key32& key, std::string_view plain, std::string_view bound_to, Random& random);
[[nodiscard]] std::optional<std::string> unseal(const Key32& key, std::string_view sealed, std::string_view bound_to);

class Signer {
 public:
  explicit Signer(const Key32& seed);
  [[nodiscard]] std::string sign(std::string_view message) const;  // 64 raw bytes
  [[nodiscard]] const std::string& public_key() const noexcept { return public_; }
  [[nodiscard]] std::string key_id() const;  // "rk_" + 16 hex digits of the public key's hash

 private:
  std::string public_;
  std::array<unsigned char, 64> secret_{};
};
[[nodiscard]] bool verify(std::string_view public_key, std::string_view message, std::string_view signature) noexcept;

// What a file of at most `bytes_max` bytes holds that nobody but its owner may read or write.
// Errors: invalid_request with what to do (missing, not a regular file, open to others, too long).
[[nodiscard]] Result<std::string> read_secret_file(const std::string& path, std::size_t bytes_max = 4'096);

// Reads 32 raw bytes from `path`, or creates the file (0600, fsynced) with random ones when `create` says so.
// Errors: invalid_request with what to do (missing, wrong size, readable by others).
enum class IfMissing : std::uint8_t { create, refuse };
[[nodiscard]] Result<Key32> load_key_file(const std::string& path, IfMissing if_missing, Random& random);

}  // namespace holdfast
