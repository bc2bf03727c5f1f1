// GET /v1/sessions/{s}/events: one route, three forms. A page is read first in each of them, so that a missing session
// or an expired cursor is an ordinary error and never a stream that ends at once.
#include <charconv>

#include "http/auth.hpp"
#include "http/event_stream.hpp"
#include "http/fields.hpp"
#include "http/respond.hpp"
#include "http/routes.hpp"
#include "http/tickets.hpp"
#include "http/websocket_events.hpp"
#include "src/core/clock.hpp"
#include "src/core/strict.hpp"

namespace holdfast::http {
namespace {

constexpr std::size_t kTypesMax = 64;

Result<std::uint64_t> cursor(std::string_view text) {
  std::uint64_t id = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (text.empty() || ec != std::errc{} || end != text.data() + text.size())
    return fail(ErrorCode::invalid_cursor, "an event cursor is the id of an event that you received, a decimal number");
  return id;
}

// A reconnecting EventSource repeats its URL and adds Last-Event-ID, which therefore wins.
Result<std::uint64_t> cursor_of(const Request& request, const Query& query) {
  const auto last = request.single("last-event-id");
  if (!last) return tl::unexpected(last.error());
  if (*last && !(*last)->empty()) return cursor(**last);
  if (query.find("after") && query.find("cursor"))
    return fail(ErrorCode::invalid_request, "after and cursor are the same; send one of them");
  if (const auto after = query.find("after")) return cursor(*after);
  if (const auto next = query.find("cursor")) return cursor(*next);
  return 0;
}

Result<std::vector<std::string>> types_of(const Query& query) {
  std::vector<std::string> types;
  const auto given = query.find("types");
  if (!given) return types;
  for (std::string_view rest = *given;;) {
    const auto type = rest.substr(0, rest.find(','));
    if (type.empty()) return fail(ErrorCode::invalid_request, "types is a list of event types, separated by commas");
    types.emplace_back(type);
    if (type.size() == rest.size()) break;
    rest.remove_prefix(type.size() + 1);
  }
  if (types.size() > kTypesMax)
    return fail(ErrorCode::invalid_request, "types names more than " + std::to_string(kTypesMax) + " types");
  return types;
}

Result<EventQuery> query_of(const Exchange& x) {
  Query parameters;
  HOLDFAST_TRY(parameters, Query::parse(x.request().query(), {"after", "cursor", "limit", "types", "ticket"}));
  EventQuery query;
  HOLDFAST_TRY(query.after, cursor_of(x.request(), parameters));
  HOLDFAST_TRY(query.limit, parameters.number("limit", query.limit, 1, x.limits().list_items_max));
  HOLDFAST_TRY(query.types, types_of(parameters));
  query.bytes_max = event_page_bytes(x.limits());
  return query;
}

// `next` reads on after this page. It is null when the page reached the end: what comes later is read with ?after= and
// the id of the last event received.
void send_event_page(Exchange& x, EventPage& page) {
  Page<Event> out;
  out.items = std::move(page.items);
  if (page.more) out.next = std::to_string(page.next);
  send_page(x, out);
}

// The request is still here, so what was asked is read from it again. It was valid the first time.
void begin_stream(Exchange& x, EventPage& page) {
  auto session = x.name(0);
  auto query = query_of(x);
  if (!session || !query) return x.fail(ErrorCode::internal, "the request changed while it was answered");
  if (wants_websocket(x.request())) WebSocketEvents::begin(x, std::move(*session), std::move(*query), std::move(page));
  else EventStream::begin(x, std::move(*session), std::move(*query), page);
}

bool wants_stream(const Request& request) {
  if (request.method() != Verb::get) return false;
  return wants_websocket(request) || accepts(request, "text/event-stream");
}

Result<void> redeem_ticket(Exchange& x, const std::string& session) {
  Query query;
  HOLDFAST_TRY(query, Query::parse(x.request().query(), {"after", "cursor", "limit", "types", "ticket"}));
  const auto ticket = query.find("ticket");
  if (!ticket || x.services().tickets.redeem(*ticket, session, SystemClock().now())) return {};
  return fail(ErrorCode::unauthorized, {});
}

}  // namespace

bool carries_ticket(const Request& request) {
  const auto query = request.query();
  return query.starts_with("ticket=") || query.find("&ticket=") != std::string_view::npos;
}

Result<void> read_events(Exchange& x) {
  std::string session;
  EventQuery query;
  HOLDFAST_TRY(session, x.name(0));
  HOLDFAST_TRY(query, query_of(x));
  if (wants_websocket(x.request()))
    if (auto ok = check_websocket(x.request()); !ok) return ok;
  if (carries_ticket(x.request()))
    if (auto ok = redeem_ticket(x, session); !ok) return ok;
  const auto render = wants_stream(x.request()) ? &begin_stream : &send_event_page;
  x.engine().events_async(std::move(session), std::move(query), x.then_waiting<EventPage>(render));
  return {};
}

}  // namespace holdfast::http
