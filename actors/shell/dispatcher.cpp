#include "actors/shell/dispatcher.hpp"

#include <algorithm>
#include <set>

#include "actors/shell/router.hpp"

namespace holdfast::shell {
namespace {

bool fits(const PendingClaim& claim, const ReadySession& ready) {
  if (ready.session.project != claim.project || ready.terms.target != claim.target) return false;
  const auto& wanted = claim.request.sessions;
  if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), ready.session.name) == wanted.end()) return false;
  const auto& labels = ready.terms.labels;
  return std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
    const auto carried = claim.request.labels.find(label.first);
    return carried != claim.request.labels.end() && carried->second == label.second;
  });
}

}  // namespace

Dispatcher::Dispatcher(caf::actor_config& config, Services& services, Timers& timers, ReadyInbox& inbox,
                       DispatcherStats& stats)
    : Actor(config),
      services_(services),
      timers_(timers),
      inbox_(inbox),
      stats_(stats),
      claimable_(services.store, ReadyWindow::Of::claims),
      pushable_(services.store, ReadyWindow::Of::pushes) {
  hand_over(this);
}

caf::behavior Dispatcher::make_behavior() {
  const Handling setting_up(this);
  // An index that cannot be read now is read again by the first claim.
  (void)claimable_.refill();
  if (pushable_.refill()) call_pusher();
  stats_.ready = claimable_.size() + pushable_.size();
  return {[this](const DispatcherNews& news) {
    const Handling handling(this);
    take_in();
    std::visit([this](auto& n) { on(n); }, *news);
    inbox_.claims_wait(!waiting_.empty());
    if (!waiting_.empty()) take_in();
    stats_.waiting.store(waiting_.size(), std::memory_order_relaxed);
    stats_.ready.store(claimable_.size() + pushable_.size(), std::memory_order_relaxed);
  }};
}

void Dispatcher::on(ClaimMade& news) { serve(news.claim); }

void Dispatcher::on(TurnOffered& news) {
  auto& claim = *news.claim;
  --claim.asked;
  if (!news.turn) not_asked(std::move(news.asked));
  else if (*news.turn) claim.turns.push_back(std::move(**news.turn));
  if (claim.asked != 0) return;
  if (claim.turns.empty()) serve(news.claim);  // whoever was asked had nothing: look at those behind
  else answer(claim);
}

void Dispatcher::on(InboxFilled&) {
  const auto a = claimable_.oldest();
  const auto b = pushable_.oldest();
  stats_.oldest.store(a == 0 || (b != 0 && b < a) ? b : a, std::memory_order_relaxed);
}

void Dispatcher::take_in() {
  for (auto& news : inbox_.take()) {
    // It may have changed sides: a session is in one window at most.
    claimable_.erase(news.session.session);
    pushable_.erase(news.session.session);
    if (news.kind == ReadyInbox::News::Kind::ready) became_ready(std::move(news.session));
  }
}

void Dispatcher::became_ready(ReadySession ready) {
  const auto waiter =
      std::find_if(waiting_.begin(), waiting_.end(), [&](const PendingClaimPtr& claim) { return fits(*claim, ready); });
  if (waiter == waiting_.end()) {
    const std::string target = ready.terms.target;
    window_of(target).put(std::move(ready));
    if (!target.empty()) services_.on_push(target);
    return;
  }
  const auto claim = *waiter;
  waiting_.erase(waiter);
  ask(std::move(ready), claim);
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
    auto ready = next_for(*claim);
    if (!ready) break;
    ask(std::move(*ready), claim);
  }
  if (claim->asked == 0) wait(claim);
}

std::optional<ReadySession> Dispatcher::next_for(PendingClaim& claim) {
  const auto fit = [&](const ReadySession& ready) { return fits(claim, ready); };
  auto& window = window_of(claim.target);
  if (claim.request.sessions.empty()) {
    const bool drained = window.size() == 0 && window.partial();
    auto session = window.take(fit);
    if (drained && !claim.target.empty()) call_pusher();  // what was read from disk may be for other targets
    return session;
  }
  for (const auto& name : claim.request.sessions) {
    if (auto session = window.take(ObjectId{claim.project, name}, fit)) return session;
  }
  // With more ready than memory holds, only the session itself can tell.
  if (window.partial() && claim.probed < claim.request.sessions.size())
    return ReadySession{0, 0, ObjectId{claim.project, claim.request.sessions[claim.probed++]}, {}};
  return std::nullopt;
}

void Dispatcher::ask(ReadySession ready, const PendingClaimPtr& claim) {
  ++claim->asked;
  auto envelope = std::make_shared<SessionCommand>(
      ready.session, session::Dispatch{claim->request.runtime, claim->request.lease_ms, !claim->target.empty()});
  envelope->done = [claim, ready = std::move(ready),
                    self = caf::actor_cast<caf::actor>(this)](Result<session::Reply>&& reply) mutable {
    auto* turn = reply ? std::get_if<session::Handout>(&*reply) : nullptr;
    if (turn != nullptr && claim->request.max == 1) {  // it is complete: no need to come by here again
      std::vector<session::Handout> turns;
      turns.push_back(std::move(*turn));
      return claim->done(std::move(turns));
    }
    TurnOffered offered{claim, std::move(ready), std::optional<session::Handout>()};
    if (!reply) offered.turn = tl::unexpected(std::move(reply.error()));
    else if (turn != nullptr) offered.turn = std::move(*turn);
    tell(self, std::make_shared<DispatcherNews::element_type>(std::move(offered)), nullptr);
  };
  services_.router->send(std::move(envelope));
}

void Dispatcher::not_asked(ReadySession ready) {
  constexpr Time kAgainMs = 1'000;
  timers_.at(services_.clock.now() + kAgainMs,
             [&inbox = inbox_, ready = std::move(ready), self = caf::actor_cast<caf::actor>(this)]() mutable {
               (void)inbox.put({std::move(ready), ReadyInbox::News::Kind::ready});
               tell(self, std::make_shared<DispatcherNews::element_type>(InboxFilled{}), nullptr);
             });
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

void Dispatcher::call_pusher() {
  std::set<std::string> targets;
  pushable_.each([&](const ReadySession& ready) { targets.insert(ready.terms.target); });
  for (const auto& target : targets) services_.on_push(target);
}

void Dispatcher::answer(PendingClaim& claim) { claim.done(std::move(claim.turns)); }

}  // namespace holdfast::shell
