// Entity: what a live session holds in memory. Document (configuration, rarely written) and State (written with
// every command but a plain admission) are rows of `objects`; the queue's window is rebuilt from the journal.
//
// An admission that changes nothing but the tail writes its marker and no state row: the entity is the stored state
// and the admitted markers after it, folded in order (`fold_admitted`, used live and at activation alike). A state
// row is written at the latest every kCheckpointAdmissions, which bounds what an activation reads.
#pragma once

#include <cstdint>
#include <holdfast/types.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/session/marker.hpp"

namespace holdfast::session {

inline constexpr std::uint32_t kCheckpointAdmissions = 64;

// What PUT and PATCH set. What every admission looks at lies together; whether an optional part is there is said at its
// end, so `callback` comes first.
struct Document {
  std::optional<Callback> callback;  // never with headers
  bool exists = false;
  bool deleted = false;
  OnBusy on_busy = OnBusy::enqueue;
  std::optional<std::uint32_t> queue_capacity;
  std::uint64_t revision = 0;
  Time created_at = 0;
  Labels labels;
  Agent agent;
  Repository repository;  // never with a token
  std::int64_t ttl_ms = 0;
  Json metadata;
  std::string callback_headers_hash;
  std::optional<DeliveryRoute> delivery;  // never with a secret
};
void encode(std::string& out, const Document& document);
[[nodiscard]] Result<Document> decode_document(std::string_view value);

// The turn that runs: who has the lease, and until when.
struct Running {
  std::uint64_t position = 0;
  Time lease_expires_at = 0;
  std::int64_t lease_ms = 0;
  std::string runtime;
  std::uint64_t credential_version = 0;  // the one that was handed out
  Time interrupt_until = 0;              // captured by an interrupt: fenced at this time; 0: not interrupted
  std::vector<std::uint64_t> steered;    // messages that were handed into the turn
  Row row;
};

// Who may take the turns of a session: a claim that carries these labels or, when they are pushed, what is sent to
// this origin. The value of an entry in the ready index.
struct Terms {
  Labels labels;
  std::string target;  // origin of the URL that turns are pushed to; empty: they are claimed
};
void encode(std::string& out, const Terms& terms);
[[nodiscard]] Result<Terms> decode_terms(std::string_view value);
[[nodiscard]] Terms terms_of(const Document& document);

// The entry of the session in the ready index, if it has one.
struct ReadyMark {
  std::uint8_t priority = 0;
  Time at = 0;
  bool push = false;
  bool operator==(const ReadyMark&) const = default;
};

struct State {
  std::uint64_t last_position = 0;
  std::uint64_t last_seq = 0;
  std::uint64_t queued = 0;
  std::uint64_t operations = 0;  // queue operations, part of the ETag
  Time updated_at = 0;
  bool paused = false;
  Credential credential;
  std::uint64_t credential_message = 0;  // position of the message that brought it; 0: PUT or none
  WorkspaceState workspace = WorkspaceState::cold;
  std::uint64_t workspace_credential = 0;  // the version that the workspace last saw; 0: none
  std::uint64_t low = 1;                   // no message of an order below it is queued, but those in `front`
  std::vector<std::uint64_t> front;        // positions handed out before all others, in this order
  // Queued messages that steer the turn of the message at `steered_turn`, and were not handed into it yet.
  std::vector<std::uint64_t> steers;
  std::uint64_t steered_turn = 0;
  std::optional<ReadyMark> ready;
  Time armed = 0;                  // the alarm on disk; 0: none
  Time expiry = 0;                 // no queued message expires before it; 0: none expires
  std::uint64_t floor = 1;         // events below it are no longer kept
  std::optional<Running> running;  // the last: see Router::expect
};
void encode(std::string& out, const State& state);
[[nodiscard]] Result<State> decode_state(std::string_view value);

struct QueueItem {
  std::uint64_t position = 0;
  std::uint64_t order = 0;  // its place in the queue: the position, or that of its redrive
  std::uint64_t seq = 0;
  Time admitted_at = 0;
  Time not_before = 0;  // also carries retry_at
  Time expires_at = 0;
  std::uint8_t priority = 0;
  bool untouched = false;  // nothing was written about it since its admission
};

// The first queued messages in the order in which they will run: those of State::front, then by order.
struct Window {
  std::vector<QueueItem> items;
  std::size_t front = 0;  // how many of them are State::front
  std::uint64_t end = 1;  // every queued message of an order below this is in `items`
};

struct Entity {
  Document document;
  Window window;
  std::uint32_t since_checkpoint = 0;
  State state;  // the last: see Router::expect
};

}  // namespace holdfast::session
