// A session's events over a WebSocket: each envelope one text frame, the same as in SSE and the JSON page.
//
// The client only listens: what it sends is read, so that pings, pongs and its close are answered, and dropped. Like
// SSE, the next page is read when the one before has been written.
#pragma once

#include "http/event_feed.hpp"
#include "http/websocket.hpp"

namespace holdfast::http {

class WebSocketEvents final : public WebSocketConnection, public EventFeed::Sink {
 public:
  // Takes the connection's socket over: `first` once the handshake is done, then what comes after it.
  static void begin(Exchange& exchange, std::string session, EventQuery query, EventPage first);

  WebSocketEvents(Exchange& exchange, std::shared_ptr<EventFeed> feed, std::vector<Event> first);
  void on_events(const std::vector<Event>& events) override;
  void on_feed_end(const Error& error) override;

 private:
  void on_open() override;
  void on_message(SocketMessage) override { read(); }
  void on_drained() override { feed_->resume(); }
  void on_end(const SocketClose&) override { feed_->close(); }

  std::shared_ptr<EventFeed> feed_;
  std::vector<Event> first_;
};

}  // namespace holdfast::http
