// A client's WebSocket to an object of the host's.
//
// What the client says goes to the object message by message; the next one is handed over when the object is done with
// the one before, and at most one more is read meanwhile, so a client that says more than the object takes is held up
// by TCP. What the object says comes from any thread and is written in order; a client with more than
// stream_buffer_bytes_max unread is cut, the object never slowed.
#pragma once

#include <mutex>
#include <variant>

#include "http/websocket.hpp"

namespace holdfast::http {

class ObjectSocket final : public WebSocketConnection, public SocketPeer {
 public:
  // Asks the object. The handshake is answered when it agrees; its error is the answer otherwise.
  static void open(Exchange& exchange, std::string object_class, std::string name, holdfast::Request request);

  explicit ObjectSocket(Exchange& exchange);
  void send(SocketMessage message) override;
  void close(SocketClose close) override;

 private:
  class Work;
  using Outgoing = std::variant<SocketMessage, SocketClose>;

  [[nodiscard]] std::shared_ptr<ObjectSocket> self() {
    return std::static_pointer_cast<ObjectSocket>(shared_from_this());
  }
  void post(Outgoing out);
  void flush();
  void hand_over(SocketMessage message);
  void handed_over(const Result<Nothing>& taken);
  void on_open() override;
  void on_message(SocketMessage message) override;
  void on_drained() override {}
  void on_end(const SocketClose& close) override;

  std::shared_ptr<SocketLink> link_;  // while it is open
  std::optional<SocketMessage> next_;
  bool handing_over_ = false;
  bool open_ = false;
  std::mutex mutex_;
  std::vector<Outgoing> outbox_;  // guarded by mutex_
};

}  // namespace holdfast::http
