// Every error that leaves the server: one RFC 9457 problem document, made here and nowhere else.
#pragma once

#include <holdfast/error.hpp>
#include <string>

#include "http/answer.hpp"

namespace holdfast::http {

// Fills `answer`: status, application/problem+json, Retry-After where the error is retryable (seconds, rounded up), and
// WWW-Authenticate for 401, whose body is the same for every reason so that it tells a guesser nothing.
void write_problem(Answer& answer, const Error& error);

}  // namespace holdfast::http
