// Work: one command in progress. It collects the write set and keeps entity and records in step; the commands in
// admission.cpp, queue.cpp, turns.cpp, configuration.cpp and transfer.cpp are written in its terms.
#pragma once

#include <functional>

#include "actors/session/kernel.hpp"
#include "actors/session/overlay.hpp"
#include "actors/session/views.hpp"

namespace holdfast::session {

// What the row of a message says that waits again. However it ends then, no report of who had its turn counts.
void queue_again(Row& row) noexcept;

class Work {
 public:
  Work(Entity& e, const Context& c)
      : entity(e),
        state(e.state),
        document(e.document),
        context(c),
        reader_(c.reader, writes),
        journal(reader_, c.id) {}

  // ---- the journal ----
  // Appends a marker at the next position and returns the position.
  std::uint64_t append(Marker marker);
  // Appends what became of the message at `position`.
  void transition(std::uint64_t position, const Row& row);
  void edit(std::uint64_t position, Intent intent, Row row);
  // A callback of the message at `position` falls due now.
  void call_back(std::uint64_t position);
  void operation(std::string_view what, Json data);

  // ---- the queue ----
  // Takes a message out of the queue (the caller writes where it went).
  void dequeue(std::uint64_t position);
  // Puts a message back before all others.
  void requeue(std::uint64_t position, const Intent& intent, Row row);
  // Moves a queued message before all others.
  void bring_forward(std::uint64_t position);
  // Ends every queued message for which `which` holds, in order. Returns how many.
  std::uint64_t end_queued(MessageState with, const std::function<bool(const Found&)>& which);
  // Calls `visit` for every queued message in the order of delivery.
  void each_queued(const std::function<Visit(Found&&)>& visit) const;
  [[nodiscard]] const QueueItem* head() const noexcept {
    return entity.window.items.empty() ? nullptr : &entity.window.items.front();
  }
  // The running turn if `lease` holds it now; otherwise nothing.
  [[nodiscard]] Running* held(const Lease& lease) noexcept;

  // ---- the vault ----
  void seal(std::string_view label, std::string_view plain);
  void unkeep(std::string_view label);
  [[nodiscard]] std::optional<std::string> unseal(std::string_view label) const;

  // ---- rows ----
  void create_if_absent();
  void document_changed() noexcept { document_dirty_ = true; }
  void state_changed() noexcept { state_dirty_ = true; }
  void relabelled() noexcept { relabelled_ = true; }

  // Answers with this error although what was written stays written.
  std::optional<Error> refusal;

  // Brings ready index and alarm in line with the entity and writes the rows that changed.
  void settle();
  // Writes the tombstone instead of everything else.
  void bury();

  Entity& entity;
  State& state;
  Document& document;
  const Context& context;
  WriteSet writes;
  Effects effects;

 private:
  [[nodiscard]] std::optional<ReadyMark> wanted_ready() const noexcept;
  [[nodiscard]] Time wanted_alarm() const noexcept;
  void settle_ready();
  void settle_alarm();
  void drop_old_events();
  void take_from_window(std::uint64_t position);
  void lower_bound_moved() noexcept;

  StepReader reader_;
  bool document_dirty_ = false;
  bool state_dirty_ = false;
  bool relabelled_ = false;

 public:
  Journal journal;
};

// ---- the commands, by file ----
[[nodiscard]] Result<Reply> run(Work&, const Admit&);  // admission.cpp
[[nodiscard]] Result<Reply> run(Work&, const ReadReceipt&);
[[nodiscard]] Result<Reply> run(Work&, const Edit&);  // queue.cpp
[[nodiscard]] Result<Reply> run(Work&, const Cancel&);
[[nodiscard]] Result<Reply> run(Work&, const Queue&);
[[nodiscard]] Result<Reply> run(Work&, const ReadMessage&);
[[nodiscard]] Result<Reply> run(Work&, const ReadMessages&);
[[nodiscard]] Result<Reply> run(Work&, const Redrive&);
[[nodiscard]] Result<Reply> run(Work&, const Interrupt&);  // interrupt.cpp
[[nodiscard]] Result<Reply> run(Work&, const Dispatch&);   // turns.cpp
[[nodiscard]] Result<Reply> run(Work&, const Accept&);
[[nodiscard]] Result<Reply> run(Work&, const Beat&);
[[nodiscard]] Result<Reply> run(Work&, const AppendEvents&);
[[nodiscard]] Result<Reply> run(Work&, const Complete&);
[[nodiscard]] Result<Reply> run(Work&, const Fail&);
[[nodiscard]] Result<Reply> run(Work&, const Release&);
[[nodiscard]] Result<Reply> run(Work&, const Fence&);
[[nodiscard]] Result<Reply> run(Work&, const Alarm&);
[[nodiscard]] Result<Reply> run(Work&, const ReadCallback&);  // callbacks.cpp
[[nodiscard]] Result<Reply> run(Work&, const EndCallback&);
[[nodiscard]] Result<Reply> run(Work&, const Put&);  // configuration.cpp
[[nodiscard]] Result<Reply> run(Work&, const Get&);
[[nodiscard]] Result<Reply> run(Work&, const Patch&);
[[nodiscard]] Result<Reply> run(Work&, const Remove&);
[[nodiscard]] Result<Reply> run(Work&, const Export&);  // transfer.cpp
[[nodiscard]] Result<Reply> run(Work&, const Import&);
[[nodiscard]] Result<Reply> run(Work&, const ForkSource&);
[[nodiscard]] Result<Reply> run(Work&, const Fork&);

// ---- the end of a turn (turns.cpp) ----
// Ends the running turn, and what was steered into it, as `state`.
void end_turn(Work& work, MessageState state, Row row);

// ---- steering: messages for the turn that runs (steering.cpp) ----
// Hands what waits into the running turn, and returns it.
[[nodiscard]] std::vector<Message> hand_out_steers(Work& work);
// The turn ended as `state`: what was handed into it ends with it or, when the turn failed, runs next, as does what
// was not handed out. Call while `running` is set.
void end_steers(Work& work, MessageState state);
// The turn goes back to the queue: what was steered into it waits for its next attempt, right behind it.
void return_steers(Work& work);

// ---- interrupts (interrupt.cpp) ----
// Captures the running turn: from now on it can only end `interrupted`.
void capture_running(Work& work);

// ---- the git credential: sealed, versioned, current at hand-out (admission.cpp) ----
[[nodiscard]] CredentialOutcome credential_outcome(RepositoryKind kind, std::string_view token) noexcept;
void store_credential(Work& work, std::string_view token);
[[nodiscard]] std::optional<DeliveryCredential> current_credential(const Work& work);

// ---- what is sent out: signed by the push secret, with the callback's headers ----
// The secret that signs what is pushed; made and sealed when there is none.
inline constexpr std::string_view kPushLabel = "push";
[[nodiscard]] std::string push_secret(Work& work);
[[nodiscard]] std::string tries_value(std::uint64_t tries);  // of a row of the outbox
[[nodiscard]] std::string hash_of_headers(const Labels& headers);
// Seals the headers of a callback and returns the hash that names them; empty when there are none.
[[nodiscard]] std::string keep_headers(Work& work, const Labels& headers);

// An error unless the precondition holds for what has this ETag (nullopt: it does not exist).
[[nodiscard]] Result<void> check(const Precondition& precondition, const std::optional<std::string>& etag);
[[nodiscard]] tl::unexpected<Error> no_session(const Work& work);
[[nodiscard]] tl::unexpected<Error> no_message(std::string_view message);

}  // namespace holdfast::session
