// DiskWatch: says when the disk is slow, and not more often than is of use.
//
// Looked at once a second, from what the commit pipeline counts: the writer itself never waits for a log. It speaks of
// syncs that took longer than sync_slow_ms since it spoke last, and of one that is under way and already has; at most
// once in kQuietMs. A pure rule; one thread.
#pragma once

#include <holdfast/stats.hpp>
#include <holdfast/types.hpp>
#include <optional>
#include <string>

namespace holdfast {

class DiskWatch {
 public:
  static constexpr Time kQuietMs = 10'000;
  explicit DiskWatch(std::uint64_t slow_ms) noexcept : slow_ms_(slow_ms) {}

  // What to warn of, if anything.
  [[nodiscard]] std::optional<std::string> look(const CommitStats& stats, Time now);

 private:
  const std::uint64_t slow_ms_;
  std::uint64_t told_ = 0;  // slow syncs
  std::optional<Time> spoke_at_;
};

}  // namespace holdfast
