// Admission: checks first, then one write set, then the answer.
#include <algorithm>

#include "actors/session/merge.hpp"
#include "actors/session/work.hpp"
#include "src/core/check.hpp"
#include "src/core/json.hpp"
#include "storage/codec.hpp"
#include "storage/keys.hpp"

namespace holdfast::session {
namespace {

constexpr std::string_view kTokenLabel = "git_token";

Admitted answer(const Work& work, const Intent& intent, const Row& row) {
  Admitted a;
  a.message = intent.id;
  a.session = work.context.id.name;
  a.seq = intent.seq;
  a.state = row.state;
  a.admitted_at = intent.admitted_at;
  a.body_hash = show_hash(intent.body_hash);
  a.merged_into = row.merged_into;
  a.outcome = intent.outcome;
  a.credential = intent.credential_outcome;
  return a;
}

// The original answer with the delivery of now. An edit keeps id, seq, hash and time of admission.
Result<Admitted> replay(Work& work, const Found& m, const std::string& body_hash) {
  if (m.intent.body_hash != body_hash)
    return fail(ErrorCode::idempotency_mismatch,
                "message " + m.intent.id + " was admitted with another body; send the same body or choose a new id");
  Admitted a = answer(work, m.intent, m.row);
  a.replayed = true;
  if (m.row.state == MessageState::queued) a.position = place_of(m.position, m.intent.seq, work.entity);
  ++work.effects.replayed;
  return a;
}

tl::unexpected<Error> admitted_since(const Work& work, std::uint64_t seq) {
  std::string markers = "\"markers\":[";
  std::uint64_t listed = 0;
  if (seq < work.state.last_seq) {
    const auto from = work.journal.position_of_seq(seq + 1, work.state.last_position);
    work.journal.each_marker(from, work.state.last_position + 1, Range::Order::ascending,
                             [&](std::uint64_t, Marker&& m) {
                               if (m.kind != MarkerKind::admitted) return Visit::next;
                               if (listed != 0) markers += ',';
                               json::ObjectWriter(markers)
                                   .number("seq", m.intent.seq)
                                   .text("message", m.intent.id)
                                   .text("body_hash", show_hash(m.intent.body_hash))
                                   .end();
                               return ++listed < work.context.limits.list_items_max ? Visit::next : Visit::stop;
                             });
  }
  auto error = fail(ErrorCode::conflict, "the session's last_seq is " + std::to_string(work.state.last_seq) + ", not " +
                                             std::to_string(seq) + "; look at `markers` and decide anew");
  error.value().members = markers + "],\"last_seq\":" + std::to_string(work.state.last_seq);
  return error;
}

Intent freeze(Work& work, const AdmitRequest& request, const std::string& body_hash) {
  const auto& document = work.document;
  Intent intent;
  intent.seq = work.state.last_seq + 1;
  intent.id = request.id.empty() ? mint_message_id(work.context.now, work.state.last_position + 1, work.context.random)
                                 : request.id;
  intent.body_hash = body_hash;
  intent.credential_version = work.state.credential.version;
  intent.admitted_at = work.context.now;
  intent.turn = request.turn;
  intent.agent.mode = request.agent.mode ? request.agent.mode : document.agent.mode;
  intent.agent.model = request.agent.model ? request.agent.model : document.agent.model;
  intent.author = request.author;
  intent.priority = request.priority;
  intent.not_before = request.not_before;
  intent.expires_at = request.expires_at;
  intent.metadata = request.metadata;
  intent.budget = request.budget;
  intent.callback = request.callback ? request.callback : document.callback;
  if (request.callback) {
    intent.callback_headers = keep_headers(work, request.callback->headers);
    intent.callback->headers.clear();
  } else if (intent.callback) {
    intent.callback_headers = document.callback_headers_hash;
  }
  intent.traceparent = request.traceparent;
  return intent;
}

CredentialOutcome take_credential(Work& work, const AdmitRequest& request) {
  if (!request.git_token) return CredentialOutcome::none;
  const auto outcome = credential_outcome(work.document.repository.kind, *request.git_token);
  if (outcome == CredentialOutcome::stored) {
    store_credential(work, *request.git_token);
    work.state.credential_message = work.state.last_position + 1;
  }
  return outcome;
}

// Writes the one record that is marker, message and event, and folds it into the entity.
enum class Id : std::uint8_t { chosen, minted };

std::uint64_t write_admitted(Work& work, Marker& marker, Id id) {
  const std::uint64_t position = work.state.last_position + 1;
  marker.kind = MarkerKind::admitted;
  marker.at = work.context.now;
  marker.message = position;
  std::string value;
  encode(value, marker);
  work.writes.put(Family::journal, keys::marker(work.context.id, position), std::move(value));
  // A client's own id needs an index; a minted one carries its place, also when a client sends it.
  if (id == Id::chosen && position_in(marker.intent.id) != position) {
    std::string pointer;
    Encoder(pointer).varint(position);
    work.writes.put(Family::journal, keys::message_id(work.context.id, marker.intent.id), std::move(pointer));
  }
  fold_admitted(work.entity, position, marker.intent, marker.row, work.context.limits.queue_window_messages);
  work.effects.events = true;
  ++work.effects.admitted;
  if (marker.row.callback && terminal(marker.row.state)) work.call_back(position);
  return position;
}

// Appends the new turn to the last queued message of the same author. Nothing when there is no such message, or the
// merged content would be over the limit: then the message queues as usual.
std::optional<Found> merge_target(const Work& work, const AdmitRequest& request, std::string& merged_turn) {
  constexpr int kLookBack = 256;
  std::optional<Found> target;
  int looked = 0;
  work.journal.each_marker(work.state.low, work.state.last_position + 1, Range::Order::descending,
                           [&](std::uint64_t position, Marker&& m) {
                             if (m.kind != MarkerKind::admitted) return Visit::next;
                             if (++looked > kLookBack) return Visit::stop;
                             if (m.intent.author != request.author) return Visit::next;
                             auto found = work.journal.at(position);
                             if (!found || found->row.state != MessageState::queued) return Visit::next;
                             target = std::move(found);
                             return Visit::stop;
                           });
  if (!target) return std::nullopt;
  auto merged = merge_turns(target->intent.turn, request.turn, work.context.limits.content_bytes_max);
  if (!merged) return std::nullopt;
  merged_turn = std::move(*merged);
  return target;
}

Result<Admitted> admit_one(Work& work, const AdmitRequest& request) {
  const std::string body_hash = request.body_hash.empty() ? body_hash_of(request) : request.body_hash;
  if (!request.id.empty() && work.document.exists) {
    if (const auto known = work.journal.find(request.id)) return replay(work, *known, body_hash);
  }
  if (request.if_seq && *request.if_seq != work.state.last_seq) return admitted_since(work, *request.if_seq);

  const auto policy = request.on_busy.value_or(work.document.on_busy);
  const bool busy = work.state.running || work.state.queued != 0;
  std::string merged_turn;
  std::optional<Found> target;
  if (busy) {
    switch (policy) {
      case OnBusy::enqueue: break;
      case OnBusy::reject:
        return fail(ErrorCode::session_busy,
                    "the session has " + std::to_string(work.state.queued) + " queued message(s)" +
                        (work.state.running ? " and a running turn" : "") + "; wait, or choose another on_busy");
      case OnBusy::interrupt:
      case OnBusy::steer:
      case OnBusy::replace: break;
      case OnBusy::merge: target = merge_target(work, request, merged_turn); break;
    }
  }
  const bool replaces = busy && policy == OnBusy::replace;
  const bool interrupts = work.state.running && policy == OnBusy::interrupt;
  const bool steers = work.state.running && policy == OnBusy::steer && work.state.running->interrupt_until == 0;
  if (!target && !replaces && work.state.queued >= capacity_of(work.document, work.context.limits))
    return fail(ErrorCode::queue_full, "the queue holds " + std::to_string(work.state.queued) +
                                           " messages, its capacity; wait until it drains or raise queue.capacity");

  // From here on nothing fails.
  work.create_if_absent();
  std::uint64_t replaced = 0;
  if (replaces) replaced = work.end_queued(MessageState::replaced, [](const Found&) { return true; });
  if (interrupts) (void)run(work, Interrupt{InterruptScope::running});
  const auto credential = take_credential(work, request);
  Marker marker;
  marker.intent = freeze(work, request, body_hash);
  marker.intent.credential_outcome = credential;
  if (target) marker.intent.outcome = Outcome::merged;
  else if (replaced != 0) marker.intent.outcome = Outcome::replaced;
  else if (interrupts) marker.intent.outcome = Outcome::interrupting;
  else if (steers) marker.intent.outcome = Outcome::steered;
  if (target) {
    marker.row.state = MessageState::merged;
    marker.row.merged_into = target->intent.id;
    marker.row.finished_at = work.context.now;
  } else {
    marker.intent.place = work.state.queued + 1;
  }
  marker.row.callback = marker.intent.callback.has_value();
  const auto position = write_admitted(work, marker, request.id.empty() ? Id::minted : Id::chosen);
  if (steers) {
    work.state.steers.push_back(position);
    work.state.steered_turn = work.state.running->position;
    work.state_changed();
  }
  if (target) {
    target->intent.turn = std::move(merged_turn);
    work.edit(target->position, std::move(target->intent), std::move(target->row));
  }
  Admitted a = answer(work, marker.intent, marker.row);
  a.position = marker.intent.place;
  return a;
}

}  // namespace

CredentialOutcome credential_outcome(RepositoryKind kind, std::string_view token) noexcept {
  switch (kind) {
    case RepositoryKind::none: return CredentialOutcome::ignored;
    case RepositoryKind::git: return token.empty() ? CredentialOutcome::ignored : CredentialOutcome::stored;
    case RepositoryKind::github:
    case RepositoryKind::gitlab:
    case RepositoryKind::bitbucket: return CredentialOutcome::server_managed;
  }
  return CredentialOutcome::ignored;
}

void store_credential(Work& work, std::string_view token) {
  work.seal(kTokenLabel, token);
  ++work.state.credential.version;
  work.state.credential.updated_at = work.context.now;
  work.state_changed();
}

std::optional<DeliveryCredential> current_credential(const Work& work) {
  if (work.state.credential.version == 0) return std::nullopt;
  auto token = work.unseal(kTokenLabel);
  if (!token) return std::nullopt;
  return DeliveryCredential{std::move(*token), work.state.credential.version};
}

Result<Reply> run(Work& work, const Admit& command) {
  if (work.document.deleted) return no_session(work);
  const auto etag = work.document.exists ? std::optional(std::to_string(work.document.revision + work.state.operations))
                                         : std::nullopt;
  if (auto ok = check(command.precondition, etag); !ok) return tl::unexpected(std::move(ok.error()));
  std::vector<Admitted> answers;
  answers.reserve(command.messages.size());
  for (std::size_t i = 0; i < command.messages.size(); ++i) {
    auto one = admit_one(work, command.messages[i]);
    if (!one) {
      if (command.messages.size() > 1) one.error().pointer = "/messages/" + std::to_string(i);
      return tl::unexpected(std::move(one.error()));
    }
    answers.push_back(std::move(*one));
  }
  return answers;
}

Result<Reply> run(Work& work, const ReadReceipt& command) {
  if (!work.document.exists || work.document.deleted) return no_session(work);
  const auto m = work.journal.find(command.message);
  if (!m) return no_message(command.message);
  // RFC 8785 order: admitted_at, body_hash, durability, message, seq, session, store.
  Receipt receipt;
  json::ObjectWriter(receipt.receipt)
      .time("admitted_at", m->intent.admitted_at)
      .text("body_hash", show_hash(m->intent.body_hash))
      .text("durability", work.context.durability == Durability::synced ? "synced" : "buffered")
      .text("message", m->intent.id)
      .number("seq", m->intent.seq)
      .text("session", work.context.id.name)
      .text("store", work.context.store_id)
      .end();
  receipt.key = work.context.signer.key_id();
  receipt.signature = to_base64url(work.context.signer.sign(receipt.receipt));
  return receipt;
}

}  // namespace holdfast::session
