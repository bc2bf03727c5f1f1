// Resident: what every actor has that lives in the Router: one event at a time in the order of its mailbox, write sets
// into the commit pipeline, answers behind the output gate, and a way out that loses nothing.
//
// The state in memory runs ahead of the disk by what is in flight. An answer leaves when the commit it stands on
// is durable: its own write set, or for a read the last one before it. If a commit fails the engine is latched broken,
// so a state that was never durable is never shown.
#pragma once

#include <caf/all.hpp>

#include "actors/session/overlay.hpp"
#include "actors/shell/envelope.hpp"
#include "actors/shell/services.hpp"

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(holdfast::shell::EnvelopePtr)

namespace holdfast::shell {

class Resident : public caf::event_based_actor {
 protected:
  Resident(caf::actor_config& config, Services& services, ObjectId id);

  caf::behavior make_behavior() override;
  virtual void handle(const EnvelopePtr& envelope) = 0;
  // Whether it holds what is not on disk and must stay in memory.
  [[nodiscard]] virtual bool busy() const noexcept { return false; }
  // It leaves memory: everything is durable.
  virtual void evicted() {}
  // `open` is called once `writes` and all that was written before are durable, with NoLane.
  void gate(WriteSet writes, std::function<void(const Result<void>&)> open);

  Services& services_;
  const ObjectId id_;
  session::InFlight in_flight_;

 public:
  // How many envelopes it has handled, or is handling; any thread.
  [[nodiscard]] std::uint64_t handled() const noexcept { return handled_.load(std::memory_order_relaxed); }

 private:
  void leave_if_idle();

  std::uint64_t last_commit_ = 0;
  std::atomic<std::uint64_t> handled_{0};  // written by the actor alone
};

}  // namespace holdfast::shell
