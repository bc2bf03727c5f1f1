// Courier: sends the callbacks of terminal messages, at least once each. The outbox is on disk and belongs to the
// sessions; the courier is told what is due, asks the session what to send, sends, and tells it what became of it.
// Whatever is lost with the process is still due after it. An attempt is what was sent, or turned away by an open
// circuit: a session that cannot be read now is asked again a second later.
//
// Bounds: kOutstanding callbacks between due and answered; per origin so many in the air, none while its circuit is
// open (then an attempt has failed, so that no callback outlives its delays).
// Thread-safety: all members from any thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "actors/shell/services.hpp"
#include "src/egress/outbound.hpp"
#include "src/egress/targets.hpp"
#include "storage/keys.hpp"

namespace holdfast::shell {

class Courier {
 public:
  using Secrets = std::function<std::vector<std::string>()>;  // that sign now, the newest first

  Courier(Services& services, egress::Outbound& outbound, Secrets secrets);

  // The callback with this key of the index is due. False: too many are outstanding, ask again.
  [[nodiscard]] bool ring(std::string_view key);
  void stop();
  [[nodiscard]] std::size_t outstanding() const;

 private:
  using Result = session::EndCallback::Result;
  using Place = std::optional<std::string>;  // the origin where one is held for the callback
  void read(const keys::Callback& callback, const Place& place);
  void read_later(const keys::Callback& callback);
  // Without a place the callback waits for one, or fails with all that wait when the circuit is open.
  [[nodiscard]] bool enter(const keys::Callback& callback, const std::string& origin);
  void give_back(const Place& place);
  // Reads those that wait for a place at `origin`, as many as there are places.
  void pump(const std::string& origin);
  void refuse_waiting(const std::string& origin);
  void send(const keys::Callback& callback, session::CallbackJob job, const Place& place);
  void post(const keys::Callback& callback, session::CallbackJob job, const std::string& origin);
  void answered(const keys::Callback& callback, const std::string& origin, const egress::Outcome& outcome);
  void end(const keys::Callback& callback, Result result, std::string detail);

  static constexpr std::size_t kOutstanding = 1'024;
  Services& services_;
  egress::Outbound& outbound_;
  const Secrets secrets_;
  mutable std::mutex mutex_;
  egress::Targets targets_;
  std::map<std::string, std::deque<keys::Callback>> waiting_;  // for a place at their origin
  std::size_t outstanding_ = 0;
  bool stopped_ = false;
};

}  // namespace holdfast::shell
