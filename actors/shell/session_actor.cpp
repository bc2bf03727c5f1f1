#include "actors/shell/session_actor.hpp"

#include "actors/shell/lane.hpp"
#include "actors/shell/router.hpp"

namespace holdfast::shell {
namespace {

void count(Counters& counters, const session::Effects& effects) {
  constexpr auto kOrder = std::memory_order_relaxed;
  if (effects.admitted != 0) counters.admitted.fetch_add(effects.admitted, kOrder);
  if (effects.replayed != 0) counters.replayed.fetch_add(effects.replayed, kOrder);
  if (effects.delivered != 0) counters.deliveries.fetch_add(effects.delivered, kOrder);
  if (effects.retried != 0) counters.retries.fetch_add(effects.retried, kOrder);
  if (effects.dead != 0) counters.dead_letters.fetch_add(effects.dead, kOrder);
  if (effects.completed != 0) counters.completed.fetch_add(effects.completed, kOrder);
}

// The store cannot be read or written now, and nothing has changed. Who asked is told; what nobody waits for comes
// again.
void put_off(Services& services, const SessionCommand& command, const Error& error) {
  constexpr Time kAgainMs = 1'000;
  if (command.done) return command.done(tl::unexpected(error));
  if (std::holds_alternative<session::Fence>(command.command)) return;  // the reconciler looks again by itself
  services.timers.at(services.clock.now() + kAgainMs, [&services, to = command.to, again = command.command] {
    services.router->send(std::make_shared<SessionCommand>(to, again));
  });
}

// The indexes of what is ready and due hear of a session's changes in their order. An answer needs none.
CommitPipeline::Runs place_of(const session::Effects& effects) {
  const bool indexed = effects.ready_changed || effects.alarm != 0 || !effects.callbacks.empty() || effects.shredded;
  return indexed ? CommitPipeline::Runs::in_order : CommitPipeline::Runs::anywhere;
}

void depart(Services& services, SessionCommand& command, const Result<void>& durable) {
  if (!durable && durable.error().code == ErrorCode::insufficient_storage)
    return put_off(services, command, durable.error());
  if (!durable) return command.refuse(durable.error());
  const auto& effects = command.effects;
  count(services.counters, effects);
  if (effects.events) services.hub.notify(command.to);
  if (effects.ready_changed) services.on_ready(command.to, effects.ready, command.terms);
  if (effects.alarm != 0) services.on_alarm(command.to, effects.alarm);
  for (const auto& callback : effects.callbacks) services.on_callback(callback);
  if (effects.shredded) services.on_shredded(command.to);
  if (command.done) command.done(std::move(command.reply));
}

}  // namespace

Result<void> SessionActor::activate() {
  auto loaded = session::load(ahead_.reader(), id_);
  if (!loaded) return tl::unexpected(std::move(loaded.error()));
  entity_ = std::move(*loaded);
  services_.counters.activations.fetch_add(1, std::memory_order_relaxed);
  return {};
}

void SessionActor::handle(const EnvelopePtr& envelope) {
  const auto command = std::static_pointer_cast<SessionCommand>(envelope);  // the Router sends sessions nothing else
  if (session::grows(command->command) && services_.disk_full())
    return put_off(services_, *command, Services::disk_full_error());
  if (!entity_) {
    if (auto ok = activate(); !ok) return put_off(services_, *command, ok.error());
  }
  const session::Context context{id_,
                                 services_.clock.now(),
                                 services_.random,
                                 services_.limits,
                                 services_.vault,
                                 services_.signer,
                                 services_.store_id,
                                 services_.durability,
                                 ahead_.reader()};
  auto step = session::apply(*entity_, command->command, context);
  if (step.reload) entity_.reset();
  leave_through_gate(command, std::move(step));
}

void SessionActor::leave_through_gate(const SessionCommandPtr& command, session::Step step) {
  // Who waits is told of a refusal; only what nobody waits for is tried again. Freed here, its memory is the next
  // command's of this thread.
  if (command->done) command->command.emplace<session::Get>();
  command->reply = std::move(step.reply);
  command->effects = std::move(step.effects);
  if (command->effects.ready && entity_) command->terms = session::terms_of(entity_->document);
  const auto runs = place_of(command->effects);
  ahead_.gate(
      std::move(step.writes),
      [command, &services = services_](const Result<void>& durable) {
        const NoLane not_here;
        depart(services, *command, durable);
      },
      runs);
}

}  // namespace holdfast::shell
