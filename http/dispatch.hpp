// The way of a request from its connection to its handler: authenticate, match, call.
#pragma once

#include <cstdint>
#include <optional>

#include "http/request.hpp"

namespace holdfast::http {

class Exchange;

// Answers the exchange, or starts the call that will.
void dispatch(Exchange& exchange);

// BodyLimit of this API; `services` points to the Services.
[[nodiscard]] std::optional<std::uint64_t> body_limit(const Request& request, const void* services);

}  // namespace holdfast::http
