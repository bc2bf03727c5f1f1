// What a session can be asked, and what it answers.
#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <holdfast/types.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/session/lease.hpp"

namespace holdfast::session {

struct Put {
  SessionSpec spec;
  Precondition precondition;
};
struct Get {};
struct Patch {
  Json patch;
  Precondition precondition;
};
struct Remove {
  Precondition precondition;
};
struct Admit {
  std::vector<AdmitRequest> messages;
  Precondition precondition;
};
struct ReadMessage {
  std::string message;
};
struct ReadMessages {
  MessageQuery query;
};
struct ReadReceipt {
  std::string message;
};
struct Edit {
  std::string message;
  MessageEdit edit;
  Precondition precondition;
};
struct Cancel {
  std::string message;
  Precondition precondition;
};
struct Queue {
  QueueCommand command;
  Precondition precondition;
};
struct Redrive {
  std::string message;
};
struct Interrupt {
  InterruptScope scope = InterruptScope::running;
};
struct Dispatch {
  std::string runtime;
  std::int64_t lease_ms = 0;
  bool push = false;  // to be pushed; otherwise to be claimed
};
struct Accept {
  Lease lease;
};
struct Beat {
  Lease lease;
  enum class Kind : std::uint8_t {
    extend,  // the lease lives on
    look,    // only if there is an interrupt or a steer to carry
  } kind = Kind::extend;
  enum class Steers : std::uint8_t { hand_out, leave } steers = Steers::hand_out;
};
struct AppendEvents {
  Lease lease;
  std::vector<RuntimeEvent> events;
};
struct Complete {
  Lease lease;
  Completion completion;
};
struct Fail {
  Lease lease;
  FailReport report;
};
struct Release {
  Lease lease;
};
struct Fence {
  std::string runtime;
};                // the runtime is gone: a turn that it still holds goes back
struct Alarm {};  // a durable alarm of the session is due
struct ReadCallback {
  std::uint64_t position = 0;  // of the message
};
struct EndCallback {  // what became of an attempt at the callback that was due at `due`
  std::uint64_t position = 0;
  Time due = 0;
  enum class Result : std::uint8_t {
    sent,    // or there is nothing to send
    gone,    // the receiver wants no more of it
    failed,  // to be tried again, while there are delays left
  } result = Result::sent;
  std::string detail;
};
struct Export {};
struct Import {
  std::string ndjson;
};
struct ForkSource {
  std::optional<std::uint64_t> at_seq;
};  // what a fork takes along
struct Fork {
  SessionSpec spec;
  std::vector<Event> events;
};  // ... and the session it becomes

using Command = std::variant<Put, Get, Patch, Remove, Admit, ReadMessage, ReadMessages, ReadReceipt, Edit, Cancel,
                             Queue, Redrive, Interrupt, Dispatch, Accept, Beat, AppendEvents, Complete, Fail, Release,
                             Fence, Alarm, ReadCallback, EndCallback, Export, Import, ForkSource, Fork>;

// A turn on its way out.
struct Handout {
  Delivery delivery;
  std::string secret;  // signs it, when it is pushed
};
// A callback on its way out; without a URL there is nothing to send.
struct CallbackJob {
  std::string url;
  std::string id;  // of the message
  Labels headers;  // as the caller gave them
  std::string body;
  std::string traceparent;
};

// A dispatch that found nothing to hand out answers Nothing.
struct Nothing {};
using Reply = std::variant<Nothing, Session, PutResult, std::vector<Admitted>, Message, Page<Message>, Receipt,
                           Interrupted, Handout, CallbackJob, Heartbeat, std::uint64_t, std::string, Fork>;

}  // namespace holdfast::session
