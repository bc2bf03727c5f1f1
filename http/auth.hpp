// Authenticator: who may come through a door. Immutable; any thread.
//
// Keys are compared by their SHA-256 in constant time, so that neither length nor content of the right one shows in
// the time an answer takes. Every refusal is the same `unauthorized`.
#pragma once

#include <holdfast/error.hpp>
#include <string>
#include <string_view>

#include "http/request.hpp"

namespace holdfast::http {

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Errors: unauthorized; invalid_request when the request carries two credentials.
  [[nodiscard]] virtual Result<void> check(const Request& request) const = 0;
};

// Every caller is the operator of the default project.
class NoAuthenticator final : public Authenticator {
 public:
  [[nodiscard]] Result<void> check(const Request&) const override { return {}; }
};

// Exactly one credential, in Authorization: Bearer or in x-api-key, that is the operator's key.
class OperatorKeyAuthenticator final : public Authenticator {
 public:
  explicit OperatorKeyAuthenticator(std::string_view key);
  [[nodiscard]] Result<void> check(const Request& request) const override;

 private:
  std::string key_hash_;
};

}  // namespace holdfast::http
