// SessionActor: the CAF actor of one session. It loads the entity and applies commands to it.
#pragma once

#include "actors/shell/resident.hpp"

namespace holdfast::shell {

class SessionActor final : public Resident {
 public:
  SessionActor(caf::actor_config& config, Services& services, ObjectId id)
      : Resident(config, services, std::move(id)) {}
  // What an admission touches beside the actor is fetched while the command is taken out of the mailbox.
  resume_result resume(caf::execution_unit* on, std::size_t throughput) override {
    take_over(this);
    if (entity_) {
      const auto& queue = entity_->window.items;
      __builtin_prefetch(queue.data());
      __builtin_prefetch(queue.data() + queue.size(), 1);
    }
    return Resident::resume(on, throughput);
  }

 private:
  void handle(const EnvelopePtr& envelope) override;
  void forget() override { entity_.reset(); }
  [[nodiscard]] Result<void> activate();
  void leave_through_gate(const SessionCommandPtr& command, session::Step step);

  std::optional<session::Entity> entity_;  // in the actor, the last: see Router::expect
};

}  // namespace holdfast::shell
