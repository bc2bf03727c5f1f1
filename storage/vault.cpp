#include "storage/vault.hpp"

#include <string.h>

#include <algorithm>

#include "storage/keys.hpp"

namespace holdfast {
namespace {

// First in every sealed value: the version of its layout.
constexpr char kVaultFormat = 1;
constexpr std::uint64_t kWrappingKeyId = 1;
constexpr std::string_view kWrappingContext = "hf-vault";

// A key in the clear; wiped when it goes out of scope.
class SecretKey {
 public:
  SecretKey() = default;
  ~SecretKey() { ::explicit_bzero(key_.data(), key_.size()); }
  SecretKey(const SecretKey&) = delete;
  SecretKey& operator=(const SecretKey&) = delete;
  [[nodiscard]] Key32& get() noexcept { return key_; }

 private:
  Key32 key_{};
};

std::string seal_at(const Key32& key, std::string_view plain, std::string_view place, Random& random) {
  std::string value(1, kVaultFormat);
  value += seal(key, plain, place, random);
  return value;
}

std::optional<std::string> unseal_at(const Key32& key, std::string_view value, std::string_view place) {
  if (value.empty() || value.front() != kVaultFormat) return std::nullopt;
  return unseal(key, value.substr(1), place);
}

// `key` receives the session's key in the clear.
Result<void> open_session_key(const Key32& wrapping, const ObjectId& session, std::string_view sealed, SecretKey& key) {
  auto plain = unseal_at(wrapping, sealed, Vault::session_key_key(session));
  if (!plain || plain->size() != key.get().size()) {
    return fail(ErrorCode::internal,
                "The session's key cannot be opened: the master key is another one, or the value is damaged.");
  }
  std::copy(plain->begin(), plain->end(), key.get().begin());
  ::explicit_bzero(plain->data(), plain->size());
  return {};
}

}  // namespace

Vault::Vault(const Key32& master) : wrapping_(derive_key(master, kWrappingKeyId, kWrappingContext)) {}

std::string Vault::make_session_key(const ObjectId& session, Random& random) const {
  SecretKey key;
  random.fill(std::as_writable_bytes(std::span(key.get())));
  const std::string_view raw(reinterpret_cast<const char*>(key.get().data()), key.get().size());
  return seal_at(wrapping_, raw, session_key_key(session), random);
}

Result<std::string> Vault::seal_value(const ObjectId& session, std::string_view sealed_session_key,
                                      std::string_view label, std::string_view plain, Random& random) const {
  SecretKey key;
  if (auto opened = open_session_key(wrapping_, session, sealed_session_key, key); !opened) {
    return tl::unexpected(opened.error());
  }
  return seal_at(key.get(), plain, value_key(session, label), random);
}

Result<std::string> Vault::open_value(const ObjectId& session, std::string_view sealed_session_key,
                                      std::string_view label, std::string_view sealed) const {
  SecretKey key;
  if (auto opened = open_session_key(wrapping_, session, sealed_session_key, key); !opened) {
    return tl::unexpected(opened.error());
  }
  auto plain = unseal_at(key.get(), sealed, value_key(session, label));
  if (!plain) return fail(ErrorCode::internal, "A sealed value cannot be opened: it is damaged or not of this place.");
  return *std::move(plain);
}

std::string Vault::session_key_key(const ObjectId& session) { return keys::session_prefix(session) + 'k'; }

std::string Vault::value_key(const ObjectId& session, std::string_view label) {
  std::string key = keys::session_prefix(session) + 'v';
  key += label;
  return key;
}

Range Vault::session_range(const ObjectId& session) { return keys::all_of(session); }

}  // namespace holdfast
