// Marker: one record of a session's journal, and the only record that an admission writes.
//
// The journal is dense: each marker or runtime event takes the next position of the session. An `admitted` marker is
// three things at once: the admission marker (seq, body hash, credential version), the message itself (its Intent),
// and the event `message.queued`. Every later change of a message is a marker that holds the message's Row afterwards;
// the delivery key of the message points to its latest one. So a message is read with one or two gets, the
// event log is the journal read in order, and nothing is written twice.
#pragma once

#include <array>
#include <cstdint>
#include <holdfast/error.hpp>
#include <holdfast/types.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast::session {

enum class MarkerKind : std::uint8_t {
  admitted = 1,    // intent, row
  edited = 2,      // intent (the new one), row
  transition = 3,  // row
  operation = 4,   // what happened to the session as a whole: pause, resume, reorder, update
};

// What was asked, frozen at admission. An edit makes a new one under the same id and body hash.
struct Intent {
  std::string id;
  std::uint64_t seq = 0;
  std::string body_hash;  // 32 raw bytes
  std::uint64_t credential_version = 0;
  Outcome outcome = Outcome::enqueued;                             // what the answer said, and says to a replay
  CredentialOutcome credential_outcome = CredentialOutcome::none;  // the same
  std::uint64_t place = 0;  // 1-based place in the queue at admission; 0: never queued
  Time admitted_at = 0;
  Json turn;
  Agent agent;
  std::string author;
  std::uint8_t priority = 0;
  Time not_before = 0;
  Time expires_at = 0;
  Json metadata;
  Json budget;
  std::optional<Callback> callback;  // without headers: those are sealed in the vault
  std::string callback_headers;      // hash of those, which names them there; empty: none
  std::string traceparent;
};

inline constexpr std::size_t kFailureClasses = 4;
enum class FailureClass : std::uint8_t { regular, rate_limited, unreachable, lease_expired };

// Where a message stands.
struct Row {
  MessageState state = MessageState::queued;
  std::uint32_t attempt = 0;  // of the delivery that runs or ran last; 0: never handed out
  std::uint32_t edits = 0;
  std::uint64_t content = 0;  // position of the marker with the current intent; 0: the admission's
  std::uint64_t order = 0;    // position of the marker that put it at the queue's end again; 0: the admission
  Time retry_at = 0;
  Time edited_at = 0;
  Time dispatched_at = 0;
  Time accepted_at = 0;
  Time finished_at = 0;
  std::array<std::uint32_t, kFailureClasses> failures{};  // retryable failures so far, by class
  std::string delivery;                                   // id of the delivery that runs or ran last
  std::string lease_hash;                                 // of its lease
  bool callback = false;                                  // its intent has one
  Json result;
  std::optional<Failure> failure;
  std::string merged_into;
  std::string steered_into;
};

struct Marker {
  MarkerKind kind = MarkerKind::admitted;
  Time at = 0;
  std::uint64_t message = 0;  // position of the message's admitted marker; 0 for operations
  Intent intent;              // admitted, edited
  Row row;                    // all but operations
  std::string what;           // operations: the event type, e.g. "session.paused"
  Json data;                  // operations: the event's data
};

void encode(std::string& out, const Marker& marker);
// Errors: internal (a damaged or newer record).
[[nodiscard]] Result<Marker> decode_marker(std::string_view value);

// A runtime's event, in Family::streams.
struct StreamEvent {
  std::string type;
  Time at = 0;
  Json data;
};
void encode(std::string& out, const StreamEvent& event);
[[nodiscard]] Result<StreamEvent> decode_stream_event(std::string_view value);

// The type of the event that a marker is.
[[nodiscard]] std::string event_type(const Marker& marker);

}  // namespace holdfast::session
