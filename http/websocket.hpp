// A WebSocket (RFC 6455) on its IoThread: the handshake on a connection that was HTTP so far, messages both ways, and
// every kind of end. What is said over it is up to who derives: a session's events, or the messages of an object.
//
// A ping goes out after half of twice event_heartbeat_ms of silence; without any answer the connection ends. A client
// that takes nothing for write_timeout_ms is cut. Owned by the thread and by the handlers in the air.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <deque>
#include <holdfast/object.hpp>
#include <memory>
#include <optional>
#include <string>

#include "http/exchange.hpp"
#include "http/io_thread.hpp"
#include "http/metrics.hpp"

namespace holdfast::http {

// Whether the request asks to become a WebSocket at all.
[[nodiscard]] bool wants_websocket(const Request& request);
// Whether it asks in the one way that RFC 6455 allows. Errors: invalid_request.
[[nodiscard]] Result<void> check_websocket(const Request& request);

class WebSocketConnection : public Peer, public std::enable_shared_from_this<WebSocketConnection> {
 public:
  // Takes the socket of a connection over that was asked for it. Call once.
  void take(Tcp::socket socket);

  void tick(std::int64_t now_ms) override;
  void stop() override;
  void abort() override;

 protected:
  explicit WebSocketConnection(Exchange& exchange, std::uint64_t message_bytes_max);

  [[nodiscard]] IoThread& thread() const noexcept { return *thread_; }
  [[nodiscard]] std::size_t unsent() const noexcept { return unsent_; }
  [[nodiscard]] bool closing() const noexcept { return closing_ || ended_; }
  void read();  // the next message; one at a time
  void write(SocketMessage message);
  void close(SocketClose close);

  virtual void on_open() = 0;
  virtual void on_message(SocketMessage message) = 0;
  virtual void on_drained() = 0;                      // all that was written has left
  virtual void on_end(const SocketClose& close) = 0;  // the last call

 private:
  using Handshake = boost::beast::http::request<boost::beast::http::empty_body>;
  void accept();
  void write_next();

  std::shared_ptr<IoThread> thread_;
  const Handshake handshake_;
  const std::string request_id_;
  const std::uint64_t message_bytes_max_;
  const Counted counted_;
  std::optional<boost::beast::websocket::stream<Tcp::socket>> stream_;  // once the socket is ours
  boost::beast::flat_buffer in_;
  std::deque<SocketMessage> out_;  // not yet written; the first is in the making while writing_
  std::size_t unsent_ = 0;         // bytes of those
  std::int64_t write_deadline_ = 0;
  SocketClose end_{1006, {}};  // how it ended, as far as is known
  bool writing_ = false;
  bool closing_ = false;
  bool ended_ = false;
};

}  // namespace holdfast::http
