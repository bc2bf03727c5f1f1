#include "http/websocket_events.hpp"

#include "http/connection.hpp"

namespace holdfast::http {
namespace {

constexpr std::size_t kClientMessageBytesMax = 16 << 10;
constexpr std::uint16_t kNormalClose = 1000;

}  // namespace

WebSocketEvents::WebSocketEvents(Exchange& exchange, std::shared_ptr<EventFeed> feed, std::vector<Event> first)
    : WebSocketConnection(exchange, kClientMessageBytesMax), feed_(std::move(feed)), first_(std::move(first)) {}

void WebSocketEvents::begin(Exchange& exchange, std::string session, EventQuery query, EventPage first) {
  query.after = std::max(query.after, first.next);
  auto feed = std::make_shared<EventFeed>(exchange.thread().shared_from_this(), std::move(session), std::move(query));
  auto events = std::make_shared<WebSocketEvents>(exchange, std::move(feed), std::move(first.items));
  exchange.connection().hand_over([events](Tcp::socket socket) { events->take(std::move(socket)); });
}

void WebSocketEvents::on_open() {
  read();
  feed_->start(*this);
  for (const auto& event : std::exchange(first_, {})) write({to_json(event), false});
}

void WebSocketEvents::on_events(const std::vector<Event>& events) {
  for (const auto& event : events) write({to_json(event), false});
  if (events.empty()) feed_->resume();
}

void WebSocketEvents::on_feed_end(const Error&) { close({kNormalClose, {}}); }

}  // namespace holdfast::http
