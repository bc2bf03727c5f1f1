// TurnLog: the event log of one session, replayed. The queue, the turn that runs, the pauses and the interrupts follow
// from the events alone, so each event can be asked whether it could have come at its place. What comes out are the
// spans: every turn that was handed out, from its hand-out to what ended it.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/cli/torture/checker_parts.hpp"

namespace holdfast::cli::torture {

// One turn: the time that one attempt of a message was with a worker.
struct Span {
  enum class End : std::uint8_t { open, returned, released, completed, failed, interrupted };
  std::string message;
  std::uint64_t attempt = 0;
  std::uint64_t begin = 0;  // event ids
  std::uint64_t end = 0;
  Time begin_at = 0;
  Time end_at = 0;
  End how = End::open;
  std::string by_delivery;  // of its result
};
[[nodiscard]] std::string_view name_of(Span::End end) noexcept;

class TurnLog {
 public:
  // Replays the log; a session whose log breaks a rule of order is replayed up to there.
  TurnLog(const SessionHistory& session, Findings& findings);

  struct Fate {
    std::uint64_t seq = 0;
    std::uint64_t admitted = 0;  // event id
    std::uint64_t attempt = 0;
    std::string state;
  };
  [[nodiscard]] const std::vector<Span>& spans() const noexcept { return spans_; }
  [[nodiscard]] const std::map<std::string, Fate>& fates() const noexcept { return fates_; }
  [[nodiscard]] const std::vector<const EndEvent*>& emitted() const noexcept { return emitted_; }
  [[nodiscard]] bool whole() const noexcept { return whole_; }

 private:
  bool apply(const EndEvent& event);
  bool queued(const EndEvent& event);
  bool admitted(const EndEvent& event);
  bool returned(const EndEvent& event, Fate& fate);
  bool dispatched(const EndEvent& event, Fate& fate);
  bool ended(const EndEvent& event, Fate& fate);
  bool end_running(const EndEvent& event);
  bool expect(bool holds, Rule rule, const EndEvent& event, const std::string& sentence);

  Findings& findings_;
  std::map<std::string, Fate> fates_;
  std::deque<std::string> queue_;
  std::vector<Span> spans_;
  std::vector<const EndEvent*> emitted_;
  bool running_ = false;   // the last span
  bool captured_ = false;  // by an interrupt
  bool paused_ = false;
  bool whole_ = true;
  std::uint64_t last_seq_ = 0;
};

}  // namespace holdfast::cli::torture
