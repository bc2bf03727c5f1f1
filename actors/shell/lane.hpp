// Lane: runs actors on the thread that asks them.
//
// A CAF actor that has mail is put on an execution unit. The usual one is a worker of the scheduler: a hand-off and a
// wake-up. A Lane is an execution unit of the calling thread: the actor runs at once, on the caller's stack, and
// when another thread is running it, the mail is simply there for that thread to take. CAF guarantees
// either way that one thread at a time runs an actor.
//
// Threads that must not be held up (the commit writer) mark themselves with NoLane; mail from them goes to a worker.
#pragma once

#include <caf/actor_system.hpp>
#include <caf/execution_unit.hpp>
#include <caf/resumable.hpp>
#include <deque>

namespace holdfast::shell {

class Lane final : public caf::execution_unit {
 public:
  explicit Lane(caf::actor_system& system);
  ~Lane() override;
  Lane(Lane&&) = delete;
  Lane& operator=(Lane&&) = delete;

  void exec_later(caf::resumable* ready) override;
  // Runs what is ready until nothing is. Nested calls return at once: the outermost one does the work.
  void drain();

  // The calling thread's lane for `system`, whose engine has the process-wide number `engine`; nullptr under NoLane.
  [[nodiscard]] static Lane* current(caf::actor_system& system, std::uint64_t engine);

 private:
  std::deque<caf::resumable*> ready_;
  enum class Phase : std::uint8_t { idle, draining } phase_ = Phase::idle;
};

class NoLane {
 public:
  NoLane() noexcept;
  ~NoLane();
  NoLane(const NoLane&) = delete;
  NoLane& operator=(const NoLane&) = delete;
};

}  // namespace holdfast::shell
