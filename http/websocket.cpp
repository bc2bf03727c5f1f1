#include "http/websocket.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include "http/connection.hpp"
#include "http/fields.hpp"

namespace holdfast::http {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
namespace ws = boost::beast::websocket;

constexpr std::size_t kClientMessageBytesMax = 16 << 10;
constexpr std::int64_t kCloseMs = 2'000;

WebSocketEvents::Handshake handshake_of(const Request& request) {
  WebSocketEvents::Handshake out{Verb::get, "/", 11};
  for (const std::string_view name : {"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"})
    if (const auto value = request.find(name))
      out.set(beast::string_view(name.data(), name.size()), beast::string_view(value->data(), value->size()));
  return out;
}

}  // namespace

bool wants_websocket(const Request& request) {
  const auto upgrade = request.find("upgrade");
  return upgrade && equal_ignoring_case(*upgrade, "websocket");
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

WebSocketEvents::WebSocketEvents(std::shared_ptr<IoThread> thread, std::shared_ptr<EventFeed> feed, Handshake handshake,
                                 std::string request_id)
    : thread_(std::move(thread)),
      feed_(std::move(feed)),
      handshake_(std::move(handshake)),
      request_id_(std::move(request_id)) {}

void WebSocketEvents::begin(Exchange& exchange, std::string session, EventQuery query, EventPage first) {
  auto thread = exchange.thread().shared_from_this();
  query.after = std::max(query.after, first.next);
  auto feed = std::make_shared<EventFeed>(thread, std::move(session), std::move(query));
  auto events = std::make_shared<WebSocketEvents>(std::move(thread), std::move(feed), handshake_of(exchange.request()),
                                                  std::string(exchange.request_id()));
  for (const auto& event : first.items) events->frames_.push_back(to_json(event));
  exchange.connection().hand_over([events](Tcp::socket socket) { events->take(std::move(socket)); });
}

void WebSocketEvents::take(Tcp::socket socket) {
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
  stream_->read_message_max(kClientMessageBytesMax);
  stream_->text(true);
  accept();
}

void WebSocketEvents::accept() {
  stream_->async_accept(handshake_, [self = shared_from_this()](const beast::error_code& ec) {
    if (ec) return self->abort();
    self->on_accepted();
  });
}

void WebSocketEvents::on_accepted() {
  if (ended_) return;
  read();
  feed_->start(*this);
  write();
}

void WebSocketEvents::read() {
  stream_->async_read(in_, [self = shared_from_this()](const beast::error_code& ec, std::size_t) {
    if (ec) return self->abort();
    self->in_.clear();
    self->read();
  });
}

void WebSocketEvents::on_events(const std::vector<Event>& events) {
  for (const auto& event : events) frames_.push_back(to_json(event));
  write();
}

void WebSocketEvents::write() {
  if (writing_ || closing_ || ended_) return;
  if (frames_.empty()) return feed_->resume();
  writing_ = true;
  write_deadline_ =
      thread_->now_ms() + static_cast<std::int64_t>(thread_->services().limits.write_timeout_ms) + thread_->tick_ms();
  stream_->async_write(boost::asio::buffer(frames_.front()),
                       [self = shared_from_this()](const beast::error_code& ec, std::size_t) {
                         self->writing_ = false;
                         if (ec) return self->abort();
                         self->frames_.pop_front();
                         if (self->closing_) {
                           self->closing_ = false;
                           return self->close(ws::close_code::going_away);
                         }
                         self->write();
                       });
}

void WebSocketEvents::on_feed_end(const Error&) { close(ws::close_code::normal); }

void WebSocketEvents::stop() { close(ws::close_code::going_away); }

// A frame in the making is finished first: Beast allows one write at a time, and a close is one.
void WebSocketEvents::close(ws::close_code code) {
  if (closing_ || ended_) return;
  closing_ = true;
  feed_->close();
  write_deadline_ = thread_->now_ms() + kCloseMs;
  if (writing_) return;
  if (!stream_->is_open()) return abort();
  writing_ = true;
  stream_->async_close(code, [self = shared_from_this()](const beast::error_code&) { self->abort(); });
}

void WebSocketEvents::tick(std::int64_t now_ms) {
  if (writing_ && now_ms > write_deadline_) abort();
}

void WebSocketEvents::abort() {
  if (ended_) return;
  ended_ = true;
  feed_->close();
  boost::system::error_code ignored;  // the descriptor is released whatever close() says
  stream_->next_layer().close(ignored);
  thread_->remove(*this);
}

}  // namespace holdfast::http
