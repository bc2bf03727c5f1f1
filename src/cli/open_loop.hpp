// Open-loop load: requests arrive at a rate of their own, however slow the answers are.
//
// A closed loop asks again when it was answered, so a slow server is simply asked less; it cannot be overloaded. Here
// arrivals are spread evenly over the connections and pipelined on them without bound, and a latency counts from the
// arrival. When a socket takes no more, its arrivals are given up until it does: a queue here would only send what is
// old. When the server closes a connection, what was sent on it and not answered is cut off, and the next arrivals have
// a new one at once: they are other users, who were not told to wait.
//
// One thread. Every kTick all that has arrived is written with one call a socket: what the generator costs, the server
// on the same machine does not have.
#pragma once

#include <cstdint>
#include <functional>
#include <holdfast/error.hpp>
#include <map>
#include <string>

#include "src/cli/histogram.hpp"
#include "src/cli/terminal.hpp"

namespace holdfast::cli {

struct OpenLoop {
  std::string host;
  std::string port;
  unsigned connections = 64;
  double rate = 0;  // arrivals a second
  double seconds = 10;
  double warmup = 2;
  std::uint64_t deadline_ms = 1'000;
  std::function<const std::string&()> next;  // the request of the next arrival

  struct Outcome {
    Histogram latency;  // microseconds from the arrival, of what was acknowledged
    std::uint64_t arrived = 0;
    std::uint64_t good = 0;      // acknowledged within the deadline
    std::uint64_t late = 0;      // acknowledged after it
    std::uint64_t given_up = 0;  // not sent: its socket was full
    std::uint64_t cut_off = 0;   // sent, and the server closed the connection before it came to it
    std::uint64_t unanswered = 0;
    std::map<int, std::uint64_t> refused;  // by status; 0: a connection was lost without an answer that says so
  };
  // Errors: the server cannot be reached.
  [[nodiscard]] Result<Outcome> run() const;
};

}  // namespace holdfast::cli
