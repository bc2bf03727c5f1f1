// Turn: a message that a handler of this process works on. See Engine::on_turn.
//
//     engine->on_turn("agent", [](holdfast::Turn& turn) {
//       turn.emit("thinking");
//       if (turn.cancelled()) return;
//       turn.complete(R"({"answer":42})");
//     });
//
// A handler says how the turn ended: complete, fail or release. One that returns without a word completes it; one that
// throws fails it, to be tried again. It must return soon after cancelled() turned true: an interrupt asks it to stop,
// or the lease is lost, or the engine closes. What it says after that counts only as far as the turn is still its own.
//
// Thread-safety: a Turn belongs to the thread that runs the handler, but for cancelled() and stop_token().
#pragma once

#include <cstdint>
#include <functional>
#include <holdfast/error.hpp>
#include <holdfast/export.hpp>
#include <holdfast/types.hpp>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace holdfast {

class HOLDFAST_API Turn {
 public:
  virtual ~Turn() = default;

  [[nodiscard]] virtual const Delivery& delivery() const noexcept = 0;
  [[nodiscard]] const Session& session() const noexcept { return delivery().session; }
  [[nodiscard]] const Message& message() const noexcept { return delivery().message; }
  [[nodiscard]] std::string text() const;  // the content of the message when it is a string, otherwise its JSON

  [[nodiscard]] virtual std::stop_token stop_token() const noexcept = 0;
  [[nodiscard]] bool cancelled() const noexcept { return stop_token().stop_requested(); }

  // Appends an event to the session's stream; it is on disk when this returns. Its id. Errors: lease_lost,
  // invalid_body.
  virtual Result<std::uint64_t> emit(std::string type, Json data = {}) = 0;
  // Messages that were steered into this turn and not taken yet, in order. They end with the turn; those that were
  // never taken run next. Costs a write only when there are some.
  [[nodiscard]] virtual std::vector<Message> take_steers() = 0;

  // The end; on disk when this returns. A second one changes nothing. Errors: lease_lost.
  virtual Result<Nothing> complete(Json result = {}, std::optional<WorkspaceState> workspace = {}) = 0;
  virtual Result<Nothing> fail(FailReport report) = 0;
  virtual Result<Nothing> release() = 0;  // back to the queue; burns no attempt
};

using TurnHandler = std::function<void(Turn&)>;

struct TurnOptions {
  Labels labels;                   // that the handler carries beside its class
  unsigned concurrency = 0;        // turns at once; 0: as many as the pool has threads
  std::int64_t lease_ms = 30'000;  // how long a turn stays taken when the process dies
};

}  // namespace holdfast
