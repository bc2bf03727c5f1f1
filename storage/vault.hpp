// Vault: secrets of sessions, sealed at rest, in the `vault` family and nowhere else.
//
// Each session has its own random key, itself sealed under the master key. A value is sealed under the session's
// key and bound to its place (session, label), so that it cannot be moved. Deleting the session's key
// makes every value of it unrecoverable (crypto-shred).
//
// The vault only makes and reads bytes; the caller puts what it returns into the command's write set.
// Thread-safety: const members from any thread.
#pragma once

#include <holdfast/error.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "src/core/crypto.hpp"
#include "src/core/ids.hpp"
#include "storage/store.hpp"

namespace holdfast {

class Vault {
 public:
  explicit Vault(const Key32& master);

  // A fresh session key, sealed: the value of session_key_key().
  [[nodiscard]] std::string make_session_key(const ObjectId& session, Random& random) const;
  // `sealed_session_key` is what make_session_key returned. Errors: internal (wrong master key, damaged value).
  [[nodiscard]] Result<std::string> seal_value(const ObjectId& session, std::string_view sealed_session_key,
                                               std::string_view label, std::string_view plain, Random& random) const;
  [[nodiscard]] Result<std::string> open_value(const ObjectId& session, std::string_view sealed_session_key,
                                               std::string_view label, std::string_view sealed) const;

  // Keys in Family::vault. All of a session's lie between session_key_key and the end of session_range.
  [[nodiscard]] static std::string session_key_key(const ObjectId& session);
  [[nodiscard]] static std::string value_key(const ObjectId& session, std::string_view label);
  [[nodiscard]] static Range session_range(const ObjectId& session);

 private:
  Key32 wrapping_;
};

}  // namespace holdfast
