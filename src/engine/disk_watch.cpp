#include "src/engine/disk_watch.hpp"

namespace holdfast {

std::optional<std::string> DiskWatch::look(const CommitStats& stats, Time now) {
  const bool stuck = stats.writing_ms > slow_ms_;
  if (!stuck && stats.slow_syncs == told_) return std::nullopt;
  if (spoke_at_ && now >= *spoke_at_ && now - *spoke_at_ < kQuietMs) return std::nullopt;
  const auto ended = stats.slow_syncs - told_;
  told_ = stats.slow_syncs;
  spoke_at_ = now;
  std::string text = "the disk is slow: ";
  if (ended != 0)
    text += std::to_string(ended) + " syncs took longer than sync_slow_ms (" + std::to_string(slow_ms_) +
            "), the last sync " + std::to_string(stats.last_sync_micros / 1'000) + " ms";
  if (ended != 0 && stuck) text += "; ";
  if (stuck) text += "one has been under way for " + std::to_string(stats.writing_ms) + " ms";
  return text + "; " + std::to_string(stats.queued) + " write sets wait";
}

}  // namespace holdfast
