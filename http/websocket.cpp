#include "http/websocket.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include "http/close_reason.hpp"
#include "http/connection.hpp"
#include "http/fields.hpp"

namespace holdfast::http {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
namespace ws = boost::beast::websocket;

constexpr std::int64_t kCloseMs = 2'000;

bhttp::request<bhttp::empty_body> handshake_of(const Request& request) {
  bhttp::request<bhttp::empty_body> out{Verb::get, "/", 11};
  for (const std::string_view name : {"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"})
    if (const auto value = request.find(name))
      out.set(beast::string_view(name.data(), name.size()), beast::string_view(value->data(), value->size()));
  return out;
}

}  // namespace

bool wants_websocket(const Request& request) {
  const auto upgrade = request.find("upgrade");
  return upgrade && bhttp::token_list(beast::string_view(upgrade->data(), upgrade->size())).exists("websocket");
}

Result<void> check_websocket(const Request& request) {
  const auto handshake = handshake_of(request);
  const auto key = request.find("sec-websocket-key");
  constexpr std::size_t kKeySize = 24;  // 16 bytes in base64
  if (request.method() != Verb::get || !ws::is_upgrade(handshake) || !key || key->size() != kKeySize)
    return fail(ErrorCode::invalid_request, "not a WebSocket handshake by RFC 6455");
  if (request.find("sec-websocket-version") != std::optional<std::string_view>("13"))
    return fail(ErrorCode::invalid_request, "the WebSocket version must be 13");
  return {};
}

WebSocketConnection::WebSocketConnection(Exchange& exchange, std::uint64_t message_bytes_max)
    : thread_(exchange.thread().shared_from_this()),
      handshake_(handshake_of(exchange.request())),
      request_id_(exchange.request_id()),
      message_bytes_max_(message_bytes_max),
      counted_(thread_->services().metrics.websockets) {}

void WebSocketConnection::take(Tcp::socket socket) {
  thread_->add(shared_from_this());
  const auto& limits = thread_->services().limits;
  stream_.emplace(std::move(socket));
  stream_->set_option(ws::stream_base::decorator([id = request_id_](ws::response_type& response) {
    response.erase(bhttp::field::server);
    response.set("Request-Id", id);
  }));
  // Beast pings after half of the idle time.
  stream_->set_option(ws::stream_base::timeout{std::chrono::milliseconds(limits.header_timeout_ms),
                                               std::chrono::milliseconds(2 * limits.event_heartbeat_ms), true});
  stream_->read_message_max(message_bytes_max_);
  accept();
}

void WebSocketConnection::accept() {
  stream_->async_accept(handshake_, [self = shared_from_this()](const beast::error_code& ec) {
    if (ec) return self->abort();
    if (self->ended_) return;
    self->on_open();
    self->write_next();
  });
}

void WebSocketConnection::read() {
  if (ended_) return;
  stream_->async_read(in_, [self = shared_from_this()](const beast::error_code& ec, std::size_t) {
    if (ec == ws::error::closed && !self->closing_) {
      const auto& reason = self->stream_->reason();
      self->end_ = {reason.code == 0 ? std::uint16_t{ws::close_code::no_status} : reason.code,
                    std::string(reason.reason.data(), reason.reason.size())};
    }
    if (ec) return self->abort();
    SocketMessage message{beast::buffers_to_string(self->in_.data()), self->stream_->got_binary()};
    self->in_.clear();
    self->on_message(std::move(message));
  });
}

void WebSocketConnection::write(SocketMessage message) {
  if (closing()) return;
  unsent_ += message.data.size();
  out_.push_back(std::move(message));
  if (stream_ && stream_->is_open()) write_next();
}

void WebSocketConnection::write_next() {
  if (writing_ || closing()) return;
  if (out_.empty()) return on_drained();
  writing_ = true;
  write_deadline_ =
      thread_->now_ms() + static_cast<std::int64_t>(thread_->services().limits.write_timeout_ms) + thread_->tick_ms();
  stream_->binary(out_.front().binary);
  stream_->async_write(boost::asio::buffer(out_.front().data),
                       [self = shared_from_this()](const beast::error_code& ec, std::size_t) {
                         self->writing_ = false;
                         if (ec) return self->abort();
                         self->unsent_ -= self->out_.front().data.size();
                         self->out_.pop_front();
                         if (std::exchange(self->closing_, false)) return self->close(self->end_);
                         self->write_next();
                       });
}

void WebSocketConnection::stop() { close({ws::close_code::going_away, {}}); }

// A frame in the making is finished first: Beast allows one write at a time, and a close is one.
void WebSocketConnection::close(SocketClose close) {
  if (closing()) return;
  closing_ = true;
  end_ = std::move(close);
  write_deadline_ = thread_->now_ms() + kCloseMs;
  if (writing_) return;
  if (!stream_ || !stream_->is_open()) return abort();
  writing_ = true;
  const auto reason = reason_in_frame(end_.reason);
  stream_->async_close(ws::close_reason(ws::close_code{end_.code}, beast::string_view(reason.data(), reason.size())),
                       [self = shared_from_this()](const beast::error_code&) { self->abort(); });
}

void WebSocketConnection::tick(std::int64_t now_ms) {
  if (writing_ && now_ms > write_deadline_) abort();
}

void WebSocketConnection::abort() {
  if (ended_) return;
  ended_ = true;
  if (stream_) {
    boost::system::error_code ignored;  // the descriptor is released whatever close() says
    stream_->next_layer().close(ignored);
  }
  const auto self = shared_from_this();
  on_end(end_);
  thread_->remove(*this);
}

}  // namespace holdfast::http
