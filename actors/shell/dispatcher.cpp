#include "actors/shell/dispatcher.hpp"

#include <algorithm>

#include "actors/shell/router.hpp"

namespace holdfast::shell {
namespace {

bool fits(const PendingClaim& claim, const ReadySession& ready) {
  if (ready.session.project != claim.project) return false;
  const auto& wanted = claim.request.sessions;
  if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), ready.session.name) == wanted.end()) return false;
  return std::all_of(ready.labels.begin(), ready.labels.end(), [&](const auto& label) {
    const auto carried = claim.request.labels.find(label.first);
    return carried != claim.request.labels.end() && carried->second == label.second;
  });
}

}  // namespace

void tell(const caf::actor& dispatcher, DispatcherNews news, caf::execution_unit* on) {
  caf::actor_cast<caf::abstract_actor*>(dispatcher)
      ->enqueue(caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, std::move(news)), on);
}

Dispatcher::Dispatcher(caf::actor_config& config, Services& services, Timers& timers, ReadyInbox& inbox,
                       DispatcherStats& stats)
    : caf::event_based_actor(config),
      services_(services),
      timers_(timers),
      inbox_(inbox),
      stats_(stats),
      window_(services.store) {}

caf::behavior Dispatcher::make_behavior() {
  // An index that cannot be read now is read again by the first claim.
  if (auto filled = window_.refill(); filled) stats_.ready = window_.size();
  return {[this](const DispatcherNews& news) {
    take_in();
    std::visit([this](auto& n) { on(n); }, *news);
    inbox_.claims_wait(!waiting_.empty());
    if (!waiting_.empty()) take_in();
    stats_.waiting.store(waiting_.size(), std::memory_order_relaxed);
    stats_.ready.store(window_.size(), std::memory_order_relaxed);
  }};
}

void Dispatcher::on(ClaimMade& news) { serve(news.claim); }

void Dispatcher::on(TurnOffered& news) {
  auto& claim = *news.claim;
  --claim.asked;
  if (news.delivery) claim.deliveries.push_back(std::move(*news.delivery));
  if (claim.asked != 0) return;
  if (claim.deliveries.empty()) serve(news.claim);  // whoever was asked had nothing: look at those behind
  else answer(claim);
}

void Dispatcher::on(InboxFilled&) {}

void Dispatcher::take_in() {
  for (auto& news : inbox_.take()) {
    if (news.kind == ReadyInbox::News::Kind::unready) window_.erase(news.session.session);
    else became_ready(std::move(news.session));
  }
}

void Dispatcher::became_ready(ReadySession ready) {
  const auto waiter =
      std::find_if(waiting_.begin(), waiting_.end(), [&](const PendingClaimPtr& claim) { return fits(*claim, ready); });
  if (waiter == waiting_.end()) {
    window_.put(std::move(ready));
    return;
  }
  const auto claim = *waiter;
  waiting_.erase(waiter);
  window_.erase(ready.session);
  ask(ready.session, claim);
}

void Dispatcher::on(ClaimsDue&) {
  const Time now = services_.clock.now();
  for (auto claim = waiting_.begin(); claim != waiting_.end();) {
    if ((*claim)->deadline > now) {
      ++claim;
      continue;
    }
    answer(**claim);
    claim = waiting_.erase(claim);
  }
}

void Dispatcher::on(DrainStopped&) {
  stopped_ = true;
  for (const auto& claim : waiting_) answer(*claim);
  waiting_.clear();
}

void Dispatcher::serve(const PendingClaimPtr& claim) {
  while (claim->asked < claim->request.max) {
    const auto session = next_for(*claim);
    if (!session) break;
    ask(*session, claim);
  }
  if (claim->asked == 0) wait(claim);
}

std::optional<SessionId> Dispatcher::next_for(PendingClaim& claim) {
  const auto fit = [&](const ReadySession& ready) { return fits(claim, ready); };
  if (claim.request.sessions.empty()) return window_.take(fit);
  for (const auto& name : claim.request.sessions) {
    if (auto session = window_.take(SessionId{claim.project, name}, fit)) return session;
  }
  // With more ready than memory holds, only the session itself can tell.
  if (window_.partial() && claim.probed < claim.request.sessions.size())
    return SessionId{claim.project, claim.request.sessions[claim.probed++]};
  return std::nullopt;
}

void Dispatcher::ask(const SessionId& session, const PendingClaimPtr& claim) {
  ++claim->asked;
  auto envelope = std::make_shared<Envelope>();
  envelope->session = session;
  envelope->command = session::Dispatch{claim->request.runtime, claim->request.lease_ms};
  envelope->done = [claim, self = caf::actor_cast<caf::actor>(this)](Result<session::Reply>&& reply) {
    TurnOffered offered{claim, std::nullopt};
    if (reply) {
      if (auto* delivery = std::get_if<Delivery>(&*reply)) offered.delivery = std::move(*delivery);
    }
    tell(self, std::make_shared<DispatcherNews::element_type>(std::move(offered)), nullptr);
  };
  services_.router->send(std::move(envelope));
}

void Dispatcher::wait(const PendingClaimPtr& claim) {
  if (stopped_ || claim->deadline <= services_.clock.now()) {
    answer(*claim);
    return;
  }
  waiting_.push_back(claim);
  timers_.at(claim->deadline, [self = caf::actor_cast<caf::actor>(this)] {
    tell(self, std::make_shared<DispatcherNews::element_type>(ClaimsDue{}), nullptr);
  });
}

void Dispatcher::answer(PendingClaim& claim) { claim.done(std::move(claim.deliveries)); }

}  // namespace holdfast::shell
