// Pusher: hands turns to receivers that are called instead of calling: one POST a turn, signed by Standard Webhooks.
//
// It is a claimer like any other. Per target (the origin of the URL) it claims while the target takes more: so many in
// the air at once, none while its circuit is open. What is not claimed stays queued on disk and burns no attempt.
// The lease covers the call; a receiver that answers 202 goes on with it as if it had claimed the turn itself.
//
// Thread-safety: all members from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "actors/shell/dispatcher.hpp"
#include "actors/shell/services.hpp"
#include "actors/shell/timers.hpp"
#include "src/egress/outbound.hpp"
#include "src/egress/targets.hpp"

namespace holdfast::shell {

class Pusher {
 public:
  using Claim = std::function<void(PendingClaimPtr)>;

  Pusher(Services& services, Timers& timers, egress::Outbound& outbound, Claim claim);

  // Turns may wait for this target.
  void wake(const std::string& target);
  // Claims no more. What is in the air ends with the client.
  void stop();
  [[nodiscard]] std::size_t broken() const;  // targets with an open circuit

 private:
  struct Call {
    std::string target;
    session::Lease lease;
  };
  void claim(const std::string& target);
  void push(const std::string& target, session::Handout turn);
  void answered(const Call& call, egress::Outcome outcome);
  void report(const Call& call, session::Command command);
  // One of the target's places is free again.
  void leave(const std::string& target, std::optional<bool> reached);

  Services& services_;
  Timers& timers_;
  egress::Outbound& outbound_;
  const Claim claim_;
  mutable std::mutex mutex_;
  egress::Targets targets_;
  std::map<std::string, bool> again_;    // woken while full: look when a place is free
  std::map<std::string, Time> resting_;  // a timer looks at it then
  bool stopped_ = false;
};

}  // namespace holdfast::shell
