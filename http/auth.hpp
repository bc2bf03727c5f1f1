// Authenticator: who comes through a door. Immutable; any thread.
//
// Keys are compared by their SHA-256 in constant time, so that neither length nor content of the right one shows in
// the time an answer takes. Every refusal is the same `unauthorized`.
#pragma once

#include <cstdint>
#include <functional>
#include <holdfast/error.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "http/request.hpp"

namespace holdfast::http {

struct Caller {
  enum class Kind : std::uint8_t {
    anybody,        // auth is off: everybody is the operator
    operator_key,   // showed the operator's key
    runtime,        // showed the auth token of `runtime`
    ticket_holder,  // shows a bearer token that may be a ticket: only doors that redeem tickets open
  } kind = Kind::anybody;
  std::string runtime;
  std::string bearer;  // the token as it was sent; empty: none
};

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Errors: unauthorized; ambiguous_credentials when the request carries two credentials.
  [[nodiscard]] virtual Result<Caller> check(const Request& request) const = 0;
};

// Every caller is the operator of the default project.
class NoAuthenticator final : public Authenticator {
 public:
  [[nodiscard]] Result<Caller> check(const Request& request) const override;
};

// Exactly one credential, in Authorization: Bearer or in x-api-key: the operator's key or a runtime's auth token.
class KeyAuthenticator final : public Authenticator {
 public:
  // The runtime that an auth token proves.
  using RuntimeOf = std::function<std::optional<std::string>(std::string_view token)>;
  KeyAuthenticator(std::string_view operator_key, RuntimeOf runtime_of);
  [[nodiscard]] Result<Caller> check(const Request& request) const override;

 private:
  std::string key_hash_;
  RuntimeOf runtime_of_;
};

}  // namespace holdfast::http
