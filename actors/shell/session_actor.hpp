// SessionActor: the CAF actor of one session. It loads the entity, applies commands in the order of its mailbox, hands
// the write sets to the commit pipeline, and holds every answer behind the output gate.
//
// The entity in memory runs ahead of the disk by what is in flight. An answer leaves when the commit it
// stands on is durable: its own write set, or for a read the last one before it. If a commit fails the engine is
// latched broken, so a state that was never durable is never shown.
#pragma once

#include <caf/all.hpp>

#include "actors/session/overlay.hpp"
#include "actors/shell/envelope.hpp"
#include "actors/shell/services.hpp"

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(holdfast::shell::EnvelopePtr)

namespace holdfast::shell {

class SessionActor final : public caf::event_based_actor {
 public:
  SessionActor(caf::actor_config& config, Services& services, SessionId id);

 protected:
  caf::behavior make_behavior() override;

 private:
  void handle(const EnvelopePtr& envelope);
  void leave_if_idle();
  [[nodiscard]] Result<void> activate();
  void gate(const EnvelopePtr& envelope, session::Step step);

  Services& services_;
  const SessionId id_;
  session::InFlight in_flight_;
  std::unique_ptr<session::Entity> entity_;
  std::uint64_t last_commit_ = 0;
  std::uint64_t handled_ = 0;
};

}  // namespace holdfast::shell
