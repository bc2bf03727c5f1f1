// The end of a run: everything is drained, and the whole state is read.
#pragma once

#include <chrono>
#include <holdfast/error.hpp>

#include "src/cli/torture/arena.hpp"

namespace holdfast::cli::torture {

// Resumes every session and waits until the workers have ended all messages. Errors: timed_out, with what is left.
[[nodiscard]] Result<void> drain(Arena& arena, std::chrono::seconds at_most);
// Reads all messages and events of all sessions into `history`. Errors: of the server, as text.
[[nodiscard]] Result<void> read_end_state(Arena& arena, History& history);

}  // namespace holdfast::cli::torture
