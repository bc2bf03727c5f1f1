#include "http/event_feed.hpp"

#include <algorithm>

namespace holdfast::http {

class EventFeed::Wake final : public Task {
 public:
  explicit Wake(std::shared_ptr<EventFeed> feed) : feed_(std::move(feed)) {}
  void run() override {
    feed_->woken_.store(false);
    feed_->stale_ = true;
    feed_->read();
  }

 private:
  std::shared_ptr<EventFeed> feed_;
};

class EventFeed::Page final : public Task {
 public:
  explicit Page(std::shared_ptr<EventFeed> feed, Result<EventPage> page)
      : feed_(std::move(feed)), page_(std::move(page)) {}
  void run() override { feed_->on_page(std::move(page_)); }

 private:
  std::shared_ptr<EventFeed> feed_;
  Result<EventPage> page_;
};

EventFeed::EventFeed(std::shared_ptr<IoThread> thread, std::string session, EventQuery from)
    : thread_(std::move(thread)), session_(std::move(session)), query_(std::move(from)) {}

void EventFeed::start(Sink& sink) {
  sink_ = &sink;
  // The subscription ends before the feed does, and its destructor waits for a wake() that runs.
  subscription_ = thread_->services().engine.load()->watch(session_, [this] { wake(); });
  read();
}

void EventFeed::resume() {
  resting_ = false;
  read();
}

void EventFeed::close() {
  sink_ = nullptr;
  subscription_.reset();
}

void EventFeed::wake() {
  if (woken_.exchange(true)) return;
  if (auto self = weak_from_this().lock()) thread_->submit(std::make_unique<Wake>(std::move(self)));
}

void EventFeed::read() {
  if (sink_ == nullptr || reading_ || resting_ || !stale_) return;
  reading_ = true;
  stale_ = false;
  thread_->services().engine.load()->events_async(
      session_, query_, [self = shared_from_this()](Result<EventPage> page) {
        self->thread_->submit(std::make_unique<Page>(self, std::move(page)));
      });
}

void EventFeed::on_page(Result<EventPage> page) {
  reading_ = false;
  if (sink_ == nullptr) return;
  if (!page) {
    auto* sink = std::exchange(sink_, nullptr);
    subscription_.reset();
    return sink->on_feed_end(page.error());
  }
  query_.after = std::max(query_.after, page->next);
  stale_ = stale_ || page->more;
  if (!page->items.empty()) {
    resting_ = true;
    sink_->on_events(page->items);
  }
  read();
}

}  // namespace holdfast::http
