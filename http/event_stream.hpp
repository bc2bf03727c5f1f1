// A session's events on one HTTP connection, as Server-Sent Events (WHATWG HTML, 9.2).
//
// Each event is `id:`, `event:` and `data:` with the envelope in one line; a comment is sent after event_heartbeat_ms
// of silence, so that proxies and clients see a living connection. The next page is read when the one before has left,
// so at most one page (event_page_bytes) is unsent; a client that takes nothing for write_timeout_ms is disconnected.
// Runs on the connection's I/O thread; the connection owns it.
#pragma once

#include <memory>

#include "http/connection.hpp"
#include "http/event_feed.hpp"
#include "http/metrics.hpp"

namespace holdfast::http {

// How many bytes of events a page holds, so that a page and its framing stay under stream_buffer_bytes_max.
[[nodiscard]] std::size_t event_page_bytes(const Limits& limits) noexcept;

class EventStream final : public StreamSource, public EventFeed::Sink {
 public:
  // Turns the answer in the making into a stream: `first` now, then what comes after it.
  static void begin(Exchange& exchange, std::string session, EventQuery query, const EventPage& first);

  void on_drained() override;
  void on_tick(std::int64_t now_ms) override;
  void on_closed() override;
  void on_events(const std::vector<Event>& events) override;
  void on_feed_end(const Error& error) override;

  EventStream(Connection& connection, std::shared_ptr<EventFeed> feed);

 private:
  Connection& connection_;  // owns this, up to on_closed()
  std::shared_ptr<EventFeed> feed_;
  std::string text_;
  std::int64_t last_write_ms_;
  const Counted counted_;
};

}  // namespace holdfast::http
