// subscribe(): a watch that reads for its owner, page by page, each event once and in order.
#include <holdfast/engine.hpp>

#include "src/engine/impl.hpp"

namespace holdfast {
namespace {

class Reader final : public std::enable_shared_from_this<Reader> {
 public:
  using ReadPage = std::function<void(EventQuery, Done<EventPage>)>;

  Reader(shell::Timers& timers, std::uint64_t after, ReadPage read, std::function<void(const Event&)> on_event)
      : timers_(timers), after_(after), read_(std::move(read)), on_event_(std::move(on_event)) {}

  // Reads on the timers' thread: one at a time, and never on the commit writer.
  void wake() {
    timers_.at(0, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->read_on();
    });
  }

  void end() {
    const std::lock_guard lock(mutex_);
    on_event_ = nullptr;
  }

 private:
  void read_on() {
    const std::lock_guard lock(mutex_);
    bool more = true;
    while (more && on_event_) {
      more = false;
      EventQuery query;
      query.after = after_;
      read_(query, [&](Result<EventPage> page) {
        if (!page) return;
        for (const auto& event : page->items) {
          if (on_event_) on_event_(event);
        }
        after_ = page->next;
        more = page->more;
      });
    }
  }

  shell::Timers& timers_;
  std::recursive_mutex mutex_;  // an event's callback may end the subscription
  std::uint64_t after_;
  ReadPage read_;
  std::function<void(const Event&)> on_event_;
};

class Handle final : public Subscription {
 public:
  Handle(std::shared_ptr<Reader> reader, std::unique_ptr<Subscription> watch)
      : reader_(std::move(reader)), watch_(std::move(watch)) {}
  ~Handle() override {
    watch_.reset();
    reader_->end();
  }

 private:
  std::shared_ptr<Reader> reader_;
  std::unique_ptr<Subscription> watch_;
};

}  // namespace

std::unique_ptr<Subscription> Engine::subscribe(std::string session, std::uint64_t after,
                                                std::function<void(const Event&)> on_event) {
  auto reader = std::make_shared<Reader>(
      impl_->timers(), after,
      [impl = impl_.get(), session](const EventQuery& query, Done<EventPage> done) {
        impl->events(session, query, std::move(done));
      },
      std::move(on_event));
  auto watch = impl_->watch(session, [weak = std::weak_ptr(reader)] {
    if (const auto r = weak.lock()) r->wake();
  });
  reader->wake();
  return std::make_unique<Handle>(std::move(reader), std::move(watch));
}

}  // namespace holdfast
