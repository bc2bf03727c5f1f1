// Shedding: turning new work away while the server cannot keep up, before its body is parsed, with an answer that is
// ready.
//
// Only what begins something new is turned away (Route::load): admissions, sessions, calls of objects. What ends
// something that is in (claims, heartbeats, completions, reads) always passes, so that work in hand is finished first.
// Nothing was written for a request that is turned away; it carries Retry-After. A connection whose own requests stand
// in a queue (Backlog) is closed with the refusal, and what stands in it is discarded unread.
#pragma once

#include <optional>

#include "http/metrics.hpp"

namespace holdfast::http {

class Exchange;

// Why the request at hand is to be turned away, if it is.
[[nodiscard]] std::optional<Refusal> shedding(Exchange& exchange);
// Answers 503 overloaded.
void shed(Exchange& exchange, Refusal why);

}  // namespace holdfast::http
