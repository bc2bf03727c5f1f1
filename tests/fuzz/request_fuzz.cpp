// Any bytes as what a request says beside its body: query string, cursors, and header fields with a grammar of their
// own. Refused with a code of this API, or read into a value that is written and read to the same.
//
// The input is lines: the query string, then `name: value` fields.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "http/event_query.hpp"
#include "http/fields.hpp"
#include "http/query.hpp"
#include "http/websocket.hpp"
#include "src/core/check.hpp"
#include "src/core/ids.hpp"

using namespace holdfast;
using http::Plus;

namespace {

void check_escapes(std::string_view raw) {
  const auto encoded = http::percent_encoded(raw);
  HOLDFAST_CHECK(http::percent_decoded(encoded, Plus::space) == raw);
  HOLDFAST_CHECK(http::percent_decoded(encoded, Plus::literal) == raw);
  if (const auto decoded = http::percent_decoded(raw, Plus::literal))
    HOLDFAST_CHECK(http::percent_decoded(http::percent_encoded(*decoded), Plus::literal) == decoded);
}

// A page's Link: the same query with another cursor.
void check_link(std::string_view raw) {
  const auto parse = [](std::string_view text) {
    return http::Query::parse(text, {"limit", "cursor", "prefix", "status"});
  };
  const auto query = parse(raw);
  if (!query) {
    HOLDFAST_CHECK(query.error().code == ErrorCode::invalid_request && !query.error().detail.empty());
    return;
  }
  const std::string next = "a/1 &=%\xff";
  const auto link = parse(http::with_parameter(raw, "cursor", next));
  // An escaped "cursor" is not taken out, and then there are two.
  if (!link) return;
  HOLDFAST_CHECK(link->text("cursor") == next);
  HOLDFAST_CHECK(link->find("prefix") == query->find("prefix") && link->find("limit") == query->find("limit"));
  if (const auto number = query->number("limit", 7, 1, 100)) HOLDFAST_CHECK(*number >= 1 && *number <= 100);
}

void check_events(const http::Request& request) {
  const Limits limits;
  const auto query = http::event_query_of(request, limits);
  if (!query) {
    const auto code = query.error().code;
    HOLDFAST_CHECK(code == ErrorCode::invalid_request || code == ErrorCode::invalid_cursor);
    return;
  }
  HOLDFAST_CHECK(query->limit >= 1 && query->limit <= limits.list_items_max);
  for (const auto& type : query->types) HOLDFAST_CHECK(!type.empty() && type.find(',') == std::string::npos);
}

void check_fields(const http::Request& request) {
  using Kind = Precondition::Kind;
  if (const auto match = http::precondition_of(request)) {
    HOLDFAST_CHECK((match->kind == Kind::etag) || match->etags.empty());
    for (const auto& etag : match->etags) HOLDFAST_CHECK(etag.find('"') == std::string::npos);
  } else {
    HOLDFAST_CHECK(match.error().code == ErrorCode::invalid_request);
  }
  if (const auto key = http::idempotency_key_of(request)) HOLDFAST_CHECK(key->empty() || valid_name(*key));
  if (const auto id = http::request_id_of(request)) HOLDFAST_CHECK(valid_name(*id));
  const auto trace = http::traceparent_of(request);
  HOLDFAST_CHECK(trace.empty() || trace.size() == 55);
  (void)http::preferred_wait(request);
  (void)http::accepts(request, "text/event-stream");
  if (const auto ok = http::require_json(request); !ok)
    HOLDFAST_CHECK(ok.error().code == ErrorCode::unsupported_media_type ||
                   ok.error().code == ErrorCode::invalid_request);
  if (http::check_websocket(request)) HOLDFAST_CHECK(http::wants_websocket(request));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto line = [&rest] {
    const auto one = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    return one;
  };
  const auto query = line();
  check_escapes(query);
  check_link(query);
  http::Request request;
  request.set_start_line(http::Verb::get, "/v1/sessions/s/events?" + std::string(query), 11);
  while (!rest.empty()) {
    const auto field = line();
    const auto colon = field.find(": ");
    if (colon != std::string_view::npos && colon != 0)
      request.add_field(field.substr(0, colon), field.substr(colon + 2));
  }
  check_events(request);
  check_fields(request);
  return 0;
}
