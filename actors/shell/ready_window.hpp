// ReadyWindow: which sessions have a turn to be claimed, or one to be pushed, best first: higher priority, then the
// older message.
//
// The index on disk is the truth; memory holds the first kWindow of it. An entry may be stale: the session itself
// decides when it is asked, and answers "nothing" if so. One thread (the dispatcher).
#pragma once

#include <cstdint>
#include <functional>
#include <holdfast/types.hpp>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "actors/session/entity.hpp"
#include "src/core/ids.hpp"
#include "storage/store.hpp"

namespace holdfast::shell {

struct ReadySession {
  std::uint8_t priority = 0;
  Time at = 0;
  ObjectId session;
  session::Terms terms;  // who may take the turn

  bool operator<(const ReadySession& other) const noexcept {
    if (priority != other.priority) return priority > other.priority;
    if (at != other.at) return at < other.at;
    return session < other.session;
  }
};

class ReadyWindow {
 public:
  enum class Of : std::uint8_t { claims, pushes };
  ReadyWindow(const Store& store, Of of) : store_(store), of_(of) {}

  // Reads the first of the index. Errors: internal.
  [[nodiscard]] Result<void> refill();
  void put(ReadySession ready);
  void erase(const ObjectId& session);
  // Takes out the best one that `fits`. Reads on from disk when memory has run out of what is there.
  [[nodiscard]] std::optional<ReadySession> take(const std::function<bool(const ReadySession&)>& fits);
  [[nodiscard]] std::optional<ReadySession> take(const ObjectId& session,
                                                 const std::function<bool(const ReadySession&)>& fits);
  [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }
  // When the oldest one in memory became ready, whatever its priority; 0: there is none.
  [[nodiscard]] Time oldest() const;
  // Calls `visit` for each in memory, best first.
  void each(const std::function<void(const ReadySession&)>& visit) const;
  // More is ready than memory holds.
  [[nodiscard]] bool partial() const noexcept { return partial_; }

 private:
  // For a claim that nothing in memory fits, while there is more on disk.
  [[nodiscard]] std::optional<ReadySession> find_on_disk(const std::function<bool(const ReadySession&)>& fits) const;

  static constexpr std::size_t kWindow = 16'384;
  static constexpr std::size_t kLookMax = 100'000;  // index rows that one such claim reads at most
  const Store& store_;
  const Of of_;
  std::set<ReadySession> order_;
  std::unordered_map<ObjectId, std::set<ReadySession>::iterator> by_session_;
  bool partial_ = false;
};

}  // namespace holdfast::shell
