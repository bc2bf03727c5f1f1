#include "http/dispatch.hpp"

#include "http/auth.hpp"
#include "http/cors.hpp"
#include "http/exchange.hpp"
#include "http/problem.hpp"
#include "http/query.hpp"
#include "http/router.hpp"
#include "http/routes.hpp"
#include "http/shedding.hpp"

namespace holdfast::http {
namespace {

std::string_view first_segment(std::string_view path) { return path.substr(0, path.find('/')); }

// Probes come from where no key is; a preflight cannot carry one; a ticket is checked by the stream it opens.
bool open_door(const Exchange& exchange, const Match* match) {
  const auto& request = exchange.request();
  if (request.path() == "/livez" || request.path() == "/readyz" || request.method() == Verb::options) return true;
  return match != nullptr && match->route->handler == &read_events && carries_ticket(request);
}

Result<void> admits(const Match* match, const Caller& caller) {
  const auto access = match != nullptr ? match->route->access : Access::operator_only;
  if (caller.kind == Caller::Kind::ticket_holder && access != Access::tickets) return fail(ErrorCode::unauthorized, {});
  if (caller.kind == Caller::Kind::runtime && access == Access::operator_only)
    return fail(ErrorCode::forbidden, "a runtime's token opens claims, deliveries and its own registration only");
  return {};
}

void answer_options(Exchange& exchange, const std::string& allow) {
  auto& answer = exchange.answer();
  answer.status = 204;
  answer.add_header("Allow", allow);
  exchange.services().cors.preflight(answer, exchange.request(), allow);
  exchange.send();
}

void answer_no_method(Exchange& exchange, const std::string& allow) {
  if (exchange.request().method() == Verb::options) return answer_options(exchange, allow);
  write_problem(exchange.answer(), {ErrorCode::method_not_allowed, "this path answers to " + allow, {}, 0, {}});
  exchange.thread().answer.add_header("Allow", allow);
  exchange.send();
}

bool is_probe(const Match* match) {
  return match != nullptr && (match->route->handler == &get_livez || match->route->handler == &get_readyz);
}

void answer_not_ready(Exchange& exchange) {
  exchange.services().metrics.refused(exchange.thread().number(), Refusal::not_ready);
  exchange.fail(ErrorCode::shutting_down,
                "the server is starting: the store is being read; /readyz tells how far it is");
}

}  // namespace

std::optional<std::uint64_t> body_limit(const Request& request, const void* services) {
  const auto& s = *static_cast<const Services*>(services);
  const auto path = request.path();
  if (path == kImportPath) return s.limits.import_bytes_max;
  const auto* engine = s.engine.load(std::memory_order_acquire);
  if (engine != nullptr && path.starts_with(kObjectsPath)) {
    const auto object_class = percent_decoded(first_segment(path.substr(kObjectsPath.size())), Plus::literal);
    if (object_class && engine->takes_streams(*object_class)) return std::nullopt;
  }
  return s.limits.body_bytes_max;
}

void dispatch(Exchange& exchange) {
  const auto& request = exchange.request();
  const auto found = exchange.services().router.match(request.method(), request.path());
  const auto* match = std::get_if<Match>(&found);
  if (match != nullptr) exchange.set_match(*match);
  if (exchange.services().engine.load(std::memory_order_relaxed) == nullptr && !is_probe(match))
    return answer_not_ready(exchange);
  if (match != nullptr && match->route->load == Load::new_work)
    if (const auto why = shedding(exchange)) return shed(exchange, *why);
  if (match != nullptr && match->route->handler == &read_events && carries_ticket(request) &&
      (request.find("authorization") || request.find("x-api-key")))
    return exchange.fail(ErrorCode::ambiguous_credentials, "send a ticket or a key, not both");
  if (!open_door(exchange, match)) {
    auto caller = exchange.services().authenticator.check(request);
    if (!caller) return exchange.fail(caller.error());
    if (const auto ok = admits(match, *caller); !ok) return exchange.fail(ok.error());
    exchange.set_caller(std::move(*caller));
  }
  if (match != nullptr) {
    if (const auto ok = match->route->handler(exchange); !ok) exchange.fail(ok.error());
    return;
  }
  if (const auto* others = std::get_if<NoMethod>(&found)) return answer_no_method(exchange, others->allow);
  exchange.fail(ErrorCode::not_found, "there is nothing at this path; see /openapi.json");
}

}  // namespace holdfast::http
