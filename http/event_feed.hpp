// EventFeed: reads one session's events for one reader, page by page, for as long as both live.
//
// Operation: `watch` says that there is something new; a page is then read from the cursor on, and handed to the sink.
// After a page with events the feed rests until the sink says resume(), which it does when its client has taken them:
// a slow client slows its own feed, and nobody else. No event is kept here, so a reader costs one cursor.
//
// The watch stands before the first read, and a wake-up during a read leads to another read: nothing falls between.
// Concurrency: the sink is called on the I/O thread, never from inside a call to the feed; `wake` comes from any
// thread.
#pragma once

#include <atomic>
#include <holdfast/engine.hpp>
#include <memory>
#include <string>

#include "http/io_thread.hpp"

namespace holdfast::http {

class EventFeed final : public std::enable_shared_from_this<EventFeed> {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void on_events(const std::vector<Event>& events) = 0;
    virtual void on_feed_end(const Error& error) = 0;  // the session is gone, or its cursor expired; the last call
  };

  EventFeed(std::shared_ptr<IoThread> thread, std::string session, EventQuery from);

  // `sink` outlives the feed's last call, which close() makes sure of.
  void start(Sink& sink);
  void resume();
  void close();

 private:
  class Page;
  class Wake;
  void wake();
  void read();
  void on_page(Result<EventPage> page);

  std::shared_ptr<IoThread> thread_;
  const std::string session_;
  EventQuery query_;
  Sink* sink_ = nullptr;  // none: closed
  bool reading_ = false;
  bool stale_ = true;  // there may be events that were not read
  bool resting_ = false;
  std::atomic<bool> woken_{false};
  std::unique_ptr<Subscription> subscription_;  // last: no wake-up finds the rest destroyed
};

}  // namespace holdfast::http
