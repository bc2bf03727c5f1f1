// Messages: admission, reading, editing, cancelling, receipts.
#include "http/bodies.hpp"
#include "http/fields.hpp"
#include "http/respond.hpp"
#include "http/routes.hpp"
#include "src/core/strict.hpp"

namespace holdfast::http {
namespace {

void send_admitted(Exchange& x, Admitted& admitted) {
  auto& answer = x.answer();
  answer.status = 202;
  if (admitted.replayed) answer.headers += "Idempotency-Replayed: true\r\n";
  append_json(answer.body, admitted);
  x.send();
}

void send_admitted_batch(Exchange& x, std::vector<Admitted>& all) {
  auto& answer = x.answer();
  answer.status = 202;
  answer.body += "{\"messages\":[";
  bool replayed = true;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i != 0) answer.body += ',';
    append_json(answer.body, all[i]);
    replayed = replayed && all[i].replayed;
  }
  answer.body += "]}";
  if (replayed) answer.headers += "Idempotency-Replayed: true\r\n";
  x.send();
}

void send_message(Exchange& x, Message& message) {
  auto& answer = x.answer();
  add_etag(answer, etag_of(message));
  answer.body = to_json(message);
  x.send();
}

void send_waited(Exchange& x, Message& message) {
  auto& answer = x.answer();
  add_etag(answer, etag_of(message));
  add_preference_applied(x, answer);
  answer.body = to_json(message);
  x.send();
}

void send_receipt(Exchange& x, Receipt& receipt) { send_json(x, 200, to_json(receipt)); }

}  // namespace

Result<void> admit_message(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  std::string session;
  json::Element body;
  AdmitRequest request;
  Precondition precondition;
  HOLDFAST_TRY(session, x.name(0));
  x.engine().expect(session);
  HOLDFAST_TRY(body, x.json());
  HOLDFAST_TRY(request, admit_request(body, x.limits()));
  HOLDFAST_TRY(precondition, precondition_of(x.request()));
  if (request.id.empty()) HOLDFAST_TRY(request.id, idempotency_key_of(x.request()));
  request.traceparent = traceparent_of(x.request());
  x.engine().admit_async(std::move(session), std::move(request), std::move(precondition),
                         x.then<Admitted>(&send_admitted));
  return {};
}

Result<void> admit_messages(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  std::string session;
  json::Element body;
  std::vector<AdmitRequest> requests;
  Precondition precondition;
  HOLDFAST_TRY(session, x.name(0));
  HOLDFAST_TRY(body, x.json());
  HOLDFAST_TRY(requests, admit_batch(body, x.limits()));
  if (x.request().find("idempotency-key"))
    return fail(ErrorCode::invalid_request, "an Idempotency-Key names one message; give each one of a batch its id");
  HOLDFAST_TRY(precondition, precondition_of(x.request()));
  const auto traceparent = traceparent_of(x.request());
  for (auto& request : requests) request.traceparent = traceparent;
  x.engine().admit_batch_async(std::move(session), std::move(requests), std::move(precondition),
                               x.then<std::vector<Admitted>>(&send_admitted_batch));
  return {};
}

Result<void> list_messages(Exchange& x) {
  std::string session;
  Query parameters;
  MessageQuery query;
  HOLDFAST_TRY(session, x.name(0));
  HOLDFAST_TRY(parameters, Query::parse(x.request().query(), {"state", "after_seq", "limit", "cursor"}));
  HOLDFAST_TRY(query.limit, parameters.number("limit", query.limit, 1, x.limits().list_items_max));
  HOLDFAST_TRY(query.after_seq, parameters.number("after_seq", 0, 0, std::uint64_t{1} << 53));
  if (const auto state = parameters.find("state")) {
    query.state = message_state(*state);
    if (!query.state) return fail(ErrorCode::invalid_request, "there is no message state of this name");
  }
  query.cursor = parameters.text("cursor");
  x.engine().messages_async(std::move(session), std::move(query), x.then<Page<Message>>(&send_page<Message>));
  return {};
}

Result<void> get_message(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  std::string session;
  std::string message;
  HOLDFAST_TRY(session, x.name(0));
  HOLDFAST_TRY(message, x.name(1));
  if (const auto wait = wait_ms(x); wait > 0)
    x.engine().wait_message_async(std::move(session), std::move(message), wait, x.then_waiting<Message>(&send_waited));
  else x.engine().message_async(std::move(session), std::move(message), x.then<Message>(&send_message));
  return {};
}

Result<void> edit_message(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  std::string session;
  std::string message;
  json::Element body;
  MessageEdit edit;
  Precondition precondition;
  HOLDFAST_TRY(session, x.name(0));
  HOLDFAST_TRY(message, x.name(1));
  HOLDFAST_TRY(body, x.json());
  HOLDFAST_TRY(edit, message_edit(body, x.limits()));
  HOLDFAST_TRY(precondition, precondition_of(x.request()));
  x.engine().edit_async(std::move(session), std::move(message), std::move(edit), std::move(precondition),
                        x.then<Message>(&send_message));
  return {};
}

Result<void> cancel_message(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  if (auto ok = no_body(x); !ok) return ok;
  std::string session;
  std::string message;
  Precondition precondition;
  HOLDFAST_TRY(session, x.name(0));
  HOLDFAST_TRY(message, x.name(1));
  HOLDFAST_TRY(precondition, precondition_of(x.request()));
  x.engine().cancel_async(std::move(session), std::move(message), std::move(precondition),
                          x.then<Message>(&send_message));
  return {};
}

Result<void> redrive_message(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  if (auto ok = no_body(x); !ok) return ok;
  std::string session;
  std::string message;
  HOLDFAST_TRY(session, x.name(0));
  HOLDFAST_TRY(message, x.name(1));
  x.engine().redrive_async(std::move(session), std::move(message), x.then<Message>(&send_message));
  return {};
}

Result<void> list_dead_letters(Exchange& x) {
  Query parameters;
  DeadLetterQuery query;
  HOLDFAST_TRY(parameters, Query::parse(x.request().query(), {"limit", "cursor"}));
  HOLDFAST_TRY(query.limit, parameters.number("limit", query.limit, 1, x.limits().list_items_max));
  query.cursor = parameters.text("cursor");
  x.engine().dead_letters_async(std::move(query), x.then<Page<Message>>(&send_page<Message>));
  return {};
}

Result<void> get_receipt(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  std::string session;
  std::string message;
  HOLDFAST_TRY(session, x.name(0));
  HOLDFAST_TRY(message, x.name(1));
  x.engine().receipt_async(std::move(session), std::move(message), x.then<Receipt>(&send_receipt));
  return {};
}

}  // namespace holdfast::http
