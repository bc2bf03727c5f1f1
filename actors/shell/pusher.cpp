#include "actors/shell/pusher.hpp"

#include "actors/shell/router.hpp"
#include "src/core/json.hpp"
#include "src/egress/webhook.hpp"

namespace holdfast::shell {
namespace {

constexpr int kStatusOk = 200;
constexpr int kStatusAccepted = 202;

bool passing(int status) { return status == 408 || status == 425 || status == 429 || status >= 500; }

std::string code_of(const egress::Failure& failure) {
  switch (failure.fault) {
    case egress::Fault::unreachable:
    case egress::Fault::timed_out:
    case egress::Fault::closed: return "unreachable";
    case egress::Fault::invalid_url: return "invalid_url";
    case egress::Fault::target_refused: return "target_refused";
    case egress::Fault::answer_too_large: return "answer_too_large";
  }
  return "unreachable";
}

session::Fail fail_of(const egress::Failure& failure) {
  FailReport report;
  report.code = code_of(failure);
  report.retryable = report.code == "unreachable";
  report.detail = failure.detail;
  return {{}, std::move(report)};
}

session::Fail fail_of(const egress::Answer& answer) {
  FailReport report;
  report.code = answer.status == 429 ? "rate_limited" : "http_" + std::to_string(answer.status);
  report.retryable = passing(answer.status);
  report.retry_after_ms = answer.retry_after_ms;
  report.detail = "the receiver answered " + std::to_string(answer.status);
  return {{}, std::move(report)};
}

// {"result":...,"workspace":{"state":...}}; other members are the receiver's own. No body is no result.
std::optional<Completion> completion_in(const std::string& body) {
  Completion completion;
  if (body.empty()) return completion;
  json::Parser parser;
  const auto root = parser.parse(body);
  if (!root || !root->is_object()) return std::nullopt;
  json::Element part;
  if (root->at_key("result").get(part) == simdjson::SUCCESS) completion.result = json::canonical(part);
  std::string_view state;
  if (root->at_pointer("/workspace/state").get(state) == simdjson::SUCCESS)
    completion.workspace = workspace_state(state);
  return completion;
}

}  // namespace

Pusher::Pusher(Services& services, Timers& timers, egress::Outbound& outbound, Claim claim)
    : services_(services),
      timers_(timers),
      outbound_(outbound),
      claim_(std::move(claim)),
      targets_({services.limits.target_concurrency, services.limits.target_failures_max,
                static_cast<std::int64_t>(services.limits.target_rest_ms)}) {}

void Pusher::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
}

std::size_t Pusher::broken() const {
  const std::lock_guard lock(mutex_);
  return targets_.broken(services_.clock.now());
}

void Pusher::wake(const std::string& target) {
  using Door = egress::Targets::Door;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    const auto verdict = targets_.enter(target, services_.clock.now());
    if (verdict.door == Door::busy) again_[target] = true;
    if (verdict.door == Door::broken && resting_.emplace(target, verdict.retry_at).second) {
      timers_.at(verdict.retry_at, [this, target] {
        {
          const std::lock_guard relock(mutex_);
          resting_.erase(target);
        }
        wake(target);
      });
    }
    if (verdict.door != Door::open) return;
  }
  claim(target);
}

void Pusher::claim(const std::string& target) {
  auto claim = std::make_shared<PendingClaim>();
  claim->project = kDefaultProject;
  claim->target = target;
  const auto& l = services_.limits;
  constexpr std::uint64_t kReportMs = 5'000;  // for the answer to become durable
  claim->request.lease_ms = static_cast<std::int64_t>(std::max(l.push_lease_ms, l.push_timeout_ms + kReportMs));
  claim->done = [this, target](std::vector<session::Handout> turns) {
    if (turns.empty()) return leave(target, std::nullopt);
    push(target, std::move(turns.front()));
    wake(target);  // while there is room there may be more
  };
  claim_(std::move(claim));
}

void Pusher::push(const std::string& target, session::Handout turn) {
  const auto& delivery = turn.delivery;
  auto lease = session::parse_lease(delivery.lease);
  lease->delivery = delivery.delivery;
  Call call{target, std::move(*lease)};
  const auto at = services_.clock.now() / 1'000;
  const auto& id = delivery.message.message;
  egress::Request request;
  request.url = delivery.session.delivery->url;
  request.body = to_json(delivery);
  request.timeout_ms = static_cast<std::int64_t>(services_.limits.push_timeout_ms);
  request.answer_bytes_max = services_.limits.body_bytes_max;
  request.headers = {{"content-type", "application/json"},
                     {"webhook-id", id},
                     {"webhook-timestamp", std::to_string(at)},
                     {"webhook-signature", egress::sign_webhook(std::span(&turn.secret, 1), id, at, request.body)}};
  if (!delivery.traceparent.empty()) request.headers.emplace_back("traceparent", delivery.traceparent);
  services_.counters.pushes.fetch_add(1, std::memory_order_relaxed);
  outbound_.post(std::move(request),
                 [this, call = std::move(call)](egress::Outcome outcome) { answered(call, std::move(outcome)); });
}

void Pusher::answered(const Call& call, egress::Outcome outcome) {
  if (!outcome) {
    const auto fault = outcome.error().fault;
    // An engine that stops asked nobody: the turn goes back as it was.
    if (fault == egress::Fault::closed) report(call, session::Release{});
    else report(call, fail_of(outcome.error()));
    services_.counters.push_failures.fetch_add(1, std::memory_order_relaxed);
    return leave(call.target, fault != egress::Fault::unreachable && fault != egress::Fault::timed_out);
  }
  const int status = outcome->status;
  if (status == kStatusAccepted) {
    report(call, session::Accept{});
    report(call, session::Beat{});  // from here on the receiver keeps the lease
  } else if (status >= kStatusOk && status < 300) {
    if (auto completion = completion_in(outcome->body)) {
      report(call, session::Complete{{}, std::move(*completion)});
    } else {
      report(call, session::Fail{{}, {"invalid_answer", true, 0, "the receiver's 200 is not a JSON object"}});
    }
  } else {
    report(call, fail_of(*outcome));
    services_.counters.push_failures.fetch_add(1, std::memory_order_relaxed);
  }
  leave(call.target, status < 500);
}

void Pusher::report(const Call& call, session::Command command) {
  std::visit(
      [&](auto& c) {
        if constexpr (requires { c.lease; }) c.lease = call.lease;
      },
      command);
  services_.router->send(std::make_shared<SessionCommand>(call.lease.session, std::move(command)));
}

void Pusher::leave(const std::string& target, std::optional<bool> reached) {
  bool look = reached.has_value();  // a turn ended: the session may have the next one
  {
    const std::lock_guard lock(mutex_);
    if (reached) targets_.leave(target, *reached, services_.clock.now());
    else targets_.cancel(target);
    if (const auto again = again_.find(target); again != again_.end()) {
      again_.erase(again);
      look = true;
    }
  }
  if (look) wake(target);
}

}  // namespace holdfast::shell
