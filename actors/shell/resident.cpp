#include "actors/shell/resident.hpp"

#include "actors/shell/router.hpp"

namespace holdfast::shell {

Resident::Resident(caf::actor_config& config, Services& services, ObjectId id)
    : Actor(config), services_(services), id_(std::move(id)), ahead_(services.store, services.pipeline) {}

caf::behavior Resident::make_behavior() {
  return {[this](const EnvelopePtr& envelope) {
    const Handling handling(this);
    handled_.store(handled() + 1, std::memory_order_relaxed);
    services_.counters.handled.fetch_add(1, std::memory_order_relaxed);
    if (ahead_.look() == Ahead::Verdict::refused) forget();
    if (envelope->kind == Envelope::Kind::leave) leave_if_idle();
    else handle(envelope);
  }};
}

void Resident::leave_if_idle() {
  if (busy() || !ahead_.durable() || !services_.router->leave(id_, handled())) return;
  services_.counters.evictions.fetch_add(1, std::memory_order_relaxed);
  evicted();
  quit();
}

}  // namespace holdfast::shell
