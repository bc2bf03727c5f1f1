// Webhook: signatures by Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over "id.timestamp.body".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "src/core/random.hpp"

namespace holdfast::egress {

// The key in a secret: "whsec_" and base64, or bare base64, of 16 to 64 bytes. Nothing for any other text.
[[nodiscard]] std::optional<std::string> webhook_key(std::string_view secret);
[[nodiscard]] std::string make_webhook_secret(Random& random);  // "whsec_" and 32 random bytes
// The value of webhook-signature: "v1,<base64>" for each secret, separated by spaces.
[[nodiscard]] std::string sign_webhook(std::span<const std::string> secrets, std::string_view id,
                                       std::int64_t timestamp_s, std::string_view body);

}  // namespace holdfast::egress
