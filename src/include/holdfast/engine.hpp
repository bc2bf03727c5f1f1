// The engine: durable sessions inside your own program.
//
//     auto engine = holdfast::Engine::open({.data = "data"});
//     auto admitted = (*engine)->admit("chat-1", holdfast::AdmitRequest::prompt("hello"));
//
// Whatever HTTP can do, this class can do; the HTTP front is a client of it. Each session is one single-threaded
// actor. A call runs the session's turn of work on the calling thread when the session is free, and otherwise on
// the thread that has it; the answer comes when the write it stands on is durable.
//
// Every call has two forms. The blocking one returns the answer; never call it from a completion. The `_async` one
// takes a completion, which runs exactly once: on a thread of the engine, on one of the host's that waits in a blocking
// call (it commits for others too), where a CompletionQueue is run (the HTTP front's threads do), or before the call
// returns. It must not block.
//
// Thread-safety: every member may be called from any thread, until the destructor begins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <holdfast/backup.hpp>
#include <holdfast/completion_queue.hpp>
#include <holdfast/error.hpp>
#include <holdfast/export.hpp>
#include <holdfast/options.hpp>
#include <holdfast/stats.hpp>
#include <holdfast/transport.hpp>
#include <holdfast/turn.hpp>
#include <holdfast/types.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace holdfast {

enum class Health : std::uint8_t { recovering, ready, draining, broken };

// A running subscription; destroying it ends it. After the destructor returned, no callback runs.
class HOLDFAST_API Subscription {
 public:
  virtual ~Subscription() = default;
};

class HOLDFAST_API Engine {
 public:
  // Opens or creates the store in `options.data` and recovers. Errors: `invalid_request` for what the
  // options say; `internal` with a `detail` that says what the store refused and what to do (lock held, corruption,
  // newer format).
  [[nodiscard]] static Result<std::unique_ptr<Engine>> open(Options options);

  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // ---- sessions ----
  void create_async(SessionSpec, Done<Session>);  // mints a ses_ id
  void put_async(std::string session, SessionSpec, Precondition, Done<PutResult>);
  void get_async(std::string session, Done<Session>);
  void patch_async(std::string session, Json merge_patch, Precondition, Done<Session>);  // RFC 7396
  void remove_async(std::string session, Precondition, Done<Nothing>);
  void list_async(SessionQuery, Done<Page<Session>>);
  void fork_async(std::string session, ForkRequest, Done<Session>);
  void export_async(std::string session, Done<std::string>);               // NDJSON, without secrets
  void import_async(std::string ndjson, std::string name, Done<Session>);  // empty name: the one in the file

  // ---- messages ----
  // Errors: conflict, session_busy, queue_full, idempotency_mismatch, gone, precondition_failed, commit_unknown, ...
  void admit_async(std::string session, AdmitRequest, Precondition, Done<Admitted>);
  void admit_batch_async(std::string session, std::vector<AdmitRequest>, Precondition, Done<std::vector<Admitted>>);
  void message_async(std::string session, std::string message, Done<Message>);
  void messages_async(std::string session, MessageQuery, Done<Page<Message>>);
  void receipt_async(std::string session, std::string message, Done<Receipt>);
  void edit_async(std::string session, std::string message, MessageEdit, Precondition, Done<Message>);
  void cancel_async(std::string session, std::string message, Precondition, Done<Message>);
  void queue_async(std::string session, QueueCommand, Precondition, Done<Session>);
  // Captures messages durably: each ends `interrupted`, the running one when its runtime stopped or its grace is over.
  void interrupt_async(std::string session, InterruptScope, Done<Interrupted>);
  // Puts a failed message back at the queue's end, with a new series of retries. Errors: not_failed, queue_full.
  void redrive_async(std::string session, std::string message, Done<Message>);
  void dead_letters_async(DeadLetterQuery, Done<Page<Message>>);  // by session name, then age

  // ---- events ----
  void events_async(std::string session, EventQuery, Done<EventPage>);
  // Calls `wake` (cheap, any thread, never concurrently with itself) whenever events of `session` became durable.
  // Read them with events_async. This is what SSE, WebSocket and the waits are made of: a slow reader costs nothing.
  [[nodiscard]] std::unique_ptr<Subscription> watch(std::string session, std::function<void()> wake);
  // Calls `on_event` for each event after `after`, each exactly once and in order, from one thread at a time.
  [[nodiscard]] std::unique_ptr<Subscription> subscribe(std::string session, std::uint64_t after,
                                                        std::function<void(const Event&)> on_event);

  // ---- waits: answer when the condition holds, or with the document as it is after wait_ms ----
  void wait_session_async(std::string session, std::uint64_t min_seq, std::int64_t wait_ms, Done<Session>);
  void wait_message_async(std::string session, std::string message, std::int64_t wait_ms, Done<Message>);

  // ---- the pull path ----
  // Waits up to wait_ms for at least one delivery; an empty answer means that the time ran out.
  void claim_async(ClaimRequest, Done<std::vector<Delivery>>);
  void accept_async(LeaseRef, Done<Nothing>);
  void heartbeat_async(LeaseRef, Done<Heartbeat>);
  void append_events_async(LeaseRef, std::vector<RuntimeEvent>, Done<std::uint64_t>);  // id of the last one
  void complete_async(LeaseRef, Completion, Done<Nothing>);
  void fail_async(LeaseRef, FailReport, Done<Nothing>);
  void release_async(LeaseRef, Done<Nothing>);

  // ---- turns in this process ----
  // `handler` takes turns from now on, as a runtime with the label class=`handler_class` and those of `options` would:
  // of sessions that demand no label it does not carry. It runs on the engine's pool (Options::turn_threads), each turn
  // under a lease that the engine keeps while the handler runs. Errors: invalid_name.
  Result<Nothing> on_turn(std::string handler_class, TurnHandler handler, TurnOptions options = {});

  // ---- objects of the host's classes ----
  // Runs on_request of the object, which comes to life with it. The reply comes when what the handler wrote is durable.
  // Errors: not_found (no such class), invalid_name, what the handler threw.
  void call_async(std::string object_class, std::string name, Request, Done<Reply>);
  Result<Reply> call(std::string object_class, std::string name, Request);
  // The same for a front that can carry bodies in parts.
  void call_async(std::string object_class, std::string name, Request, std::shared_ptr<BodyTransfer>, Done<Reply>);
  // Whether requests to this class should be handed over before their body has come. False for a class that is not
  // here.
  [[nodiscard]] bool takes_streams(std::string_view object_class) const noexcept;
  // Runs on_websocket_open of the object. The handshake may be answered when it is done.
  void open_websocket_async(std::string object_class, std::string name, Request, std::shared_ptr<SocketPeer>,
                            Done<std::shared_ptr<SocketLink>>);
  // What the object emitted, after `query.after`.
  [[nodiscard]] Result<EventPage> object_events(std::string object_class, std::string name, EventQuery query = {});
  [[nodiscard]] bool has_class(std::string_view object_class) const noexcept;

  // ---- callbacks ----
  // A new secret that signs callbacks, shown once; the one before signs too for webhook_overlap_ms.
  void rotate_webhook_secret_async(Done<std::string>);

  // ---- runtimes ----
  // The first registration issues the auth token, once; a later one needs proof and shows the inbound secret again.
  // Errors: unauthorized (no proof, nothing changed), gone (removed), too_large (runtimes_max).
  void register_runtime_async(std::string runtime, RuntimeProof, RuntimeSpec, Done<Registration>);
  void beat_runtime_async(std::string runtime, RuntimeProof, Done<Registration>);    // "I am here"
  void rotate_runtime_async(std::string runtime, RuntimeProof, Done<Registration>);  // a new token; the old one ends
  void remove_runtime_async(std::string runtime, Done<Nothing>);  // final; its turns go back to their queues
  [[nodiscard]] Page<RuntimeInfo> runtimes(std::string_view after = {}, std::size_t limit = 100) const;
  // The runtime that this auth token proves.
  [[nodiscard]] std::optional<std::string> runtime_of(std::string_view auth_token) const;

  // ---- the blocking forms ----
  Result<std::string> rotate_webhook_secret();
  Result<Registration> register_runtime(std::string runtime, RuntimeProof, RuntimeSpec = {});
  Result<Registration> rotate_runtime(std::string runtime, RuntimeProof);
  Result<Nothing> remove_runtime(std::string runtime);
  Result<Session> create(SessionSpec spec = {});
  Result<PutResult> put(std::string session, SessionSpec spec = {}, Precondition = {});
  Result<Session> get(std::string session);
  Result<Session> patch(std::string session, Json merge_patch, Precondition = {});
  Result<Nothing> remove(std::string session, Precondition = {});
  Result<Page<Session>> list(SessionQuery query = {});
  Result<Session> fork(std::string session, ForkRequest = {});
  Result<std::string> export_session(std::string session);
  Result<Session> import_session(std::string ndjson, std::string name = {});
  Result<Admitted> admit(std::string session, AdmitRequest, Precondition = {});
  Result<std::vector<Admitted>> admit_batch(std::string session, std::vector<AdmitRequest>, Precondition = {});
  Result<Message> message(std::string session, std::string message);
  Result<Page<Message>> messages(std::string session, MessageQuery query = {});
  Result<Receipt> receipt(std::string session, std::string message);
  Result<Message> edit(std::string session, std::string message, MessageEdit, Precondition = {});
  Result<Message> cancel(std::string session, std::string message, Precondition = {});
  Result<Session> queue(std::string session, QueueCommand, Precondition = {});
  Result<Interrupted> interrupt(std::string session, InterruptScope scope = InterruptScope::running);
  Result<Message> redrive(std::string session, std::string message);
  Result<Page<Message>> dead_letters(DeadLetterQuery query = {});
  Result<EventPage> events(std::string session, EventQuery query = {});
  Result<Session> wait_session(std::string session, std::uint64_t min_seq, std::int64_t wait_ms);
  Result<Message> wait_message(std::string session, std::string message, std::int64_t wait_ms);
  Result<std::vector<Delivery>> claim(ClaimRequest request = {});
  Result<Nothing> accept(LeaseRef);
  Result<Heartbeat> heartbeat(LeaseRef);
  Result<std::uint64_t> append_events(LeaseRef, std::vector<RuntimeEvent>);
  Result<Nothing> complete(LeaseRef, Completion = {});
  Result<Nothing> fail(LeaseRef, FailReport);
  Result<Nothing> release(LeaseRef);

  // ---- backups: docs/BACKUP.md ----
  // Copies the store into a directory while it is used; what is there already is not copied again. Returns when the
  // backup was read back. Errors: conflict (one is under way), invalid_request (not a directory for backups of this
  // store), insufficient_storage, internal; earlier backups are as they were.
  Result<Backup> backup(const BackupRequest& request);
  // The same on a thread of the engine. Errors: overloaded, too: there is no thread to be had.
  Result<BackupStatus> start_backup(BackupRequest request);
  [[nodiscard]] BackupStatus backup_status() const;
  // Oldest first. Errors: invalid_request (there are none in the directory), conflict (one is being made there).
  [[nodiscard]] static Result<std::vector<Backup>> backups(const std::filesystem::path& directory);

  // ---- the whole ----
  [[nodiscard]] const Limits& limits() const noexcept;
  [[nodiscard]] Health health() const noexcept;
  // Less than disk_reserve_bytes is left: what grows the store is refused until there is space again.
  [[nodiscard]] bool disk_full() const noexcept;
  [[nodiscard]] EngineStats stats() const;
  // What waits to be made durable has waited for longer than overload_delay_ms, without a break: the disk has fallen
  // behind, and new work only makes the queue longer. A host that can put off work had better do so.
  [[nodiscard]] bool overloaded() const noexcept;
  [[nodiscard]] ReceiptKey receipt_key() const;
  [[nodiscard]] std::string store_id() const;
  // `hook` runs after each durable batch, when its completions ran, but for those in a CompletionQueue: a front flushes
  // its answers once there.
  void on_batch_end(std::function<void()> hook);
  // `hook` runs once when the store latched broken (a sync failed): from then on every write is commit_unknown.
  void on_broken(std::function<void(const Error&)> hook);
  // For a thread with an event loop of its own, around each round of it: what the round wrote is made durable by this
  // thread at its end, which spares waking the engine's writer and being woken by it. More than `commits_max` writes,
  // or those for a disk that is slow to sync, are the writer's: it begins at the end of the round, with 32 of them, or
  // after a millisecond. Answers whose
  // order does not matter come to `answers`, if there is one: run it after each round, and when it wakes the loop. All
  // others come on the thread that made them durable.
  void begin_round(std::size_t commits_max, CompletionQueue* answers = nullptr) noexcept;
  void end_round();
  // A queue for begin_round. `wake` is called on any thread when there is something in it, and must only tell the loop.
  // Not after close(), of it or of the engine.
  [[nodiscard]] std::shared_ptr<CompletionQueue> completion_queue(std::function<void()> wake);
  // A command to `session` comes in a moment: what it will touch is fetched into the processor's cache while the caller
  // still reads its request. Cheap; changes nothing.
  void expect(std::string_view session) const;
  // Cancels handlers and waits for them, stops taking commands (shutting_down), ends waits and claims, syncs, and marks
  // a clean shutdown. Idempotent. Not from a handler or completion.
  void close();

  class Impl;  // not part of the API

 private:
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
