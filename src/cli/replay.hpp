// Replay: admits a recorded history, {session, id, at, content, files} a line.
//
// Each session's messages go in the order of the file over one connection, sessions side by side over several. The
// line's id makes it exactly-once: a replay that was killed is resumed by running it again, and running it twice
// changes nothing.
#pragma once

#include <string>

#include "src/cli/client.hpp"

namespace holdfast::cli {

struct ReplayOptions {
  Target target;
  std::string file;
  unsigned connections = 16;
  enum class Verify : std::uint8_t { yes, no } verify = Verify::yes;  // compare each queue with the file at the end
};

// The exit code.
[[nodiscard]] int run_replay(const ReplayOptions& options);

}  // namespace holdfast::cli
