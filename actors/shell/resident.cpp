#include "actors/shell/resident.hpp"

#include "actors/shell/router.hpp"

namespace holdfast::shell {

Resident::Resident(caf::actor_config& config, Services& services, ObjectId id)
    : caf::event_based_actor(config), services_(services), id_(std::move(id)), in_flight_(services.store) {}

caf::behavior Resident::make_behavior() {
  return {[this](const EnvelopePtr& envelope) {
    handled_.store(handled() + 1, std::memory_order_relaxed);
    services_.counters.handled.fetch_add(1, std::memory_order_relaxed);
    in_flight_.prune(services_.pipeline.durable());
    if (envelope->kind == Envelope::Kind::leave) leave_if_idle();
    else handle(envelope);
  }};
}

void Resident::gate(WriteSet writes, std::function<void(const Result<void>&)> open) {
  if (writes.empty()) {
    services_.pipeline.after(last_commit_, std::move(open));
    return;
  }
  last_commit_ = services_.pipeline.submit(writes, std::move(open));
  in_flight_.add(last_commit_, std::move(writes));
}

void Resident::leave_if_idle() {
  if (busy() || last_commit_ > services_.pipeline.durable() || !services_.router->leave(id_, handled())) return;
  services_.counters.evictions.fetch_add(1, std::memory_order_relaxed);
  evicted();
  quit();
}

}  // namespace holdfast::shell
