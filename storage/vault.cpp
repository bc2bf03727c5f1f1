#include "storage/vault.hpp"

#include "storage/keys.hpp"

namespace holdfast {
namespace {

std::string place(const SessionId& session, std::string_view label) {
  std::string bound = keys::session_prefix(session);
  bound += 'v';
  bound += label;
  return bound;
}

tl::unexpected<Error> damaged() {
  return fail(ErrorCode::internal, "a sealed value cannot be opened: the master key is another one, or it is damaged");
}

Key32 as_key(std::string_view raw) {
  Key32 key{};
  std::copy(raw.begin(), raw.end(), key.begin());
  return key;
}

}  // namespace

Vault::Vault(const Key32& master) : wrapping_(master) {}

std::string Vault::make_session_key(const SessionId& session, Random& random) const {
  std::string key(32, '\0');
  random.fill(std::as_writable_bytes(std::span(key)));
  return seal(wrapping_, key, session_key_key(session), random);
}

Result<std::string> Vault::seal_value(const SessionId& session, std::string_view sealed_session_key,
                                      std::string_view label, std::string_view plain, Random& random) const {
  const auto key = unseal(wrapping_, sealed_session_key, session_key_key(session));
  if (!key || key->size() != 32) return damaged();
  return seal(as_key(*key), plain, place(session, label), random);
}

Result<std::string> Vault::open_value(const SessionId& session, std::string_view sealed_session_key,
                                      std::string_view label, std::string_view sealed) const {
  const auto key = unseal(wrapping_, sealed_session_key, session_key_key(session));
  if (!key || key->size() != 32) return damaged();
  auto plain = unseal(as_key(*key), sealed, place(session, label));
  if (!plain) return damaged();
  return std::move(*plain);
}

std::string Vault::session_key_key(const SessionId& session) { return keys::session_prefix(session) + 'k'; }
std::string Vault::value_key(const SessionId& session, std::string_view label) { return place(session, label); }
Range Vault::session_range(const SessionId& session) { return keys::all_of(session); }

}  // namespace holdfast
