// Answers that several handlers give: a document, a page of them, nothing.
#pragma once

#include <holdfast/types.hpp>
#include <string>
#include <string_view>

#include "http/exchange.hpp"
#include "http/query.hpp"

namespace holdfast::http {

// The rest of a 200 is up to the caller, who then sends it.
void send_json(Exchange& exchange, int status, std::string body);
void send_nothing(Exchange& exchange, Nothing&);

void add_etag(Answer& answer, std::string_view etag);
// The wait that Prefer asks for, within the limit; 0 when it asks for none.
[[nodiscard]] std::int64_t wait_ms(const Exchange& exchange);
// Says in the answer which wait was applied.
void add_preference_applied(Exchange& exchange, Answer& answer);
// A request that takes no parameters. Errors: invalid_request.
[[nodiscard]] Result<void> no_parameters(const Exchange& exchange);
// A request that has nothing to say: no body, or {}. Errors: invalid_body, unsupported_media_type.
[[nodiscard]] Result<void> no_body(const Exchange& exchange);

// {"items":[...],"next":...} with the Link of RFC 8288.
template <class T>
void send_page(Exchange& exchange, Page<T>& page) {
  auto& answer = exchange.answer();
  auto& body = answer.body;
  body += "{\"items\":[";
  bool first = true;
  for (const auto& item : page.items) {
    if (!first) body += ',';
    first = false;
    body += to_json(item);
  }
  body += "],\"next\":";
  if (page.next.empty()) {
    body += "null}";
  } else {
    json::append_string(body, page.next);
    body += '}';
    const auto& request = exchange.request();
    answer.add_header("Link", "<" + std::string(request.path()) + "?" +
                                  with_parameter(request.query(), "cursor", page.next) + ">; rel=\"next\"");
  }
  exchange.send();
}

}  // namespace holdfast::http
