// ObjectActor: the CAF actor of one object of a host's class. It makes the instance and runs its handlers.
//
// One handler runs at a time. One that awaits is put aside, with everything it wrote on its way to the disk; what it
// awaits begins behind the output gate and comes back as an event, Resume. Meanwhile other events run, unless a handler
// blocks them (while it activates the instance, or in block_while): then they queue up here.
//
// What a handler threw, a store that could not read, or a full disk, which refused what was written, drops the instance
// and ends the handlers that wait in it: the next event makes it anew from what is on disk.
#pragma once

#include <deque>
#include <unordered_map>

#include "actors/object/object.hpp"
#include "actors/shell/resident.hpp"

namespace holdfast::shell {

class ObjectActor final : public Resident {
 public:
  ObjectActor(caf::actor_config& config, Services& services, ObjectId id);
  ~ObjectActor() override;

 private:
  class Running;
  // What there is only while handlers wait.
  struct Waiting {
    // Ended, but what they await still uses their frames, and the instance.
    std::unordered_map<std::uint64_t, std::pair<std::shared_ptr<Object>, std::unique_ptr<Running>>> ending;
    std::unordered_map<std::uint64_t, std::unique_ptr<Running>> handlers;  // by what they wait for
    std::deque<ObjectEventPtr> events;                                     // held up by a handler that blocks
    int blocks = 0;
  };

  void handle(const EnvelopePtr& envelope) override;
  void forget() override { drop(Services::disk_full_error()); }
  void failed(const EnvelopePtr& envelope, const Error& error) override;
  [[nodiscard]] bool busy() const noexcept override;
  void evicted() override;

  // Forgets everything, and puts off what waits.
  void drop(const Error& error);
  void begin(const ObjectEventPtr& event);
  // False: there is nothing to do, and it was said.
  [[nodiscard]] bool wanted(const ObjectEventPtr& event);
  void go_on(const Resume& resume);
  void settle_mail(const ObjectEventPtr& event, const MailEnded& ended);
  // Runs the handler on to its end or its next await.
  void advance(std::unique_ptr<Running> running, const std::function<void()>& go);
  void finish(Running& running, Result<Reply> reply);
  void cancel_all(const Error& error);
  void leave(Running& running, std::optional<Result<Reply>> reply);
  [[nodiscard]] Task<Reply> react(Running& running);
  [[nodiscard]] Task<Reply> handler_of(Running& running);
  [[nodiscard]] Waiting& waiting();
  [[nodiscard]] bool blocked() const noexcept { return waiting_ && waiting_->blocks > 0; }

  ObjectEventPtr current_;  // whose handler runs, or ends
  std::shared_ptr<Object> instance_;
  std::unique_ptr<Waiting> waiting_;
  std::optional<object::Meta> meta_;
};

}  // namespace holdfast::shell
