// The way of a request from its connection to its handler: authenticate, match, call.
#pragma once

#include <cstdint>

#include "http/request.hpp"

namespace holdfast::http {

class Exchange;

// Answers the exchange, or starts the call that will.
void dispatch(Exchange& exchange);

// BodyLimit of this API; `limits` points to the Limits.
[[nodiscard]] std::uint64_t body_limit(const Request& request, const void* limits);

}  // namespace holdfast::http
