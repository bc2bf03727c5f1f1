#include "http/object_socket.hpp"

#include <boost/beast/websocket/rfc6455.hpp>

#include "http/connection.hpp"

namespace holdfast::http {
namespace {

namespace ws = boost::beast::websocket;

// An object that agreed, and the connection that waits for it.
struct Opened {
  std::shared_ptr<ObjectSocket> socket;
  std::shared_ptr<SocketLink> link;
};

std::uint16_t close_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::overloaded:
    case ErrorCode::shutting_down:
    case ErrorCode::commit_unknown:
    case ErrorCode::insufficient_storage: return ws::close_code::try_again_later;
    default: return ws::close_code::internal_error;
  }
}

}  // namespace

// A call into the socket from another thread.
class ObjectSocket::Work final : public Task {
 public:
  Work(std::shared_ptr<ObjectSocket> socket, std::function<void(ObjectSocket&)> call)
      : socket_(std::move(socket)), call_(std::move(call)) {}
  void run() override { call_(*socket_); }

 private:
  std::shared_ptr<ObjectSocket> socket_;
  std::function<void(ObjectSocket&)> call_;
};

ObjectSocket::ObjectSocket(Exchange& exchange)
    : WebSocketConnection(exchange, exchange.limits().websocket_message_bytes_max) {}

void ObjectSocket::open(Exchange& exchange, std::string object_class, std::string name, holdfast::Request request) {
  auto socket = std::make_shared<ObjectSocket>(exchange);
  // If the client leaves meanwhile the link goes with the answer, which tells the object.
  const Done<Opened> opened = exchange.then<Opened>([](Exchange& x, Opened& agreed) {
    x.connection().hand_over([agreed = std::move(agreed)](Tcp::socket tcp) {
      agreed.socket->link_ = agreed.link;
      agreed.socket->take(std::move(tcp));
    });
  });
  exchange.engine().open_websocket_async(std::move(object_class), std::move(name), std::move(request), socket,
                                         [socket, opened](Result<std::shared_ptr<SocketLink>> link) {
                                           if (link) opened(Opened{socket, std::move(*link)});
                                           else opened(tl::unexpected(std::move(link.error())));
                                         });
}

void ObjectSocket::send(SocketMessage message) { post(std::move(message)); }

void ObjectSocket::close(SocketClose close) { post(std::move(close)); }

void ObjectSocket::post(Outgoing out) {
  {
    const std::lock_guard lock(mutex_);
    outbox_.push_back(std::move(out));
    if (outbox_.size() > 1) return;  // on its way already
  }
  thread().submit(std::make_unique<Work>(self(), [](ObjectSocket& socket) { socket.flush(); }));
}

void ObjectSocket::flush() {
  if (!open_) return;  // on_open() comes by
  std::vector<Outgoing> out;
  {
    const std::lock_guard lock(mutex_);
    out.swap(outbox_);
  }
  for (auto& one : out) {
    if (auto* message = std::get_if<SocketMessage>(&one)) write(std::move(*message));
    else WebSocketConnection::close(std::get<SocketClose>(std::move(one)));
  }
  if (unsent() > thread().services().limits.stream_buffer_bytes_max) abort();
}

void ObjectSocket::on_open() {
  open_ = true;
  flush();
  read();
}

void ObjectSocket::on_message(SocketMessage message) {
  if (handing_over_) {
    next_ = std::move(message);
    return;
  }
  hand_over(std::move(message));
  read();
}

void ObjectSocket::hand_over(SocketMessage message) {
  handing_over_ = true;
  link_->received(std::move(message), [socket = self()](Result<Nothing> taken) {
    socket->thread().submit(std::make_unique<Work>(
        socket, [taken = std::move(taken)](ObjectSocket& on_thread) { on_thread.handed_over(taken); }));
  });
}

void ObjectSocket::handed_over(const Result<Nothing>& taken) {
  handing_over_ = false;
  if (!taken) return WebSocketConnection::close({close_code_of(taken.error().code), taken.error().detail});
  if (closing() || !next_) return;
  hand_over(*std::exchange(next_, std::nullopt));
  read();
}

void ObjectSocket::on_end(const SocketClose& close) {
  if (const auto link = std::exchange(link_, nullptr)) link->closed(close);
}

}  // namespace holdfast::http
