// The checker: does a history keep every promise of the README? Pure: a history in, a verdict out.
//
// Messages are checked against the end state: what was acknowledged is there, under its seq, with its body, once; what
// was refused is not; seq is dense; and if one admission ended before another one began, their seqs say so. The event
// log of each session is the server's own order of everything: it is replayed, and every hand-out, report and event
// that a client was told of must be at its place in it. What readers saw must be that log, from its first event on.
// Each rule counts how many facts it looked at: a rule that looked at nothing proves nothing.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/cli/torture/history.hpp"

namespace holdfast::cli::torture {

enum class Rule : std::uint8_t {
  survives,         // an acknowledged message is there, under its seq, with its body
  once,             // an id is there once, and a replay answers the original
  dense,            // seq counts 1, 2, 3 ...
  real_time,        // what ended before something else began stands before it
  batch,            // a batch is there whole, in a row, or not at all
  refused_absent,   // what was refused did nothing
  nothing_made_up,  // whatever is there was sent by somebody
  queue_order,      // turns are handed out in the order of the queue, none while the session is paused
  no_overlap,       // turns of a session do not overlap
  attempts,         // an attempt's number is the one before plus one; a release burns none
  lease,            // a turn is not taken from a worker whose lease is live
  fencing,          // what a worker reports counts while it holds the turn, and only then
  one_end,          // every message ends once, and that is final
  result,           // a completed turn has the result of the attempt that completed it
  readers,          // every reader sees each event once, in order, without a gap, and all see the same
  available,        // the server starts, answers and drains; it ends only when it was made to
};
inline constexpr std::size_t kRules = 16;
[[nodiscard]] std::string_view name_of(Rule rule) noexcept;
[[nodiscard]] std::string_view meaning_of(Rule rule) noexcept;

struct Violation {
  Rule rule = Rule::survives;
  std::string sentence;
  std::string session;
  std::vector<std::string> messages;  // those in question
  std::vector<std::uint64_t> events;  // ids of those in question
};

struct Verdict {
  std::array<std::uint64_t, kRules> facts{};  // looked at, by rule
  std::vector<Violation> violations;
  [[nodiscard]] bool has(Rule rule) const noexcept;
};

[[nodiscard]] Verdict check(const History& history);

// What of `history` is needed to show `violation`: the operations, messages and events of its session that the same
// check fails on with as few operations as greedy removal finds.
[[nodiscard]] History shrink(const History& history, const Violation& violation);

}  // namespace holdfast::cli::torture
