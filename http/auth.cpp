#include "http/auth.hpp"

#include "src/core/crypto.hpp"

namespace holdfast::http {
namespace {

// The token of "Bearer <token>"; empty when the field is of another scheme.
std::string_view bearer(std::string_view field) noexcept {
  constexpr std::string_view kScheme = "bearer ";
  if (field.size() < kScheme.size() || !equal_ignoring_case(field.substr(0, kScheme.size()), kScheme)) return {};
  field.remove_prefix(kScheme.size());
  field.remove_prefix(std::min(field.find_first_not_of(' '), field.size()));
  return field;
}

}  // namespace

OperatorKeyAuthenticator::OperatorKeyAuthenticator(std::string_view key) : key_hash_(sha256(key)) {}

Result<void> OperatorKeyAuthenticator::check(const Request& request) const {
  const auto authorization = request.single("authorization");
  if (!authorization) return tl::unexpected(authorization.error());
  const auto api_key = request.single("x-api-key");
  if (!api_key) return tl::unexpected(api_key.error());
  if (*authorization && *api_key)
    return fail(ErrorCode::invalid_request, "ambiguous credentials: send Authorization or x-api-key, not both");
  const std::string_view key = *api_key ? **api_key : *authorization ? bearer(**authorization) : std::string_view{};
  if (key.empty() || !equal_constant_time(sha256(key), key_hash_)) return fail(ErrorCode::unauthorized, {});
  return {};
}

}  // namespace holdfast::http
