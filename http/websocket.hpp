// A session's events over a WebSocket (RFC 6455): each envelope one text frame, the same as in SSE and the JSON page.
//
// The client only listens: what it sends is read, so that pings, pongs and its close are answered, and dropped. A ping
// goes out after half of twice event_heartbeat_ms of silence; without any answer the connection ends. Like SSE, the
// next page is read when the one before has been written, and a client that takes nothing for write_timeout_ms is cut.
// Runs on its IoThread; owned by the thread and by the handlers in the air.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <deque>
#include <memory>
#include <string>

#include "http/event_feed.hpp"
#include "http/exchange.hpp"
#include "http/io_thread.hpp"

namespace holdfast::http {

// Whether the request asks to become a WebSocket at all.
[[nodiscard]] bool wants_websocket(const Request& request);
// Whether it asks in the one way that RFC 6455 allows. Errors: invalid_request.
[[nodiscard]] Result<void> check_websocket(const Request& request);

class WebSocketEvents final : public Peer,
                              public EventFeed::Sink,
                              public std::enable_shared_from_this<WebSocketEvents> {
 public:
  // Takes the connection's socket over: `first` once the handshake is done, then what comes after it.
  static void begin(Exchange& exchange, std::string session, EventQuery query, EventPage first);

  void tick(std::int64_t now_ms) override;
  void stop() override;
  void abort() override;
  void on_events(const std::vector<Event>& events) override;
  void on_feed_end(const Error& error) override;

  using Handshake = boost::beast::http::request<boost::beast::http::empty_body>;
  WebSocketEvents(std::shared_ptr<IoThread> thread, std::shared_ptr<EventFeed> feed, Handshake handshake,
                  std::string request_id);

 private:
  void take(Tcp::socket socket);
  void accept();
  void on_accepted();
  void read();
  void write();
  void close(boost::beast::websocket::close_code code);

  std::shared_ptr<IoThread> thread_;
  std::shared_ptr<EventFeed> feed_;
  Handshake handshake_;
  std::string request_id_;
  std::optional<boost::beast::websocket::stream<Tcp::socket>> stream_;  // once the socket is ours
  boost::beast::flat_buffer in_;
  std::deque<std::string> frames_;  // not yet written; the first is in the making while writing_
  std::int64_t write_deadline_ = 0;
  bool writing_ = false;
  bool closing_ = false;
  bool ended_ = false;
};

}  // namespace holdfast::http
