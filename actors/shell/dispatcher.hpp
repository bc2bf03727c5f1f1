// Dispatcher: the actor that brings claims and ready sessions together.
//
// A claim takes the best ready sessions that fit it, asks each for its turn, and answers with the deliveries once
// they are durable. When nothing is ready it waits, first come first served; a session that becomes ready wakes exactly
// one waiting claim. A waiting claim costs memory, not a thread.
#pragma once

#include <caf/all.hpp>
#include <functional>
#include <list>
#include <memory>
#include <variant>

#include "actors/shell/actor.hpp"
#include "actors/shell/ready_inbox.hpp"
#include "actors/shell/services.hpp"
#include "actors/shell/timers.hpp"

namespace holdfast::shell {

struct PendingClaim {
  std::string project;
  ClaimRequest request;
  Time deadline = 0;
  std::string target;  // for what is pushed to this origin; empty: for a runtime or handler
  std::function<void(std::vector<session::Handout>)> done;
  std::vector<session::Handout> turns;
  std::size_t asked = 0;   // sessions that have not answered yet
  std::size_t probed = 0;  // of request.sessions, asked although memory does not know them as ready
};
using PendingClaimPtr = std::shared_ptr<PendingClaim>;

struct ClaimMade {
  PendingClaimPtr claim;
};
struct TurnOffered {
  PendingClaimPtr claim;
  ReadySession asked;
  Result<std::optional<session::Handout>> turn;
};
struct InboxFilled {};   // look at the ReadyInbox
struct ClaimsDue {};     // some waiting claim's time is over
struct DrainStopped {};  // answer all that wait
using DispatcherNews = std::shared_ptr<std::variant<ClaimMade, TurnOffered, InboxFilled, ClaimsDue, DrainStopped>>;

struct DispatcherStats {
  std::atomic<std::uint64_t> waiting{0};
  std::atomic<std::uint64_t> ready{0};
  std::atomic<Time> oldest{0};  // when it became ready; 0: nothing is. As of the last look at the inbox
};

class Dispatcher final : public Actor {
 public:
  Dispatcher(caf::actor_config& config, Services& services, Timers& timers, ReadyInbox& inbox, DispatcherStats& stats);

 protected:
  caf::behavior make_behavior() override;

 private:
  void on(ClaimMade& news);
  void on(TurnOffered& news);
  void on(InboxFilled& news);
  void on(ClaimsDue& news);
  void on(DrainStopped& news);

  // Takes in all news of the inbox; a session that became ready wakes one waiting claim that it fits.
  void take_in();
  void became_ready(ReadySession ready);
  void serve(const PendingClaimPtr& claim);
  void ask(ReadySession ready, const PendingClaimPtr& claim);
  // The session could not be asked: it is ready still, and looked at again in a while.
  void not_asked(ReadySession ready);
  [[nodiscard]] std::optional<ReadySession> next_for(PendingClaim& claim);
  [[nodiscard]] ReadyWindow& window_of(std::string_view target) { return target.empty() ? claimable_ : pushable_; }
  void call_pusher();  // for every target in memory
  void wait(const PendingClaimPtr& claim);
  void answer(PendingClaim& claim);

  Services& services_;
  Timers& timers_;
  ReadyInbox& inbox_;
  DispatcherStats& stats_;
  ReadyWindow claimable_;
  ReadyWindow pushable_;
  std::list<PendingClaimPtr> waiting_;
  bool stopped_ = false;
};

}  // namespace holdfast::shell

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(holdfast::shell::DispatcherNews)
