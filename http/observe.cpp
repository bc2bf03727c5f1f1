#include "http/observe.hpp"

#include <array>

#include "http/exchange.hpp"
#include "http/metrics.hpp"

namespace holdfast::http {
namespace {

void log_access(const Exchange& exchange, int status, std::uint64_t micros) {
  const auto& request = exchange.request();
  const auto* route = exchange.match().route;
  const auto method = boost::beast::http::to_string(request.method());
  const bool of_session = route != nullptr && route->pattern.starts_with("/v1/sessions/{s}");
  const std::array<LogField, 7> fields{LogField{"request", exchange.request_id()},
                                       {"method", std::string_view(method.data(), method.size())},
                                       {"path", request.path()},
                                       {"route", route != nullptr ? route->pattern : std::string_view("other")},
                                       {"status", static_cast<std::uint64_t>(status)},
                                       {"duration_us", micros},
                                       {"session", of_session ? exchange.match().parameters[0] : std::string_view()}};
  log_fields(exchange.services().logger, "request", std::span(fields).first(of_session ? 7 : 6));
}

}  // namespace

void observe(Exchange& exchange, int status) {
  auto& services = exchange.services();
  const auto micros = exchange.micros();
  const auto route = exchange.match().route != nullptr ? exchange.match().index : Metrics::kNoRoute;
  services.metrics.count(exchange.thread().number(), route, status, micros);
  if (services.access_log == AccessLog::off) return;
  constexpr int kErrors = 400;
  if (services.access_log == AccessLog::all || status >= kErrors) log_access(exchange, status, micros);
}

}  // namespace holdfast::http
