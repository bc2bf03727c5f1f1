#include "actors/shell/courier.hpp"

#include "actors/shell/router.hpp"
#include "src/egress/webhook.hpp"

namespace holdfast::shell {

Courier::Courier(Services& services, egress::Outbound& outbound, Secrets secrets)
    : services_(services),
      outbound_(outbound),
      secrets_(std::move(secrets)),
      targets_({services.limits.target_concurrency, services.limits.target_failures_max,
                static_cast<std::int64_t>(services.limits.target_rest_ms)}) {}

bool Courier::ring(std::string_view key) {
  auto callback = keys::parse_callback(key);
  if (!callback) return true;
  if (services_.disk_used_up()) return false;  // that it was sent could not be written down
  {
    const std::lock_guard lock(mutex_);
    if (stopped_ || outstanding_ >= kOutstanding) return false;
    ++outstanding_;
  }
  read(*callback, std::nullopt);
  return true;
}

void Courier::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
}

std::size_t Courier::outstanding() const {
  const std::lock_guard lock(mutex_);
  return outstanding_;
}

void Courier::read(const keys::Callback& callback, const Place& place) {
  auto envelope = std::make_shared<SessionCommand>(callback.session, session::ReadCallback{callback.position});
  envelope->done = [this, callback, place](holdfast::Result<session::Reply>&& reply) {
    auto* job = reply ? std::get_if<session::CallbackJob>(&*reply) : nullptr;
    if (job != nullptr && !job->url.empty()) return send(callback, std::move(*job), place);
    if (job == nullptr) read_later(callback);
    else end(callback, Result::sent, {});
    give_back(place);
  };
  services_.router->send(std::move(envelope));
}

void Courier::read_later(const keys::Callback& callback) {
  constexpr Time kAgainMs = 1'000;
  {
    const std::lock_guard lock(mutex_);
    --outstanding_;  // one that can never be read must not keep others out
  }
  services_.timers.at(services_.clock.now() + kAgainMs,
                      [&services = services_, callback] { services.on_callback(callback); });
}

bool Courier::enter(const keys::Callback& callback, const std::string& origin) {
  using Door = egress::Targets::Door;
  {
    const std::lock_guard lock(mutex_);
    const auto door = targets_.enter(origin, services_.clock.now()).door;
    if (door == Door::open) return true;
    waiting_[origin].push_back(callback);
    if (door == Door::busy) return false;  // read again when a place is free: what waits costs a key
  }
  refuse_waiting(origin);
  return false;
}

void Courier::give_back(const Place& place) {
  if (!place) return;
  {
    const std::lock_guard lock(mutex_);
    targets_.cancel(*place);
  }
  pump(*place);
}

void Courier::refuse_waiting(const std::string& origin) {
  decltype(waiting_)::node_type refused;
  {
    const std::lock_guard lock(mutex_);
    refused = waiting_.extract(origin);
  }
  if (refused.empty()) return;
  for (const auto& one : refused.mapped()) end(one, Result::failed, "the receiver failed too often; it was left alone");
}

void Courier::send(const keys::Callback& callback, session::CallbackJob job, const Place& place) {
  const auto origin = egress::origin_of(job.url).value_or(std::string());
  if (place == origin) return post(callback, std::move(job), origin);
  give_back(place);
  if (enter(callback, origin)) post(callback, std::move(job), origin);
}

void Courier::post(const keys::Callback& callback, session::CallbackJob job, const std::string& origin) {
  const auto at = services_.clock.now() / 1'000;
  const auto secrets = secrets_();
  egress::Request request;
  request.url = std::move(job.url);
  request.timeout_ms = static_cast<std::int64_t>(services_.limits.callback_timeout_ms);
  request.answer_bytes_max = services_.limits.body_bytes_max;
  for (auto& [name, value] : job.headers) request.headers.emplace_back(name, value);
  request.headers.emplace_back("content-type", "application/json");
  request.headers.emplace_back("webhook-id", job.id);
  request.headers.emplace_back("webhook-timestamp", std::to_string(at));
  request.headers.emplace_back("webhook-signature", egress::sign_webhook(secrets, job.id, at, job.body));
  if (!job.traceparent.empty()) request.headers.emplace_back("traceparent", job.traceparent);
  request.body = std::move(job.body);
  outbound_.post(std::move(request),
                 [this, callback, origin](const egress::Outcome& outcome) { answered(callback, origin, outcome); });
}

void Courier::answered(const keys::Callback& callback, const std::string& origin, const egress::Outcome& outcome) {
  constexpr int kNotFound = 404;
  constexpr int kGone = 410;
  bool reached = false;
  if (!outcome) {
    const auto fault = outcome.error().fault;
    reached = fault != egress::Fault::unreachable && fault != egress::Fault::timed_out;
    // An engine that stops leaves the row as it is: due again after the start.
    if (fault != egress::Fault::closed) end(callback, Result::failed, outcome.error().detail);
  } else {
    const int status = outcome->status;
    reached = status < 500;
    const auto said = "the receiver answered " + std::to_string(status);
    if (status >= 200 && status < 300) end(callback, Result::sent, {});
    else end(callback, status == kNotFound || status == kGone ? Result::gone : Result::failed, said);
  }
  {
    const std::lock_guard lock(mutex_);
    targets_.leave(origin, reached, services_.clock.now());
  }
  pump(origin);
}

void Courier::pump(const std::string& origin) {
  using Door = egress::Targets::Door;
  for (;;) {
    keys::Callback next;
    {
      const std::lock_guard lock(mutex_);
      const auto queue = waiting_.find(origin);
      if (queue == waiting_.end() || stopped_) return;
      const auto door = targets_.enter(origin, services_.clock.now()).door;
      if (door == Door::busy) return;
      if (door == Door::broken) break;
      next = std::move(queue->second.front());
      queue->second.pop_front();
      if (queue->second.empty()) waiting_.erase(queue);
    }
    read(next, origin);
  }
  refuse_waiting(origin);
}

void Courier::end(const keys::Callback& callback, Result result, std::string detail) {
  auto& counters = services_.counters;
  if (result == Result::sent) counters.callbacks.fetch_add(1, std::memory_order_relaxed);
  else counters.callback_failures.fetch_add(1, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    --outstanding_;
  }
  services_.router->send(std::make_shared<SessionCommand>(
      callback.session, session::EndCallback{callback.position, callback.at, result, std::move(detail)}));
}

}  // namespace holdfast::shell
