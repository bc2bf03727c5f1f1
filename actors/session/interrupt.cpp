// Interrupt: one write set captures every message that it is for. What is queued ends with it. A turn that runs is
// told to stop by its next heartbeat; it ends when its runtime says so, or when the grace is over. Whatever crashes
// in between, the capture is on disk and the alarm that ends it is armed.
#include "actors/session/work.hpp"
#include "src/core/json.hpp"

namespace holdfast::session {

void capture_running(Work& work) {
  auto& running = *work.state.running;
  if (running.interrupt_until != 0) return;
  running.interrupt_until = work.context.now + static_cast<Time>(work.context.limits.interrupt_grace_ms);
  work.state_changed();
  if (work.context.limits.interrupt_grace_ms == 0) end_turn(work, MessageState::interrupted, running.row);
}

Result<Reply> run(Work& work, const Interrupt& command) {
  if (!work.document.exists || work.document.deleted) return no_session(work);
  Interrupted captured;
  captured.session = work.context.id.name;
  captured.scope = command.scope;
  if (const auto& running = work.state.running) {
    if (const auto m = work.journal.marker(running->position)) captured.running = m->intent.id;
    captured.messages = 1 + running->steered.size();
    capture_running(work);
    captured.grace_until = work.state.running ? work.state.running->interrupt_until : work.context.now;
  }
  if (command.scope == InterruptScope::all)
    captured.messages += work.end_queued(MessageState::interrupted, [](const Found&) { return true; });
  if (captured.messages == 0) return captured;
  std::string data;
  json::ObjectWriter(data)
      .text("scope", name_of(command.scope))
      .text_if("running", captured.running)
      .number("messages", captured.messages)
      .end();
  work.operation("session.interrupted", std::move(data));
  work.state.updated_at = work.context.now;
  return captured;
}

}  // namespace holdfast::session
