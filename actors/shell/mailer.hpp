// Mailer: brings what objects enqueued to its receivers, when the index of mail says that it is due.
//
// A letter is read from the store, mailed to the receiver's actor, and its sender is told how that ended; the sender
// strikes it out or puts it back, so the letter's rows have one writer. A receiver that could not say (the engine
// stops) leaves everything as it is: due again after the start. So does a full disk: due again in a second.
//
// Thread-safety: ring() from one thread at a time.
#pragma once

#include <atomic>
#include <string_view>

#include "actors/shell/services.hpp"

namespace holdfast::shell {

class Mailer {
 public:
  explicit Mailer(Services& services) : services_(services) {}

  // A letter is due. False: as much is under way as may be; ring it again.
  [[nodiscard]] bool ring(std::string_view key);

 private:
  void end(const keys::Mail& mail, std::optional<Error> error);

  static constexpr std::size_t kUnderWay = 16'384;
  static constexpr Time kAgainMs = 1'000;
  Services& services_;
  std::atomic<std::size_t> under_way_{0};
};

}  // namespace holdfast::shell
