// Turns: hand out the head under a lease, follow it, end it. One turn of a session at a time.
#include <algorithm>

#include "actors/session/event_types.hpp"
#include "actors/session/later.hpp"
#include "actors/session/work.hpp"
#include "src/core/crypto.hpp"
#include "storage/keys.hpp"

namespace holdfast::session {
namespace {

tl::unexpected<Error> lost() {
  return fail(ErrorCode::lease_lost, "the lease expired, was released, or the turn ended; stop working on it");
}

std::string random_bytes(Random& random, std::size_t count) {
  std::string bytes(count, '\0');
  random.fill(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// The row of the turn that `lease` was given for and that has ended as `state`: a repeated report changes nothing.
bool ended_as(const Work& work, const Lease& lease, MessageState state) {
  const auto row = work.journal.latest_row(lease.position);
  return row && row->state == state && row->attempt == lease.attempt && row->delivery == lease.delivery &&
         equal_constant_time(row->lease_hash, sha256(lease.secret));
}

// Nobody has the turn any more.
void let_go(Work& work) {
  const auto& runtime = work.state.running->runtime;
  if (!runtime.empty()) work.writes.erase(Family::index, keys::held_turn(runtime, work.context.id));
  work.state.running.reset();
}

// The running message goes back to the head of the queue.
void return_turn(Work& work, Row row) {
  const auto position = work.state.running->position;
  return_steers(work);
  let_go(work);
  if (const auto m = work.journal.at(position)) work.requeue(position, m->intent, std::move(row));
  work.state.updated_at = work.context.now;
}

// What a runtime may ask for, as in HTTP; a handler in this process may say more.
constexpr Time kRetryAfterMsMax = Time{30} * 24 * 3'600 * 1'000;

FailureClass class_of(std::string_view code) noexcept {
  if (code == "rate_limited") return FailureClass::rate_limited;
  if (code == "unreachable") return FailureClass::unreachable;
  return FailureClass::regular;
}

const std::vector<std::uint64_t>& delays(const Limits& limits, FailureClass c) noexcept {
  switch (c) {
    case FailureClass::rate_limited: return limits.retry_rate_limited_ms;
    case FailureClass::unreachable: return limits.retry_unreachable_ms;
    case FailureClass::lease_expired:
    case FailureClass::regular: break;
  }
  return limits.retry_default_ms;
}

void lease_expired(Work& work) {
  Row row = work.state.running->row;
  auto& expiries = row.failures[static_cast<std::size_t>(FailureClass::lease_expired)];
  if (++expiries <= work.context.limits.lease_expiries_max) {
    ++work.effects.retried;
    return return_turn(work, std::move(row));
  }
  row.lease_hash.clear();  // its end is nothing that the holder reported
  row.failure = Failure{"lease_expired", "exhausted", row.attempt, "every runtime that took it lost its lease"};
  end_turn(work, MessageState::failed, std::move(row));
}

}  // namespace

void end_turn(Work& work, MessageState state, Row row) {
  row.state = state;
  row.finished_at = work.context.now;
  row.retry_at = 0;
  const auto position = work.state.running->position;
  end_steers(work, state);
  let_go(work);
  work.transition(position, row);
  if (state == MessageState::failed) {
    work.writes.put(Family::index, keys::dead_letter({work.context.id, position}), {});
    ++work.effects.dead;
  }
  work.state.updated_at = work.context.now;
}

Result<Reply> run(Work& work, const Dispatch& command) {
  auto& state = work.state;
  const auto* first = work.head();
  if (!work.document.exists || work.document.deleted || state.paused || state.running || first == nullptr ||
      first->not_before > work.context.now)
    return Nothing{};
  const bool push = work.document.delivery && work.document.delivery->mode == DeliveryMode::push;
  if (command.push != push) return Nothing{};
  auto m = work.journal.of(*first);
  if (!m) return Nothing{};
  if (m->intent.expires_at != 0 && m->intent.expires_at <= work.context.now) {
    (void)run(work, Alarm{});  // the alarm that ends it is due
    fill_window(work.entity, work.journal, work.context.limits.queue_window_messages);
    const auto* next = work.head();
    return next == nullptr || next->position == m->position ? Result<Reply>(Nothing{}) : run(work, command);
  }

  Lease lease{work.context.id, m->position, m->row.attempt + 1, random_bytes(work.context.random, 16),
              mint_id("dlv_", work.context.now, work.context.random)};
  m->row.state = MessageState::dispatched;
  m->row.attempt = lease.attempt;
  m->row.retry_at = 0;
  m->row.dispatched_at = work.context.now;
  m->row.accepted_at = 0;
  m->row.delivery = lease.delivery;
  m->row.lease_hash = sha256(lease.secret);
  work.dequeue(m->position);
  work.transition(m->position, m->row);
  Running running;
  running.position = m->position;
  running.lease_expires_at = work.context.now + command.lease_ms;
  running.lease_ms = command.lease_ms;
  running.runtime = command.runtime;
  running.row = m->row;
  if (!running.runtime.empty()) work.writes.put(Family::index, keys::held_turn(running.runtime, work.context.id), {});
  state.running = std::move(running);
  state.updated_at = work.context.now;
  if (state.steered_turn != m->position) state.steers.clear();  // they were for a turn that will not run

  Delivery delivery;
  delivery.delivery = lease.delivery;
  delivery.lease = format(lease);
  delivery.lease_expires_at = state.running->lease_expires_at;
  delivery.attempt = lease.attempt;
  delivery.session = session_view(work.context.id, work.entity, work.context.limits, m->intent.id);
  delivery.message = message_view(work.context.id, m->intent, m->row);
  delivery.workspace = state.workspace;
  delivery.workspace_credential = state.workspace_credential;
  delivery.credential = current_credential(work);
  if (delivery.credential) state.running->credential_version = delivery.credential->version;
  delivery.steer = hand_out_steers(work);
  delivery.traceparent = m->intent.traceparent;
  ++work.effects.delivered;
  return Handout{std::move(delivery), push ? push_secret(work) : std::string()};
}

Result<Reply> run(Work& work, const Accept& command) {
  auto* running = work.held(command.lease);
  if (running == nullptr) return lost();
  if (running->row.state == MessageState::running) return Nothing{};
  running->row.state = MessageState::running;
  running->row.accepted_at = work.context.now;
  work.transition(running->position, running->row);
  work.state.updated_at = work.context.now;
  return Nothing{};
}

Result<Reply> run(Work& work, const Beat& command) {
  auto* running = work.held(command.lease);
  if (running == nullptr) return lost();
  const bool steers = command.steers == Beat::Steers::hand_out && !work.state.steers.empty();
  if (command.kind == Beat::Kind::look && running->interrupt_until == 0 && !steers)
    return Heartbeat{running->lease_expires_at, false, {}};
  running->lease_expires_at = work.context.now + running->lease_ms;
  work.state_changed();
  Heartbeat beat{running->lease_expires_at, running->interrupt_until != 0, {}};
  if (!beat.interrupt && steers) beat.steer = hand_out_steers(work);
  return beat;
}

Result<Reply> run(Work& work, const AppendEvents& command) {
  if (work.held(command.lease) == nullptr) return lost();
  for (std::size_t i = 0; i < command.events.size(); ++i) {
    const auto& type = command.events[i].type;
    if (!valid_event_type(type) || type.starts_with("message.") || type.starts_with("session."))
      return fail(
          ErrorCode::invalid_body,
          "a runtime's event needs a type of its own, of printable ASCII without blanks and commas; message. and "
          "session. are ours",
          "/" + std::to_string(i) + "/type");
  }
  auto& state = work.state;
  const bool complete = work.entity.window.end == state.last_position + 1;
  for (const auto& event : command.events) {
    std::string value;
    encode(value, StreamEvent{event.type, work.context.now, event.data});
    work.writes.put(Family::streams, keys::event(work.context.id, ++state.last_position), std::move(value));
  }
  if (complete) work.entity.window.end = state.last_position + 1;
  work.effects.events = true;
  work.state_changed();
  return state.last_position;
}

Result<Reply> run(Work& work, const Complete& command) {
  auto* running = work.held(command.lease);
  if (running == nullptr) {
    if (ended_as(work, command.lease, MessageState::completed)) return Nothing{};
    return lost();
  }
  if (running->interrupt_until != 0) {
    end_turn(work, MessageState::interrupted, running->row);
    work.refusal = lost().value();
    return Nothing{};
  }
  Row row = running->row;
  row.result = command.completion.result;
  if (const auto workspace = command.completion.workspace) {
    work.state.workspace = *workspace;
    work.state.workspace_credential = *workspace == WorkspaceState::warm ? running->credential_version : 0;
  }
  end_turn(work, MessageState::completed, std::move(row));
  ++work.effects.completed;
  return Nothing{};
}

Result<Reply> run(Work& work, const Fail& command) {
  auto* running = work.held(command.lease);
  if (running == nullptr) {
    if (ended_as(work, command.lease, MessageState::failed)) return Nothing{};
    if (ended_as(work, command.lease, MessageState::interrupted)) return Nothing{};
    return lost();
  }
  if (running->interrupt_until != 0) {
    end_turn(work, MessageState::interrupted, running->row);
    return Nothing{};
  }
  const auto& report = command.report;
  Row row = running->row;
  const auto failure_class = class_of(report.code);
  const auto& schedule = delays(work.context.limits, failure_class);
  auto& failures = row.failures[static_cast<std::size_t>(failure_class)];
  if (report.retryable && failures < schedule.size()) {
    const auto delay =
        std::max(static_cast<Time>(schedule[failures]), std::min(report.retry_after_ms, kRetryAfterMsMax));
    ++failures;
    ++work.effects.retried;
    row.retry_at = later(work.context.now, delay);
    return_turn(work, std::move(row));
    return Nothing{};
  }
  row.failure = Failure{report.code, report.retryable ? "exhausted" : "not_retryable", row.attempt, report.detail};
  end_turn(work, MessageState::failed, std::move(row));
  return Nothing{};
}

Result<Reply> run(Work& work, const Release& command) {
  auto* running = work.held(command.lease);
  if (running == nullptr) {
    if (ended_as(work, command.lease, MessageState::interrupted)) return Nothing{};
    return lost();
  }
  Row row = running->row;
  if (running->interrupt_until != 0) {
    end_turn(work, MessageState::interrupted, std::move(row));
    return Nothing{};
  }
  --row.attempt;  // a turn that was handed back unworked burns no attempt
  return_turn(work, std::move(row));
  return Nothing{};
}

Result<Reply> run(Work& work, const Fence& command) {
  auto& running = work.state.running;
  if (!work.document.exists || work.document.deleted || !running || running->runtime != command.runtime)
    return Nothing{};
  if (running->interrupt_until != 0) end_turn(work, MessageState::interrupted, running->row);
  else lease_expired(work);
  return Nothing{};
}

Result<Reply> run(Work& work, const Alarm&) {
  auto& state = work.state;
  const auto now = work.context.now;
  if (!work.document.exists || work.document.deleted) return Nothing{};
  if (state.armed != 0 && state.armed <= now) {
    work.writes.erase(Family::index, keys::alarm({state.armed, work.context.id}));
    state.armed = 0;
    work.state_changed();
  }
  if (auto& running = state.running) {
    const bool expired = running->lease_expires_at <= now;
    const bool captured = running->interrupt_until != 0;
    if (captured && (expired || running->interrupt_until <= now))
      end_turn(work, MessageState::interrupted, running->row);
    else if (expired) lease_expired(work);
  }
  if (state.expiry != 0 && state.expiry <= now) {
    state.expiry = 0;
    work.end_queued(MessageState::expired, [&](const Found& m) {
      const Time at = m.intent.expires_at;
      if (at != 0 && at <= now) return true;
      if (at != 0 && (state.expiry == 0 || at < state.expiry)) state.expiry = at;
      return false;
    });
  }
  const Time ttl = work.document.ttl_ms;
  if (ttl != 0 && !state.running && state.queued == 0 && later(state.updated_at, ttl) <= now) work.bury();
  return Nothing{};
}

}  // namespace holdfast::session
