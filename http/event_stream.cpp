#include "http/event_stream.hpp"

#include <algorithm>

#include "http/event_text.hpp"
#include "src/core/json.hpp"

namespace holdfast::http {
void append_event(std::string& out, const Event& event) {
  out += "id: ";
  json::append_number(out, event.id);
  out += "\nevent: ";
  out += event.type;
  out += "\ndata: ";
  out += to_json(event);
  out += "\n\n";
}

std::size_t event_page_bytes(const Limits& limits) noexcept {
  constexpr std::uint64_t kPageBytesMax = 256 << 10;
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(limits.stream_buffer_bytes_max / 4, 1, kPageBytesMax));
}

EventStream::EventStream(Connection& connection, std::shared_ptr<EventFeed> feed)
    : connection_(connection),
      feed_(std::move(feed)),
      last_write_ms_(connection.thread().now_ms()),
      counted_(connection.thread().services().metrics.streams) {}

void EventStream::begin(Exchange& exchange, std::string session, EventQuery query, const EventPage& first) {
  auto& connection = exchange.connection();
  query.after = std::max(query.after, first.next);
  auto feed = std::make_shared<EventFeed>(connection.thread().shared_from_this(), std::move(session), std::move(query));
  auto stream = std::make_shared<EventStream>(connection, feed);
  auto& answer = exchange.answer();
  answer.content_type = "text/event-stream";
  answer.add_header("Cache-Control", "no-store");
  answer.add_header("X-Accel-Buffering", "no");
  connection.begin_stream(stream);
  feed->start(*stream);
  if (first.items.empty()) connection.write_stream(":\n\n");  // lets the client see that it is connected
  else stream->on_events(first.items);
}

void EventStream::on_events(const std::vector<Event>& events) {
  text_.clear();
  for (const auto& event : events) append_event(text_, event);
  last_write_ms_ = connection_.thread().now_ms();
  connection_.write_stream(text_);
}

void EventStream::on_drained() { feed_->resume(); }

void EventStream::on_tick(std::int64_t now_ms) {
  if (connection_.unsent() != 0) return;
  if (now_ms - last_write_ms_ < static_cast<std::int64_t>(connection_.thread().services().limits.event_heartbeat_ms))
    return;
  last_write_ms_ = now_ms;
  connection_.write_stream(":\n\n");
}

void EventStream::on_closed() { feed_->close(); }

void EventStream::on_feed_end(const Error&) { connection_.end_stream(); }

}  // namespace holdfast::http
