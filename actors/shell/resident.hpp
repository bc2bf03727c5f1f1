// Resident: what every actor has that lives in the Router: one event at a time in the order of its mailbox, write sets
// into the commit pipeline, answers behind the output gate, and a way out that loses nothing.
//
// The state in memory runs ahead of the disk by what is in flight. An answer leaves when the commit it stands on
// is durable: its own write set, or for a read the last one before it. If the outcome of a commit is unknown the engine
// is latched broken; if a full disk refused it, the next event begins with forget() and is applied to what the store
// has. So a state that was never durable is never shown, and nothing is written on top of it.
//
// An exception ends no actor: who asked is told, and what is in memory is made anew from the store.
#pragma once

#include <caf/all.hpp>

#include "actors/shell/actor.hpp"
#include "actors/shell/ahead.hpp"
#include "actors/shell/envelope.hpp"
#include "actors/shell/services.hpp"

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(holdfast::shell::EnvelopePtr)

namespace holdfast::shell {

// Ahead, and whether the event that is handled has come to the gate: behind it, it is answered.
class Gate final : public Ahead {
 public:
  using Ahead::Ahead;
  void gate(WriteSet writes, CommitPipeline::Completion open,
            CommitPipeline::Runs runs = CommitPipeline::Runs::in_order) {
    passed_ = true;
    Ahead::gate(std::move(writes), std::move(open), runs);
  }
  [[nodiscard]] bool passed() const noexcept { return passed_; }
  void close() noexcept { passed_ = false; }

 private:
  bool passed_ = false;
};

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
  // handle() threw, which nothing that is known does: answers `envelope` and drops what is in memory.
  virtual void failed(const EnvelopePtr& envelope, const Error& error);
  // It leaves memory, or goes on with what a next event makes anew: everything is durable.
  virtual void evicted() {}
  Services& services_;
  const ObjectId id_;
  Gate ahead_;

 private:
  void receive(const EnvelopePtr& envelope);
  void take(const EnvelopePtr& envelope);
  void contain(const EnvelopePtr& envelope, const std::string& thrown);
  void leave_if_idle();

  std::atomic<std::uint64_t> handled_{0};  // written by the actor alone
};

}  // namespace holdfast::shell
