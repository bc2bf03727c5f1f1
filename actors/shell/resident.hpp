// Resident: what every actor has that lives in the Router: one event at a time in the order of its mailbox, write sets
// into the commit pipeline, answers behind the output gate, and a way out that loses nothing.
//
// The state in memory runs ahead of the disk by what is in flight. An answer leaves when the commit it stands on
// is durable: its own write set, or for a read the last one before it. If the outcome of a commit is unknown the engine
// is latched broken; if a full disk refused it, the next event begins with forget() and is applied to what the store
// has. So a state that was never durable is never shown, and nothing is written on top of it.
#pragma once

#include <caf/all.hpp>

#include "actors/shell/actor.hpp"
#include "actors/shell/ahead.hpp"
#include "actors/shell/envelope.hpp"
#include "actors/shell/services.hpp"

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(holdfast::shell::EnvelopePtr)

namespace holdfast::shell {

class Resident : public Actor {
 public:
  [[nodiscard]] const ObjectId& id() const noexcept { return id_; }  // any thread
  // How many envelopes it has handled, or is handling; any thread.
  [[nodiscard]] std::uint64_t handled() const noexcept { return handled_.load(std::memory_order_relaxed); }
  resume_result resume(caf::execution_unit* on, std::size_t throughput) override;

 protected:
  Resident(caf::actor_config& config, Services& services, ObjectId id);

  caf::behavior make_behavior() override;
  virtual void handle(const EnvelopePtr& envelope) = 0;
  // Whether it holds what is not on disk and must stay in memory.
  [[nodiscard]] virtual bool busy() const noexcept { return false; }
  // What it has in memory was refused: the store is what is true.
  virtual void forget() = 0;
  // It leaves memory: everything is durable.
  virtual void evicted() {}
  Services& services_;
  const ObjectId id_;
  Ahead ahead_;

 private:
  void receive(const EnvelopePtr& envelope);
  void leave_if_idle();

  std::atomic<std::uint64_t> handled_{0};  // written by the actor alone
};

}  // namespace holdfast::shell
