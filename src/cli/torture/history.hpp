// History: what the clients, workers and readers of one torture run did and were told, and what was there in the end.
//
// An operation has a begin and an end of one monotonic clock; what it did to the server happened between them, or, when
// its outcome is `unknown`, at any moment after its begin or never. `refused` says that nothing was done. The end state
// is read when all faults are off and every queue is empty. A history is data: checker.hpp judges it, NDJSON shows it.
#pragma once

#include <cstdint>
#include <holdfast/types.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::cli::torture {

enum class Kind : std::uint8_t {
  admit,
  look,  // a read of one message
  cancel,
  interrupt,
  pause,
  resume,
  hand_out,  // one turn of a claim's answer
  accept,
  heartbeat,
  emit,
  complete,
  fail,
  release,
  read,  // events behind a cursor
};
inline constexpr std::size_t kKinds = 14;
[[nodiscard]] std::string_view name_of(Kind kind) noexcept;

enum class Outcome : std::uint8_t { ok, refused, unknown };
[[nodiscard]] std::string_view name_of(Outcome outcome) noexcept;

// One event as a reader saw it: its id, and a digest of everything else.
struct Seen {
  std::uint64_t id = 0;
  std::uint64_t digest = 0;
  bool operator==(const Seen&) const = default;
};

struct Operation {
  Kind kind = Kind::admit;
  Outcome outcome = Outcome::unknown;
  unsigned actor = 0;  // which client, worker or reader
  unsigned sends = 1;  // how often the request left: a kept connection that is cut makes the client send once more
  std::int64_t begin_us = 0;
  std::int64_t end_us = 0;
  int status = 0;    // of HTTP; 0: no answer
  std::string code;  // of a problem
  std::string session;
  std::string message;

  // admit, look
  std::uint64_t batch = 0;  // the same for all messages of one batch; 0: single
  std::string sent_hash;    // of the body that was sent
  std::string body_hash;    // that the answer named
  std::uint64_t seq = 0;
  bool replayed = false;
  std::string state;  // look: as answered; "absent": 404

  // turns
  std::string delivery;
  std::uint64_t attempt = 0;
  Time handed_out_at = 0;        // by the server's clock
  Time lease_until = 0;          // the same, as of the latest answer
  std::uint64_t number = 0;      // emit: which emit of this delivery
  std::uint64_t count = 0;       // emit: events in it
  std::uint64_t last_event = 0;  // emit: id of the last one

  // read
  std::uint64_t after = 0;
  std::vector<Seen> seen;
  bool to_the_end = false;  // the last read: everything that the end state has must have been seen
};

struct EndMessage {
  std::string session;
  std::string message;
  std::uint64_t seq = 0;
  std::string body_hash;
  std::string content_hash;  // of the body as it would have to be sent to get what is stored
  std::string state;
  std::uint64_t attempt = 0;
  std::string by_delivery;  // in its result: which delivery completed it
};

struct EndEvent {
  std::string session;
  std::uint64_t id = 0;
  std::uint64_t digest = 0;
  std::string type;
  Time at = 0;
  std::string message;        // message.*; session.interrupted: the one that ran
  std::uint64_t seq = 0;      // message.*
  std::uint64_t attempt = 0;  // message.*
  std::string delivery;       // of a runtime's event, and in the result of message.completed
  std::uint64_t number = 0;   // of a runtime's event: which emit of the delivery
};

struct History {
  std::vector<Operation> operations;
  std::vector<EndMessage> messages;
  std::vector<EndEvent> events;
};

// One line each, as NDJSON: what a person reads when a check failed.
void append_line(std::string& out, const Operation& operation);
void append_line(std::string& out, const EndMessage& message);
void append_line(std::string& out, const EndEvent& event);
[[nodiscard]] std::string to_ndjson(const History& history);

}  // namespace holdfast::cli::torture
