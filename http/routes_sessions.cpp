// Sessions: create, read, change, delete, copy; the queue; tickets.
#include "actors/session/spec.hpp"
#include "http/bodies.hpp"
#include "http/fields.hpp"
#include "http/respond.hpp"
#include "http/routes.hpp"
#include "http/tickets.hpp"
#include "src/core/clock.hpp"
#include "src/core/ids.hpp"
#include "src/core/strict.hpp"

namespace holdfast::http {
namespace {

constexpr std::string_view kNdjsonType = "application/x-ndjson";

void fill_session(Exchange& x, const Session& session, int status) {
  auto& answer = x.answer();
  answer.status = status;
  answer.body = to_json(session);
  add_etag(answer, etag_of(session));
  if (status == 201) answer.add_header("Location", "/v1/sessions/" + session.session);
}

void send_created(Exchange& x, Session& session) {
  fill_session(x, session, 201);
  x.send();
}

void send_changed(Exchange& x, Session& session) {
  fill_session(x, session, 200);
  x.send();
}

void send_put(Exchange& x, PutResult& result) {
  fill_session(x, result.session, result.outcome == PutOutcome::created ? 201 : 200);
  x.send();
}

void send_read(Exchange& x, Session& session) {
  fill_session(x, session, 200);
  x.send();
}

void send_waited(Exchange& x, Session& session) {
  fill_session(x, session, 200);
  add_preference_applied(x, x.thread().answer);
  x.send();
}

void send_export(Exchange& x, std::string& ndjson) {
  auto& answer = x.answer();
  answer.content_type = kNdjsonType;
  answer.body = std::move(ndjson);
  x.send();
}

void send_interrupted(Exchange& x, Interrupted& captured) { send_json(x, 202, to_json(captured)); }

void send_ticket(Exchange& x, Session& session) {
  auto ticket = x.services().tickets.mint(session.session, SystemClock().now());
  if (!ticket) return x.fail(ticket.error());
  auto& answer = x.answer();
  answer.status = 201;
  answer.add_header("Cache-Control", "no-store");
  json::ObjectWriter(answer.body).text("ticket", ticket->ticket).time("expires_at", ticket->expires_at).end();
  x.send();
}

// The body as a specification; none stands for {} where `empty_body` is empty JSON.
Result<SessionSpec> spec_of(const Exchange& x, std::string_view empty_body) {
  if (auto ok = require_json(x.request()); !ok) return tl::unexpected(std::move(ok.error()));
  const auto body = x.request().body();
  return session::parse_spec(body.empty() ? empty_body : body, x.limits());
}

}  // namespace

Result<void> create_session(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  SessionSpec spec;
  HOLDFAST_TRY(spec, spec_of(x, "{}"));
  x.engine().create_async(std::move(spec), x.then<Session>(&send_created));
  return {};
}

Result<void> put_session(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  std::string name;
  SessionSpec spec;
  Precondition precondition;
  HOLDFAST_TRY(name, x.name(0));
  HOLDFAST_TRY(spec, spec_of(x, {}));
  HOLDFAST_TRY(precondition, precondition_of(x.request()));
  x.engine().put_async(std::move(name), std::move(spec), std::move(precondition), x.then<PutResult>(&send_put));
  return {};
}

Result<void> get_session(Exchange& x) {
  std::string name;
  Query query;
  HOLDFAST_TRY(name, x.name(0));
  HOLDFAST_TRY(query, Query::parse(x.request().query(), {"min_seq"}));
  std::uint64_t min_seq = 0;
  HOLDFAST_TRY(min_seq, query.number("min_seq", 0, 0, std::uint64_t{1} << 53));
  if (const auto wait = wait_ms(x); wait > 0 && min_seq > 0)
    x.engine().wait_session_async(std::move(name), min_seq, wait, x.then_waiting<Session>(&send_waited));
  else x.engine().get_async(std::move(name), x.then<Session>(&send_read));
  return {};
}

Result<void> patch_session(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  std::string name;
  Precondition precondition;
  json::Element patch;
  HOLDFAST_TRY(name, x.name(0));
  HOLDFAST_TRY(patch, x.json());
  HOLDFAST_TRY(precondition, precondition_of(x.request()));
  if (!patch.is_object()) return fail(ErrorCode::invalid_body, "a merge patch of a session is an object");
  x.engine().patch_async(std::move(name), json::canonical(patch), std::move(precondition),
                         x.then<Session>(&send_changed));
  return {};
}

Result<void> delete_session(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  if (auto ok = no_body(x); !ok) return ok;
  std::string name;
  Precondition precondition;
  HOLDFAST_TRY(name, x.name(0));
  HOLDFAST_TRY(precondition, precondition_of(x.request()));
  x.engine().remove_async(std::move(name), std::move(precondition), x.then<Nothing>(&send_nothing));
  return {};
}

Result<void> list_sessions(Exchange& x) {
  Query parameters;
  HOLDFAST_TRY(parameters, Query::parse(x.request().query(), {"status", "prefix", "limit", "cursor"}));
  SessionQuery query;
  HOLDFAST_TRY(query.limit, parameters.number("limit", query.limit, 1, x.limits().list_items_max));
  if (const auto status = parameters.find("status")) {
    query.status = session_status(*status);
    if (!query.status) return fail(ErrorCode::invalid_request, "status is one of idle, queued, running, paused");
  }
  query.prefix = parameters.text("prefix");
  query.cursor = parameters.text("cursor");
  x.engine().list_async(std::move(query), x.then<Page<Session>>(&send_page<Session>));
  return {};
}

Result<void> fork_session(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  std::string name;
  json::Element body;
  ForkRequest request;
  HOLDFAST_TRY(name, x.name(0));
  HOLDFAST_TRY(body, x.json_or_empty());
  HOLDFAST_TRY(request, fork_request(body));
  x.engine().fork_async(std::move(name), std::move(request), x.then<Session>(&send_created));
  return {};
}

Result<void> export_session(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  std::string name;
  HOLDFAST_TRY(name, x.name(0));
  x.engine().export_async(std::move(name), x.then<std::string>(&send_export));
  return {};
}

Result<void> import_session(Exchange& x) {
  Query query;
  HOLDFAST_TRY(query, Query::parse(x.request().query(), {"name"}));
  auto name = query.text("name");
  if (query.find("name") && !valid_name(name))
    return fail(ErrorCode::invalid_name, "the parameter name is no valid name");
  x.engine().import_async(x.request().take_body(), std::move(name), x.then<Session>(&send_created));
  return {};
}

Result<void> command_queue(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  std::string name;
  Precondition precondition;
  json::Element body;
  QueueCommand command;
  HOLDFAST_TRY(name, x.name(0));
  HOLDFAST_TRY(body, x.json());
  HOLDFAST_TRY(command, queue_command(body, x.limits()));
  HOLDFAST_TRY(precondition, precondition_of(x.request()));
  x.engine().queue_async(std::move(name), std::move(command), std::move(precondition), x.then<Session>(&send_changed));
  return {};
}

Result<void> interrupt_session(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  std::string name;
  json::Element body;
  InterruptScope scope{};
  HOLDFAST_TRY(name, x.name(0));
  HOLDFAST_TRY(body, x.json_or_empty());
  HOLDFAST_TRY(scope, interrupt_request(body));
  x.engine().interrupt_async(std::move(name), scope, x.then<Interrupted>(&send_interrupted));
  return {};
}

Result<void> mint_ticket(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  if (auto ok = no_body(x); !ok) return ok;
  std::string name;
  HOLDFAST_TRY(name, x.name(0));
  x.engine().get_async(std::move(name), x.then<Session>(&send_ticket));
  return {};
}

}  // namespace holdfast::http
