// Actor: what ours derive from, and `tell`, which puts mail into one's mailbox.
//
// Both say to the thread sanitizer what CAF orders: what a sender did comes before the actor's run, and one run of an
// actor before the next, on whichever thread that is. Atomics inside CAF's library see to that, and the library is not
// built with the sanitizer. In any other build nothing of this is left.
#pragma once

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/mailbox_element.hpp>
#include <utility>
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace holdfast::shell {

#if defined(__SANITIZE_THREAD__)

// Before mail is put into the mailbox of `actor`, and at the end of what it did with mail.
inline void hand_over(caf::abstract_actor* actor) { __tsan_release(actor); }
inline void take_over(caf::abstract_actor* actor) { __tsan_acquire(actor); }

class Actor : public caf::event_based_actor {
 public:
  using caf::event_based_actor::event_based_actor;
  resume_result resume(caf::execution_unit* on, std::size_t throughput) override {
    take_over(this);
    return caf::event_based_actor::resume(on, throughput);
  }
  void on_destroy() override {
    take_over(this);
    caf::event_based_actor::on_destroy();
  }
};

#else

inline void hand_over(caf::abstract_actor*) {}
inline void take_over(caf::abstract_actor*) {}
using Actor = caf::event_based_actor;

#endif

// One piece of mail, while an actor is at it.
class Handling {
 public:
  explicit Handling(caf::abstract_actor* actor) : actor_(actor) { take_over(actor_); }
  ~Handling() { hand_over(actor_); }
  Handling(const Handling&) = delete;
  Handling& operator=(const Handling&) = delete;

 private:
  caf::abstract_actor* actor_;
};

// From any thread; `on` runs the actor, or null: a worker of CAF's does.
template <class Mail>
void tell(const caf::actor& actor, Mail mail, caf::execution_unit* on) {
  auto* to = caf::actor_cast<caf::abstract_actor*>(actor);
  auto element = caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, std::move(mail));
  hand_over(to);
  to->enqueue(std::move(element), on);
}

}  // namespace holdfast::shell
