// SessionActor: the CAF actor of one session. It loads the entity and applies commands to it.
#pragma once

#include "actors/shell/resident.hpp"

namespace holdfast::shell {

class SessionActor final : public Resident {
 public:
  SessionActor(caf::actor_config& config, Services& services, ObjectId id)
      : Resident(config, services, std::move(id)) {}

 private:
  void handle(const EnvelopePtr& envelope) override;
  void forget() override { entity_.reset(); }
  [[nodiscard]] Result<void> activate();
  void leave_through_gate(const SessionCommandPtr& command, session::Step step);

  std::optional<session::Entity> entity_;  // in the actor: see Router::expect
};

}  // namespace holdfast::shell
