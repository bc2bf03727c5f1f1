// Steering: a message for the turn that runs. It waits in the queue like any other; the next heartbeat of the turn, or
// the hand-out of its next attempt, takes it out and gives it to the runtime, once an attempt.
#include <algorithm>

#include "actors/session/work.hpp"

namespace holdfast::session {

std::vector<Message> hand_out_steers(Work& work) {
  auto& state = work.state;
  std::vector<Message> handed;
  if (state.steers.empty()) return handed;
  auto& running = *state.running;
  const auto turn = work.journal.marker(running.position);
  std::vector<std::uint64_t> early;  // their not_before has not come
  for (const auto position : std::exchange(state.steers, {})) {
    auto m = work.journal.at(position);
    if (!turn || !m || m->row.state != MessageState::queued) continue;  // cancelled, expired, ...
    if (m->intent.not_before > work.context.now) {
      early.push_back(position);
      continue;
    }
    auto& row = m->row;
    row.state = MessageState::dispatched;
    row.attempt += 1;
    row.retry_at = 0;
    row.dispatched_at = work.context.now;
    row.delivery = running.row.delivery;
    row.steered_into = turn->intent.id;
    work.dequeue(position);
    work.transition(position, row);
    running.steered.push_back(position);
    handed.push_back(message_view(work.context.id, m->intent, row));
  }
  state.steers = std::move(early);
  work.state_changed();
  return handed;
}

void end_steers(Work& work, MessageState ended_as) {
  auto& state = work.state;
  for (auto position = state.steers.rbegin(); position != state.steers.rend(); ++position) {
    const auto row = work.journal.latest_row(*position);
    if (!row || row->state == MessageState::queued) work.bring_forward(*position);
  }
  auto steered = std::move(state.running->steered);
  if (ended_as == MessageState::failed) std::reverse(steered.begin(), steered.end());
  for (const auto position : steered) {
    auto m = work.journal.at(position);
    if (!m) continue;
    if (ended_as == MessageState::failed) {
      work.requeue(position, m->intent, std::move(m->row));
      continue;
    }
    m->row.state = ended_as;
    m->row.finished_at = work.context.now;
    work.transition(position, m->row);
  }
  state.steers.clear();
  state.steered_turn = 0;
}

void return_steers(Work& work) {
  auto& state = work.state;
  auto waiting = std::move(state.running->steered);
  const auto handed = waiting.size();
  waiting.insert(waiting.end(), state.steers.begin(), state.steers.end());
  state.running->steered.clear();
  for (std::size_t i = waiting.size(); i-- > 0;) {
    auto m = work.journal.at(waiting[i]);
    if (!m) continue;
    if (i < handed) work.requeue(m->position, m->intent, std::move(m->row));
    else if (m->row.state == MessageState::queued) work.bring_forward(m->position);
  }
  state.steers = std::move(waiting);
  state.steered_turn = state.running->position;
}

}  // namespace holdfast::session
