#include "src/engine/turn_pool.hpp"

#include <pthread.h>

#include <algorithm>
#include <exception>

#include "src/core/json.hpp"
#include "src/engine/answers.hpp"
#include "src/engine/impl.hpp"

namespace holdfast {
namespace {

// A wake of the session is looked at after so long: several events that come together cost one look.
constexpr Time kLookMs = 5;

}  // namespace

std::string Turn::text() const {
  json::Parser parser;
  const auto turn = parser.parse(message().turn);
  json::Element content;
  if (!turn || turn->at_key("content").get(content) != simdjson::SUCCESS) return {};
  std::string_view text;
  return content.get(text) == simdjson::SUCCESS ? std::string(text) : json::canonical(content);
}

struct TurnPool::Handler {
  TurnHandler run;
  ClaimRequest request;
};

// The turn as the handler sees it, and what keeps its lease.
class TurnPool::HeldTurn final : public Turn, public std::enable_shared_from_this<HeldTurn> {
 public:
  HeldTurn(Engine::Impl& engine, Delivery delivery, std::int64_t lease_ms)
      : engine_(engine),
        delivery_(std::move(delivery)),
        lease_{delivery_.delivery, delivery_.lease},
        lease_ms_(lease_ms),
        steers_(delivery_.steer) {}

  // From now on the lease is kept, until end().
  void hold() {
    const std::weak_ptr<HeldTurn> weak = shared_from_this();
    auto watch = engine_.watch(delivery_.session.session, [weak] {
      if (const auto turn = weak.lock()) turn->look_soon();
    });
    const std::lock_guard lock(mutex_);
    watch_ = std::move(watch);
    beat_later();
  }
  // Nothing is kept any more.
  void end() {
    std::unique_ptr<Subscription> watch;  // ends without the lock: a wake that runs right now wants it
    const std::lock_guard lock(mutex_);
    ended_ = true;
    watch = std::move(watch_);
  }
  void cancel() { stop_.request_stop(); }
  [[nodiscard]] bool reported() const noexcept { return reported_; }

  [[nodiscard]] const Delivery& delivery() const noexcept override { return delivery_; }
  [[nodiscard]] std::stop_token stop_token() const noexcept override { return stop_.get_token(); }

  Result<std::uint64_t> emit(std::string type, Json data) override {
    if (!data.empty()) {
      json::Parser parser;
      if (auto ok = parser.parse(data); !ok) return tl::unexpected(std::move(ok.error()));
    }
    std::vector<RuntimeEvent> events;
    events.push_back({std::move(type), std::move(data)});
    return tell<std::uint64_t>(session::AppendEvents{{}, std::move(events)});
  }

  // The session hands them out only now: what comes after the last look stays there and runs next.
  [[nodiscard]] std::vector<Message> take_steers() override {
    auto steers = std::exchange(steers_, {});
    auto beat = tell<Heartbeat>(session::Beat{{}, session::Beat::Kind::look, session::Beat::Steers::hand_out});
    if (!beat) return steers;
    if (beat->interrupt) cancel();
    for (auto& message : beat->steer) steers.push_back(std::move(message));
    return steers;
  }

  Result<Nothing> complete(Json result, std::optional<WorkspaceState> workspace) override {
    return report(session::Complete{{}, {std::move(result), workspace}});
  }
  Result<Nothing> fail(FailReport failure) override { return report(session::Fail{{}, std::move(failure)}); }
  Result<Nothing> release() override { return report(session::Release{}); }
  Result<Nothing> accept() { return tell<Nothing>(session::Accept{}); }

 private:
  template <class T, class C>
  Result<T> tell(C command) {
    auto result = wait_for<T>(engine_.pipeline(),
                              [&](auto done) { engine_.delivery(lease_, std::move(command), 0, answer<T>(done)); });
    if (!result && result.error().code == ErrorCode::lease_lost) cancel();
    return result;
  }
  template <class C>
  Result<Nothing> report(C command) {
    reported_ = true;
    return tell<Nothing>(std::move(command));
  }

  void beat_later() {  // under mutex_
    engine_.timers().at(engine_.clock().now() + lease_ms_ / 3, [weak = weak_from_this()] {
      const auto turn = weak.lock();
      if (!turn || turn->ended()) return;
      turn->beat(session::Beat::Kind::extend);
      const std::lock_guard lock(turn->mutex_);
      turn->beat_later();
    });
  }
  void look_soon() {
    const std::lock_guard lock(mutex_);
    if (ended_ || looking_) return;
    looking_ = true;
    engine_.timers().at(engine_.clock().now() + kLookMs, [weak = weak_from_this()] {
      const auto turn = weak.lock();
      if (!turn) return;
      {
        const std::lock_guard relock(turn->mutex_);
        turn->looking_ = false;
        if (turn->ended_) return;
      }
      turn->beat(session::Beat::Kind::look);
    });
  }
  void beat(session::Beat::Kind kind) {
    engine_.delivery(lease_, session::Beat{{}, kind, session::Beat::Steers::leave}, 0,
                     answer<Heartbeat>([self = shared_from_this()](Result<Heartbeat> beat) {
                       if (!beat) {
                         if (beat.error().code == ErrorCode::lease_lost && !self->ended()) self->cancel();
                         return;
                       }
                       if (beat->interrupt) self->cancel();
                     }));
  }
  [[nodiscard]] bool ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }

  Engine::Impl& engine_;
  const Delivery delivery_;
  const LeaseRef lease_;
  const std::int64_t lease_ms_;
  std::stop_source stop_;
  bool reported_ = false;        // by the handler's thread
  std::vector<Message> steers_;  // that came with the delivery; by the handler's thread
  std::mutex mutex_;
  std::unique_ptr<Subscription> watch_;
  bool looking_ = false;
  bool ended_ = false;
};

TurnPool::TurnPool(Engine::Impl& engine, unsigned threads) : engine_(engine), thread_count_(std::max(1U, threads)) {}

TurnPool::~TurnPool() { stop(); }

void TurnPool::add(std::string handler_class, TurnHandler handler, TurnOptions options) {
  auto added = std::make_shared<Handler>();
  added->run = std::move(handler);
  auto& request = added->request;
  request.runtime = kInProcess;
  request.labels = std::move(options.labels);
  request.labels.insert_or_assign("class", std::move(handler_class));
  request.lease_ms = std::clamp(options.lease_ms, static_cast<std::int64_t>(engine_.limits().lease_ms_min),
                                static_cast<std::int64_t>(engine_.limits().lease_ms_max));
  request.wait_ms = static_cast<std::int64_t>(engine_.limits().claim_wait_ms_max);
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    while (threads_.size() < thread_count_) threads_.emplace_back([this] { work(); });
  }
  const unsigned places = options.concurrency == 0 ? thread_count_ : options.concurrency;
  for (unsigned n = 0; n < places; ++n) claim(added);
}

void TurnPool::claim(const std::shared_ptr<Handler>& handler) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
  }
  engine_.claim(handler->request, [this, handler](Result<std::vector<Delivery>> deliveries) {
    // The answer comes on a commit thread or inside the call: what follows is done elsewhere.
    constexpr Time kAgainMs = 1'000;
    if (!deliveries || deliveries->empty()) {
      const Time at = deliveries ? 0 : engine_.clock().now() + kAgainMs;
      engine_.timers().at(at, [this, handler] { claim(handler); });
      return;
    }
    take(handler, std::move(deliveries->front()));
  });
}

void TurnPool::take(const std::shared_ptr<Handler>& handler, Delivery delivery) {
  auto turn = std::make_shared<HeldTurn>(engine_, std::move(delivery), handler->request.lease_ms);
  turn->hold();
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_) {
      queue_.emplace_back(handler, std::move(turn));
      wake_.notify_one();
      return;
    }
  }
  turn->end();  // its lease ends with the process: the next start takes the turn back
}

void TurnPool::work() {
  ::pthread_setname_np(::pthread_self(), "hf-turn");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopped_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto [handler, turn] = std::move(queue_.front());
    queue_.pop_front();
    if (stopped_) {
      lock.unlock();
      (void)turn->release();
      turn->end();
      lock.lock();
      continue;
    }
    at_work_.insert(turn);
    lock.unlock();
    run(*handler, *turn);
    turn->end();
    lock.lock();
    at_work_.erase(turn);
    if (stopped_) continue;
    lock.unlock();
    claim(handler);
    lock.lock();
  }
}

void TurnPool::run(const Handler& handler, HeldTurn& turn) {
  if (!turn.accept()) return;  // somebody else has it by now
  running_.fetch_add(1, std::memory_order_relaxed);
  std::optional<FailReport> thrown;
  try {
    handler.run(turn);
  } catch (const std::exception& e) {
    thrown = FailReport{"exception", true, 0, e.what()};
  } catch (...) {
    thrown = FailReport{"exception", true, 0, "the handler threw something that is no std::exception"};
  }
  running_.fetch_sub(1, std::memory_order_relaxed);
  if (turn.reported()) return;
  if (thrown) (void)turn.fail(std::move(*thrown));
  else if (turn.cancelled()) (void)turn.release();
  else (void)turn.complete({}, {});
}

void TurnPool::stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const auto& turn : at_work_) turn->cancel();
    threads.swap(threads_);
  }
  wake_.notify_all();
  for (auto& thread : threads) thread.join();
}

}  // namespace holdfast
