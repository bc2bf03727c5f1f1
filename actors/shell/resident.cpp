#include "actors/shell/resident.hpp"

#include "actors/shell/router.hpp"

namespace holdfast::shell {
namespace {
thread_local constinit Resident* t_running = nullptr;  // what this thread runs
}

Resident::Resident(caf::actor_config& config, Services& services, ObjectId id)
    : Actor(config), services_(services), id_(std::move(id)), ahead_(services.store, services.pipeline) {}

// One behavior is every actor's: it stays in the processor's caches, where one for each would not.
caf::behavior Resident::make_behavior() {
  static const caf::behavior kReceive{[](const EnvelopePtr& envelope) { t_running->receive(envelope); }};
  return kReceive;
}

Resident::resume_result Resident::resume(caf::execution_unit* on, std::size_t throughput) {
  if (has_behavior()) __builtin_prefetch(&bhvr_stack_.back());
  auto* const outer = std::exchange(t_running, this);
  const auto result = Actor::resume(on, throughput);
  t_running = outer;
  return result;
}

void Resident::receive(const EnvelopePtr& envelope) {
  const Handling handling(this);
  handled_.store(handled() + 1, std::memory_order_relaxed);
  services_.counters.handled.fetch_add(1, std::memory_order_relaxed);
  try {
    take(envelope);
  } catch (const std::exception& error) {
    contain(envelope, error.what());
  } catch (...) {
    contain(envelope, "something that is no std::exception");
  }
}

void Resident::take(const EnvelopePtr& envelope) {
  ahead_.close();
  if (ahead_.look() == Ahead::Verdict::refused) forget();
  if (envelope->kind == Envelope::Kind::leave) leave_if_idle();
  else handle(envelope);
}

// CAF would end an actor that throws, and the Router would keep it: whatever comes later would find nobody.
void Resident::contain(const EnvelopePtr& envelope, const std::string& thrown) {
  try {
    failed(envelope, {ErrorCode::internal, "what was asked of " + id_.name + " threw: " + thrown, {}, 0, {}});
  } catch (...) {
    forget();  // who is told threw as well
  }
}

void Resident::failed(const EnvelopePtr& envelope, const Error& error) {
  forget();
  if (!ahead_.passed()) envelope->refuse(error);
}

void Resident::leave_if_idle() {
  if (busy() || !ahead_.durable()) return;
  evicted();  // before another actor may be there in its place
  if (!services_.router->leave(id_, handled())) return;
  services_.counters.evictions.fetch_add(1, std::memory_order_relaxed);
  quit();
}

}  // namespace holdfast::shell
