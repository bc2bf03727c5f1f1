// Which events a reader asks for: the query string of GET /v1/sessions/{s}/events, and Last-Event-ID.
//
// Pure functions, any thread.
#pragma once

#include <holdfast/error.hpp>
#include <holdfast/options.hpp>
#include <holdfast/types.hpp>

#include "http/query.hpp"
#include "http/request.hpp"

namespace holdfast::http {

// The parameters that this route knows. Errors: invalid_request.
[[nodiscard]] Result<Query> event_parameters(const Request& request);
// Errors: invalid_request, invalid_cursor.
[[nodiscard]] Result<EventQuery> event_query_of(const Request& request, const Limits& limits);

}  // namespace holdfast::http
