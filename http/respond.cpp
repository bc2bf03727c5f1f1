#include "http/respond.hpp"

#include "http/fields.hpp"
#include "src/core/strict.hpp"

namespace holdfast::http {

void send_json(Exchange& exchange, int status, std::string body) {
  auto& answer = exchange.answer();
  answer.status = status;
  answer.body = std::move(body);
  exchange.send();
}

void send_nothing(Exchange& exchange, Nothing&) {
  exchange.answer().status = 204;
  exchange.send();
}

void add_etag(Answer& answer, std::string_view etag) {
  answer.headers += "ETag: \"";
  answer.headers += etag;
  answer.headers += "\"\r\n";
}

std::int64_t wait_ms(const Exchange& exchange) {
  const auto seconds = preferred_wait(exchange.request());
  if (!seconds) return 0;
  const auto max = exchange.limits().wait_ms_max;
  return static_cast<std::int64_t>(*seconds > max / 1'000 ? max : *seconds * 1'000);
}

void add_preference_applied(Exchange& exchange, Answer& answer) {
  if (const auto ms = wait_ms(exchange); ms > 0)
    answer.add_header("Preference-Applied", "wait=" + std::to_string(ms / 1'000));
}

Result<void> no_parameters(const Exchange& exchange) {
  const auto query = Query::parse(exchange.request().query(), {});
  if (!query) return tl::unexpected(query.error());
  return {};
}

Result<void> no_body(const Exchange& exchange) {
  json::Element body;
  json::Object members;
  const strict::Place root("");
  HOLDFAST_TRY(body, exchange.json_or_empty());
  HOLDFAST_TRY(members, strict::object(body, root));
  for (const auto [key, value] : members) return strict::unknown(strict::Place(root, key));
  return {};
}

}  // namespace holdfast::http
