// Header fields that have a grammar of their own, read into what the Engine takes.
//
// Pure functions, any thread. A field that RFCs tell a server to ignore when it is malformed (Prefer, traceparent,
// Request-Id) is ignored; one that changes what a write does (If-Match, Idempotency-Key) is refused.
#pragma once

#include <holdfast/error.hpp>
#include <holdfast/types.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "http/request.hpp"

namespace holdfast::http {

// If-Match and If-None-Match (RFC 9110 13.1). Weak tags of If-Match never match; both fields at once are refused, and
// so is an If-None-Match on tags, which no write of this API needs. Errors: invalid_request.
[[nodiscard]] Result<Precondition> precondition_of(const Request& request);

// Prefer: wait=N (RFC 7240), in seconds.
[[nodiscard]] std::optional<std::uint64_t> preferred_wait(const Request& request);

// Empty unless the field has the form of a W3C trace context, version 00.
[[nodiscard]] std::string traceparent_of(const Request& request);

// The id that the client gave in Request-Id when it is a valid name.
[[nodiscard]] std::optional<std::string_view> request_id_of(const Request& request);

// The Idempotency-Key, bare or as the quoted string of its IETF draft. Errors: invalid_request, invalid_name.
[[nodiscard]] Result<std::string> idempotency_key_of(const Request& request);

// Whether a field says something about the connection or the framing, not about what is carried.
[[nodiscard]] bool of_connection(std::string_view name) noexcept;

// Whether Accept names this type itself, not by a wildcard.
[[nodiscard]] bool accepts(const Request& request, std::string_view media_type);

// A JSON body may come as any JSON type or without a type, and as a form type from a client that is no browser (curl's
// default). A browser can send a form across origins without asking; a form with an Origin is therefore refused.
// Errors: unsupported_media_type.
[[nodiscard]] Result<void> require_json(const Request& request);

}  // namespace holdfast::http
