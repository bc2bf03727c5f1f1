// ObjectActor: the CAF actor of one object of a host's class. It makes the instance and runs its handlers, one event at
// a time. What a handler threw, or a store that could not read, drops the instance: the next event makes it anew from
// what is on disk.
#pragma once

#include "actors/object/object.hpp"
#include "actors/shell/resident.hpp"

namespace holdfast::shell {

class ObjectActor final : public Resident {
 public:
  ObjectActor(caf::actor_config& config, Services& services, ObjectId id) : Resident(config, services, std::move(id)) {}

 private:
  void handle(const EnvelopePtr& envelope) override;
  void evicted() override;
  // Runs the handler of the event. What it throws comes back as an error.
  [[nodiscard]] Result<Reply> run(ObjectEvent& event, object::Step& step);
  [[nodiscard]] bool alarm_is_due() const;

  std::unique_ptr<Object> instance_;
  std::optional<object::Meta> meta_;
};

}  // namespace holdfast::shell
