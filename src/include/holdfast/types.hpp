// The values that cross the public API: what HTTP sends and answers, typed.
//
// Times are milliseconds since the Unix epoch (UTC); 0 means "none". Durations are milliseconds with `_ms` in
// the name. `Json` is a string that holds one valid JSON text; empty means "absent".
#pragma once

#include <cstdint>
#include <holdfast/export.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace holdfast {

using Time = std::int64_t;
using Json = std::string;
using Labels = std::map<std::string, std::string, std::less<>>;

enum class SessionStatus : std::uint8_t { idle, queued, running, paused };
enum class MessageState : std::uint8_t {
  queued,
  dispatched,
  running,
  completed,
  failed,
  interrupted,
  cancelled,
  expired,
  replaced,
  merged
};
enum class OnBusy : std::uint8_t { enqueue, reject, interrupt, replace, merge, steer };
enum class Outcome : std::uint8_t { enqueued, merged, replaced, interrupting, steered };
enum class RepositoryKind : std::uint8_t { none, git, github, gitlab, bitbucket };
enum class WorkspaceState : std::uint8_t { cold, warm };
enum class CredentialOutcome : std::uint8_t { none, stored, server_managed, ignored };
enum class DeliveryMode : std::uint8_t { pull, push };
enum class QueueAction : std::uint8_t { pause, resume, reorder, clear };
enum class InterruptScope : std::uint8_t {
  running,  // the turn that runs, with what was steered into it
  all,      // and everything that is queued
};

[[nodiscard]] constexpr bool terminal(MessageState s) noexcept {
  return s != MessageState::queued && s != MessageState::dispatched && s != MessageState::running;
}

struct Agent {
  std::optional<std::string> mode;
  std::optional<std::string> model;
  bool operator==(const Agent&) const = default;
};

struct Callback {
  std::string url;
  std::vector<std::string> events;
  Labels headers;  // secret: sealed in the vault, never shown; names compare as sent
  bool operator==(const Callback&) const = default;
};

struct Repository {
  RepositoryKind kind = RepositoryKind::none;
  std::string url;
  std::optional<std::string> git_token;  // input only; sealed, never shown
  bool operator==(const Repository&) const = default;
};

// How turns leave a session: claimed by runtimes and handlers, or pushed to a URL.
struct DeliveryRoute {
  DeliveryMode mode = DeliveryMode::pull;
  std::string url;  // for push
  // whsec_..., signs what is pushed. Sealed: shown only in the answer of the call that made it.
  std::optional<std::string> secret;
  bool operator==(const DeliveryRoute&) const = default;
};

// The body of POST and PUT /v1/sessions. An absent part takes its default.
struct SessionSpec {
  Json metadata;  // an object, or empty
  Agent agent;
  Repository repository;
  std::optional<std::uint32_t> queue_capacity;
  std::optional<OnBusy> on_busy;
  Labels labels;
  std::optional<DeliveryRoute> delivery;  // absent: pull
  std::optional<Callback> callback;
  std::int64_t ttl_ms = 0;
};

// If-Match and If-None-Match, reduced to what a session or message can compare.
struct Precondition {
  enum class Kind : std::uint8_t { none, exists, absent, etag } kind = Kind::none;
  std::vector<std::string> etags;  // without quotes, for Kind::etag
};

struct Credential {
  std::uint64_t version = 0;
  Time updated_at = 0;
};

// The session document.
struct Session {
  std::string session;
  std::string project;
  std::uint64_t revision = 0;
  Time created_at = 0;
  Time updated_at = 0;
  SessionStatus status = SessionStatus::idle;
  std::uint64_t last_seq = 0;
  Json metadata;
  Agent agent;
  Repository repository;
  std::optional<Credential> credential;
  std::uint32_t queue_capacity = 0;
  OnBusy on_busy = OnBusy::enqueue;
  std::uint64_t queued = 0;
  bool paused = false;
  std::string head;     // id of the message that runs or is next; empty: none
  std::string runtime;  // who has the turn; empty: nobody
  WorkspaceState workspace = WorkspaceState::cold;
  Labels labels;
  std::optional<DeliveryRoute> delivery;
  std::optional<Callback> callback;  // without headers
  std::int64_t ttl_ms = 0;
};
[[nodiscard]] HOLDFAST_API std::string to_json(const Session&);
[[nodiscard]] HOLDFAST_API std::string etag_of(const Session&);  // without quotes

enum class PutOutcome : std::uint8_t { created, replaced, unchanged };
struct PutResult {
  Session session;
  PutOutcome outcome = PutOutcome::created;
};

// The body of POST .../messages.
struct AdmitRequest {
  std::string id;  // empty: minted
  Json turn;       // {"kind":"prompt"|"command","content":...,"attachments":[...]} in canonical form
  Agent agent;
  std::optional<OnBusy> on_busy;
  std::optional<std::uint64_t> if_seq;
  Time not_before = 0;
  Time expires_at = 0;
  std::uint8_t priority = 0;  // 0 to 9, higher first
  std::string author;
  Json metadata;
  Json budget;
  std::optional<std::string> git_token;  // transient
  std::optional<Callback> callback;
  std::string traceparent;
  std::string body_hash;  // 32 raw bytes over the RFC 8785 form of the body as sent; empty: the engine computes it

  // A prompt or a command from plain text.
  HOLDFAST_API static AdmitRequest prompt(std::string_view text);
  HOLDFAST_API static AdmitRequest command(std::string_view text);
};

// The 202 of an admission: it is on disk.
struct Admitted {
  std::string message;
  std::string session;
  std::uint64_t seq = 0;
  MessageState state = MessageState::queued;  // now, also for a replay
  Outcome outcome = Outcome::enqueued;
  std::uint64_t position = 0;  // 1 = next; 0 = not queued
  Time admitted_at = 0;
  std::string body_hash;  // "sha256:<hex>"
  CredentialOutcome credential = CredentialOutcome::none;
  std::string merged_into;
  bool replayed = false;
};
[[nodiscard]] HOLDFAST_API std::string to_json(const Admitted&);
HOLDFAST_API void append_json(std::string& out, const Admitted&);

struct WaitingFor {
  std::string kind;     // message | paused | retry | runtime | not_before | quota
  std::string message;  // for kind = message
  Time at = 0;
};

struct Failure {
  std::string code;
  std::string reason;  // exhausted | not_retryable
  std::uint32_t attempts = 0;
  std::string detail;
};

// The message document.
struct Message {
  std::string message;
  std::string session;
  std::uint64_t seq = 0;
  MessageState state = MessageState::queued;
  std::uint32_t attempt = 0;
  std::uint64_t position = 0;  // 0: not queued
  std::optional<WaitingFor> waiting_for;
  Json turn;
  Agent agent;
  std::string author;
  std::uint8_t priority = 0;
  Json metadata;
  Json budget;
  std::optional<Callback> callback;  // without headers
  Time not_before = 0;
  Time expires_at = 0;
  Time admitted_at = 0;
  Time edited_at = 0;
  Time dispatched_at = 0;
  Time accepted_at = 0;
  Time finished_at = 0;
  std::string body_hash;
  std::string traceparent;
  Json result;
  std::optional<Failure> failure;
  std::string merged_into;
  std::string steered_into;  // the message whose turn it was handed into
  std::uint32_t edits = 0;
};
[[nodiscard]] HOLDFAST_API std::string to_json(const Message&);
[[nodiscard]] HOLDFAST_API std::string etag_of(const Message&);  // without quotes

// The body of PATCH .../messages/{m}: a set field replaces, an empty optional keeps.
struct MessageEdit {
  std::optional<Json> turn;
  std::optional<Agent> agent;
  std::optional<Time> not_before;  // 0 clears
  std::optional<Time> expires_at;  // 0 clears
  std::optional<std::uint8_t> priority;
  std::optional<Json> metadata;  // empty clears
};

struct QueueCommand {
  QueueAction action = QueueAction::pause;
  std::vector<std::string> order;  // for reorder: queued message ids, in the order in which they go first
};

// What an interrupt captured: on disk, so each of them ends `interrupted` whatever happens next.
struct Interrupted {
  std::string session;
  InterruptScope scope = InterruptScope::running;
  std::string running;         // the message whose turn is to stop; empty: none ran
  std::uint64_t messages = 0;  // how many messages were captured
  Time grace_until = 0;        // a runtime that has not stopped by then is fenced; 0: nothing ran
};
[[nodiscard]] HOLDFAST_API std::string to_json(const Interrupted&);

// Failed messages that can be redriven.
struct DeadLetterQuery {
  std::size_t limit = 100;
  std::string cursor;
};

struct Receipt {
  Json receipt;           // the RFC 8785 form that was signed
  std::string key;        // id of the key
  std::string signature;  // base64url without padding
};
[[nodiscard]] HOLDFAST_API std::string to_json(const Receipt&);

struct ReceiptKey {
  std::string key;
  std::string public_key;  // base64url without padding
};

struct Event {
  std::uint64_t id = 0;
  std::string type;
  Time at = 0;
  Json data;
};
[[nodiscard]] HOLDFAST_API std::string to_json(const Event&);

struct EventQuery {
  std::uint64_t after = 0;  // events with a greater id; 0 = from the oldest kept
  std::size_t limit = 100;
  std::size_t bytes_max = 256 * 1024;  // stops after the event that passes it
  std::vector<std::string> types;      // empty: all
};
struct EventPage {
  std::vector<Event> items;
  std::uint64_t next = 0;  // read on from here: the last id looked at, also of events that the filter left out
  bool more = false;       // there was more to read at once
};

template <class T>
struct Page {
  std::vector<T> items;
  std::string next;  // opaque cursor; empty: the end
};

struct SessionQuery {
  std::optional<SessionStatus> status;
  std::string prefix;
  std::size_t limit = 100;
  std::string cursor;
};

struct MessageQuery {
  std::optional<MessageState> state;
  std::uint64_t after_seq = 0;
  std::size_t limit = 100;
  std::string cursor;
};

struct ForkRequest {
  std::string name;  // empty: minted
  std::optional<std::uint64_t> at_seq;
};

// ---- the pull path -------------------------------------------------------------------------------------------
struct ClaimRequest {
  std::string runtime;
  std::size_t max = 1;       // 1 to 100
  std::int64_t wait_ms = 0;  // 0 to 60 000
  std::int64_t lease_ms = 30'000;
  std::vector<std::string> sessions;  // empty: any
  Labels labels;
};

struct DeliveryCredential {
  std::string token;
  std::uint64_t version = 0;
};

struct Delivery {
  std::string delivery;
  std::string lease;  // opaque; goes back in Holdfast-Lease
  Time lease_expires_at = 0;
  std::uint32_t attempt = 0;
  Session session;
  Message message;
  WorkspaceState workspace = WorkspaceState::cold;
  std::uint64_t workspace_credential = 0;  // the version that the workspace last saw; 0: none
  std::optional<DeliveryCredential> credential;
  std::vector<Message> steer;  // messages for this turn that came before the hand-out
  std::string traceparent;
};
[[nodiscard]] HOLDFAST_API std::string to_json(const Delivery&);

struct LeaseRef {
  std::string delivery;
  std::string lease;
};

struct Heartbeat {
  Time lease_expires_at = 0;
  bool interrupt = false;      // stop the turn and report; it can only end `interrupted`
  std::vector<Message> steer;  // messages for the turn, each handed out once
};
[[nodiscard]] HOLDFAST_API std::string to_json(const Heartbeat&);

struct RuntimeEvent {
  std::string type;
  Json data;
};

struct Completion {
  Json result;
  std::optional<WorkspaceState> workspace;
};

struct FailReport {
  std::string code;
  bool retryable = false;
  std::int64_t retry_after_ms = 0;
  std::string detail;
};

// ---- runtimes: who takes turns -------------------------------------------------------------------------------
enum class RuntimeState : std::uint8_t { provisioning, online, degraded, offline, removed };

// What a caller shows to act for a runtime.
struct RuntimeProof {
  enum class Kind : std::uint8_t {
    none,
    creator,       // may register a new runtime, and nothing else
    operator_key,  // the operator of the project: needs no token
  } kind = Kind::none;
  std::string token;  // said to be the runtime's auth token; empty: none was shown
};

// The body of a registration; what is absent stays as it is.
struct RuntimeSpec {
  std::optional<std::string> url;
  std::optional<Labels> labels;
  std::optional<std::uint32_t> capacity;
};

struct RuntimeInfo {
  std::string runtime;
  RuntimeState state = RuntimeState::provisioning;
  std::string url;
  Labels labels;
  std::uint32_t capacity = 0;
  Time created_at = 0;
  Time updated_at = 0;
  Time seen_at = 0;
};
[[nodiscard]] HOLDFAST_API std::string to_json(const RuntimeInfo&);

struct Registration {
  RuntimeInfo runtime;
  std::string auth_token;      // only when it was issued by this call
  std::string inbound_secret;  // whsec_..., signs what is pushed to the runtime
  bool created = false;
};
[[nodiscard]] HOLDFAST_API std::string to_json(const Registration&);

[[nodiscard]] HOLDFAST_API std::string_view name_of(RuntimeState) noexcept;
[[nodiscard]] HOLDFAST_API std::string_view name_of(SessionStatus) noexcept;
[[nodiscard]] HOLDFAST_API std::string_view name_of(MessageState) noexcept;
[[nodiscard]] HOLDFAST_API std::string_view name_of(OnBusy) noexcept;
[[nodiscard]] HOLDFAST_API std::string_view name_of(Outcome) noexcept;
[[nodiscard]] HOLDFAST_API std::string_view name_of(RepositoryKind) noexcept;
[[nodiscard]] HOLDFAST_API std::string_view name_of(WorkspaceState) noexcept;
[[nodiscard]] HOLDFAST_API std::string_view name_of(CredentialOutcome) noexcept;
[[nodiscard]] HOLDFAST_API std::string_view name_of(InterruptScope) noexcept;
[[nodiscard]] HOLDFAST_API std::string_view name_of(DeliveryMode) noexcept;
[[nodiscard]] HOLDFAST_API std::optional<SessionStatus> session_status(std::string_view) noexcept;
[[nodiscard]] HOLDFAST_API std::optional<MessageState> message_state(std::string_view) noexcept;
[[nodiscard]] HOLDFAST_API std::optional<DeliveryMode> delivery_mode(std::string_view) noexcept;
[[nodiscard]] HOLDFAST_API std::optional<OnBusy> on_busy(std::string_view) noexcept;
[[nodiscard]] HOLDFAST_API std::optional<InterruptScope> interrupt_scope(std::string_view) noexcept;
[[nodiscard]] HOLDFAST_API std::optional<RepositoryKind> repository_kind(std::string_view) noexcept;
[[nodiscard]] HOLDFAST_API std::optional<WorkspaceState> workspace_state(std::string_view) noexcept;

}  // namespace holdfast
