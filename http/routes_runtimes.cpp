// Runtimes: registration, heartbeat, rotation, removal, and the tickets that let a new one register.
#include "http/bodies.hpp"
#include "http/respond.hpp"
#include "http/routes.hpp"
#include "http/tickets.hpp"
#include "src/core/clock.hpp"
#include "src/core/strict.hpp"

namespace holdfast::http {
namespace {

// Sessions and runtimes share the tickets: no session's name has a slash.
std::string ticket_subject(const std::string& runtime) { return "runtime/" + runtime; }

// With auth off everybody may bring a new runtime, and whoever shows its token is that runtime.
RuntimeProof proof_of(const Caller& caller) {
  RuntimeProof proof;
  proof.token = caller.bearer;
  if (caller.kind == Caller::Kind::anybody) proof.kind = RuntimeProof::Kind::creator;
  if (caller.kind == Caller::Kind::operator_key) proof.kind = RuntimeProof::Kind::operator_key;
  return proof;
}

void send_registration(Exchange& x, Registration& registration) {
  auto& answer = x.answer();
  answer.add_header("Cache-Control", "no-store");
  answer.status = registration.created ? 201 : 200;
  answer.body = to_json(registration);
  x.send();
}

}  // namespace

Result<void> register_runtime(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  std::string name;
  json::Element body;
  RuntimeSpec spec;
  HOLDFAST_TRY(name, x.name(0));
  HOLDFAST_TRY(body, x.json_or_empty());
  HOLDFAST_TRY(spec, runtime_spec(body, x.limits()));
  auto proof = proof_of(x.caller());
  if (x.caller().kind == Caller::Kind::ticket_holder) {
    if (!x.services().tickets.redeem(x.caller().bearer, ticket_subject(name), SystemClock().now()))
      return fail(ErrorCode::unauthorized, {});
    proof = {RuntimeProof::Kind::creator, {}};
  }
  x.engine().register_runtime_async(std::move(name), std::move(proof), std::move(spec),
                                    x.then<Registration>(&send_registration));
  return {};
}

Result<void> beat_runtime(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  if (auto ok = no_body(x); !ok) return ok;
  std::string name;
  HOLDFAST_TRY(name, x.name(0));
  x.engine().beat_runtime_async(std::move(name), proof_of(x.caller()), x.then<Registration>(&send_registration));
  return {};
}

Result<void> rotate_runtime(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  if (auto ok = no_body(x); !ok) return ok;
  std::string name;
  HOLDFAST_TRY(name, x.name(0));
  x.engine().rotate_runtime_async(std::move(name), proof_of(x.caller()), x.then<Registration>(&send_registration));
  return {};
}

Result<void> remove_runtime(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  if (auto ok = no_body(x); !ok) return ok;
  std::string name;
  HOLDFAST_TRY(name, x.name(0));
  x.engine().remove_runtime_async(std::move(name), x.then<Nothing>(&send_nothing));
  return {};
}

Result<void> list_runtimes(Exchange& x) {
  Query parameters;
  std::size_t limit = 100;
  HOLDFAST_TRY(parameters, Query::parse(x.request().query(), {"limit", "cursor"}));
  HOLDFAST_TRY(limit, parameters.number("limit", limit, 1, x.limits().list_items_max));
  auto page = x.engine().runtimes(parameters.text("cursor"), limit);
  send_page(x, page);
  return {};
}

Result<void> mint_runtime_ticket(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  if (auto ok = no_body(x); !ok) return ok;
  std::string name;
  HOLDFAST_TRY(name, x.name(0));
  auto ticket = x.services().tickets.mint(ticket_subject(name), SystemClock().now());
  if (!ticket) return tl::unexpected(std::move(ticket.error()));
  auto& answer = x.answer();
  answer.add_header("Cache-Control", "no-store");
  json::ObjectWriter(answer.body).text("ticket", ticket->ticket).time("expires_at", ticket->expires_at).end();
  answer.status = 201;
  x.send();
  return {};
}

}  // namespace holdfast::http
