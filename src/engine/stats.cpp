// What Engine::stats() tells, gathered from those who count.
#include "actors/shell/lane.hpp"
#include "src/engine/impl.hpp"

namespace holdfast {

// The dispatcher knows which ready message is the oldest. It is asked here, and has answered when this returns unless
// another thread runs it right now.
void Engine::Impl::look_at_ready() {
  if (parts_.drive != EngineParts::Drive::threads || health() != Health::ready) return;
  auto* lane = shell::Lane::current(*system_, number_);
  shell::tell(dispatcher_, std::make_shared<shell::DispatcherNews::element_type>(shell::InboxFilled{}), lane);
  if (lane != nullptr) lane->drain();
}

EngineStats Engine::Impl::stats() {
  look_at_ready();
  const auto mailboxes = router_->mailboxes();
  EngineStats s;
  s.commit = pipeline_.stats();
  s.store = parts_.store->stats();
  s.admitted = counters_.admitted;
  s.replayed = counters_.replayed;
  s.commits = s.commit.commits;
  s.syncs = s.commit.syncs;
  s.sync_micros = s.commit.sync_micros;
  s.deliveries = counters_.deliveries;
  s.completed = counters_.completed;
  s.retries = counters_.retries;
  s.dead_letters = counters_.dead_letters;
  s.activations = counters_.activations;
  s.evictions = counters_.evictions;
  s.live_objects = router_->live();
  s.mailbox_envelopes = mailboxes.envelopes;
  s.mailbox_largest = mailboxes.largest;
  s.in_flight = permits_.in_flight();
  s.in_flight_bytes = permits_.bytes();
  s.refused_count = permits_.refused_count();
  s.refused_bytes = permits_.refused_bytes();
  s.waiting_claims = dispatcher_stats_.waiting;
  s.ready_sessions = dispatcher_stats_.ready;
  s.ready_oldest_at = static_cast<std::uint64_t>(dispatcher_stats_.oldest);
  s.runtimes_online = runtimes_.online();
  s.pushes = counters_.pushes;
  s.push_failures = counters_.push_failures;
  s.push_targets_broken = pusher_->broken();
  s.callbacks = counters_.callbacks;
  s.callback_failures = counters_.callback_failures;
  s.callbacks_outstanding = courier_->outstanding();
  s.callbacks_due = callbacks_->held();
  s.alarms_due = alarms_->held();
  s.mail_due = mail_->held();
  s.turns_running = turns_->running();
  s.reconciles = reconciles_;
  s.reconcile_failures = reconcile_failures_;
  s.reconciled_at = reconciled_at_;
  s.disk_full = disk_full() ? 1 : 0;
  return s;
}

}  // namespace holdfast
