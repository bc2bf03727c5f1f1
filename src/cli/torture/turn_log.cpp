#include "src/cli/torture/turn_log.hpp"

#include <algorithm>

namespace holdfast::cli::torture {

std::string_view name_of(Span::End end) noexcept {
  switch (end) {
    case Span::End::open: return "not ended";
    case Span::End::returned: return "returned to the queue";
    case Span::End::released: return "released";
    case Span::End::completed: return "completed";
    case Span::End::failed: return "failed";
    case Span::End::interrupted: return "interrupted";
  }
  return "?";
}

TurnLog::TurnLog(const SessionHistory& session, Findings& findings) : findings_(findings) {
  std::uint64_t last = 0;
  for (const auto* event : session.events) {
    findings_.expect(event->id == last + 1, Rule::dense,
                     [&] { return "event " + std::to_string(event->id) + " follows event " + std::to_string(last); },
                     {event->message}, {event->id});
    last = event->id;
    if (!apply(*event)) {
      whole_ = false;  // what follows would only repeat it
      return;
    }
  }
}

bool TurnLog::expect(bool holds, Rule rule, const EndEvent& event, const std::string& sentence) {
  return findings_.expect(holds, rule,
                          [&] { return "event " + std::to_string(event.id) + ", " + event.type + ": " + sentence; },
                          {event.message}, {event.id});
}

bool TurnLog::apply(const EndEvent& event) {
  const auto& type = event.type;
  if (type == "session.paused" || type == "session.resumed") {
    paused_ = type == "session.paused";
    return true;
  }
  if (type == "session.interrupted") {
    if (running_ && event.message == spans_.back().message) captured_ = true;
    return true;
  }
  if (type.starts_with("session.")) return true;
  if (!type.starts_with("message.")) {
    emitted_.push_back(&event);
    return true;
  }
  if (type == "message.queued") return queued(event);
  const auto found = fates_.find(event.message);
  if (!expect(found != fates_.end(), Rule::nothing_made_up, event, event.message + " was never queued")) return false;
  auto& fate = found->second;
  if (!expect(!final_state(fate.state), Rule::one_end, event, event.message + " had ended " + fate.state)) return false;
  const bool going_on = type == "message.running"
                            ? expect(running_ && spans_.back().message == event.message, Rule::fencing, event,
                                     event.message + " was not handed out")
                            : (type == "message.dispatched" ? dispatched(event, fate) : ended(event, fate));
  fate.state = type.substr(type.find('.') + 1);
  fate.attempt = event.attempt;
  return going_on;
}

bool TurnLog::queued(const EndEvent& event) {
  const auto found = fates_.find(event.message);
  if (found == fates_.end()) return admitted(event);
  auto& fate = found->second;
  const bool going_on = returned(event, fate);
  fate.state = "queued";
  fate.attempt = event.attempt;
  return going_on;
}

bool TurnLog::admitted(const EndEvent& event) {
  (void)expect(event.seq == last_seq_ + 1, Rule::dense, event,
               "seq " + std::to_string(event.seq) + " follows seq " + std::to_string(last_seq_));
  last_seq_ = event.seq;
  fates_[event.message] = {event.seq, event.id, event.attempt, "queued"};
  queue_.push_back(event.message);
  return true;
}

bool TurnLog::returned(const EndEvent& event, Fate& fate) {
  const auto& id = event.message;
  if (!expect(!final_state(fate.state), Rule::one_end, event, id + " had ended " + fate.state)) return false;
  if (!expect(running_ && spans_.back().message == id, Rule::once, event, id + " was in the queue already"))
    return false;
  if (!expect(!captured_, Rule::one_end, event, id + " was interrupted, and goes on")) return false;
  const bool released = event.attempt + 1 == fate.attempt;
  if (!expect(released || event.attempt == fate.attempt, Rule::attempts, event,
              id + " returns with attempt " + std::to_string(event.attempt) + " behind attempt " +
                  std::to_string(fate.attempt)))
    return false;
  queue_.push_front(id);
  spans_.back().how = released ? Span::End::released : Span::End::returned;
  return end_running(event);
}

bool TurnLog::dispatched(const EndEvent& event, Fate& fate) {
  const auto& id = event.message;
  if (!expect(!running_, Rule::no_overlap, event,
              id + " was handed out while " + (running_ ? spans_.back().message : "") + " was with a worker"))
    return false;
  if (!expect(!paused_, Rule::queue_order, event, id + " was handed out while the session was paused")) return false;
  const auto first = queue_.empty() ? std::string("nothing") : queue_.front();
  if (!expect(first == id, Rule::queue_order, event, id + " was handed out, and the queue's first was " + first))
    return false;
  (void)expect(event.attempt == fate.attempt + 1, Rule::attempts, event,
               id + " was handed out as attempt " + std::to_string(event.attempt) + " behind attempt " +
                   std::to_string(fate.attempt));
  queue_.pop_front();
  running_ = true;
  captured_ = false;
  spans_.push_back({id, event.attempt, event.id, 0, event.at, 0, Span::End::open, {}});
  return true;
}

bool TurnLog::ended(const EndEvent& event, Fate& fate) {
  const auto& id = event.message;
  const bool runs = running_ && spans_.back().message == id;
  if (event.type == "message.completed" || event.type == "message.failed") {
    const bool completed = event.type == "message.completed";
    if (!expect(runs, Rule::fencing, event, id + " was with no worker")) return false;
    if (!expect(!captured_, Rule::one_end, event, id + " was interrupted before")) return false;
    (void)expect(event.attempt == fate.attempt, Rule::attempts, event,
                 id + " ended in attempt " + std::to_string(event.attempt) + ", and attempt " +
                     std::to_string(fate.attempt) + " was running");
    spans_.back().how = completed ? Span::End::completed : Span::End::failed;
    spans_.back().by_delivery = event.delivery;
    return end_running(event);
  }
  if (runs) {
    if (!expect(event.type == "message.interrupted", Rule::one_end, event, id + " was with a worker")) return false;
    spans_.back().how = Span::End::interrupted;
    return end_running(event);
  }
  const auto at = std::find(queue_.begin(), queue_.end(), id);
  if (!expect(at != queue_.end(), Rule::one_end, event, id + " was not in the queue")) return false;
  queue_.erase(at);
  return true;
}

bool TurnLog::end_running(const EndEvent& event) {
  running_ = false;
  captured_ = false;
  spans_.back().end = event.id;
  spans_.back().end_at = event.at;
  return true;
}

}  // namespace holdfast::cli::torture
