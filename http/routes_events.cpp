// GET /v1/sessions/{s}/events: one route, three forms. A page is read first in each of them, so that a missing session
// or an expired cursor is an ordinary error and never a stream that ends at once.
#include "http/auth.hpp"
#include "http/event_query.hpp"
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
  auto query = event_query_of(x.request(), x.limits());
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
  HOLDFAST_TRY(query, event_parameters(x.request()));
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
  HOLDFAST_TRY(query, event_query_of(x.request(), x.limits()));
  if (wants_websocket(x.request()))
    if (auto ok = check_websocket(x.request()); !ok) return ok;
  if (carries_ticket(x.request()))
    if (auto ok = redeem_ticket(x, session); !ok) return ok;
  const auto render = wants_stream(x.request()) ? &begin_stream : &send_event_page;
  x.engine().events_async(std::move(session), std::move(query), x.then_waiting<EventPage>(render));
  return {};
}

}  // namespace holdfast::http
