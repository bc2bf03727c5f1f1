#include "http/cors.hpp"

#include <algorithm>

namespace holdfast::http {

bool Cors::listed(std::string_view origin) const noexcept {
  return std::any_of(origins_.begin(), origins_.end(),
                     [origin](const std::string& listed) { return listed == "*" || listed == origin; });
}

void Cors::decorate(Answer& answer, const Request& request) const {
  if (origins_.empty()) return;
  answer.add_header("Vary", "Origin");
  const auto origin = request.find("origin");
  if (!origin || !listed(*origin)) return;
  answer.add_header("Access-Control-Allow-Origin", *origin);
  answer.add_header("Access-Control-Expose-Headers",
                    "ETag, Idempotency-Replayed, Link, Location, Preference-Applied, Request-Id, Retry-After");
}

void Cors::preflight(Answer& answer, const Request& request, std::string_view allowed_methods) const {
  const auto origin = request.find("origin");
  if (!origin || !listed(*origin) || !request.find("access-control-request-method")) return;
  answer.add_header("Access-Control-Allow-Methods", allowed_methods);
  answer.add_header("Access-Control-Allow-Headers",
                    "Accept, Authorization, Content-Type, Holdfast-Lease, Idempotency-Key, If-Match, If-None-Match, "
                    "Last-Event-ID, Prefer, Request-Id, traceparent, x-api-key");
  answer.add_header("Access-Control-Max-Age", "600");
}

}  // namespace holdfast::http
