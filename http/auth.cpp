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

// The one credential of a request; empty: none.
Result<std::string> credential(const Request& request) {
  const auto authorization = request.single("authorization");
  if (!authorization) return tl::unexpected(authorization.error());
  const auto api_key = request.single("x-api-key");
  if (!api_key) return tl::unexpected(api_key.error());
  if (*authorization && *api_key)
    return fail(ErrorCode::ambiguous_credentials, "send Authorization or x-api-key, not both");
  return std::string(*api_key ? **api_key : *authorization ? bearer(**authorization) : std::string_view{});
}

}  // namespace

Result<Caller> NoAuthenticator::check(const Request& request) const {
  auto shown = credential(request);
  if (!shown) return tl::unexpected(std::move(shown.error()));
  Caller caller;
  caller.bearer = std::move(*shown);
  return caller;
}

KeyAuthenticator::KeyAuthenticator(std::string_view operator_key, RuntimeOf runtime_of)
    : key_hash_(sha256(operator_key)), runtime_of_(std::move(runtime_of)) {}

Result<Caller> KeyAuthenticator::check(const Request& request) const {
  auto shown = credential(request);
  if (!shown) return tl::unexpected(std::move(shown.error()));
  if (shown->empty()) return fail(ErrorCode::unauthorized, {});
  Caller caller;
  caller.bearer = std::move(*shown);
  if (equal_constant_time(sha256(caller.bearer), key_hash_)) {
    caller.kind = Caller::Kind::operator_key;
  } else if (auto runtime = runtime_of_(caller.bearer)) {
    caller.kind = Caller::Kind::runtime;
    caller.runtime = std::move(*runtime);
  } else {
    caller.kind = Caller::Kind::ticket_holder;
  }
  return caller;
}

}  // namespace holdfast::http
