// CommitMeter: what the commit pipeline measures of itself.
//
// Two readings of the clock a batch and one a write set; everything else is a load and a store. begin(), end() and
// waited() are called by whoever commits, which is one thread at a time; the rest from any thread.
//
// A sync longer than sync_slow_ms is counted when it ends and visible while it lasts (writing_ms), so that a disk that
// does not answer at all can be told, too. Nothing is logged here: the writer must not wait for a log.
//
// Overload is read off the queue before the sync: how long the oldest write set of a batch waited until somebody began
// to write it. Group commit keeps that under the time of one sync, however many clients there are; beyond
// `overload_delay_ms` the disk or the compaction behind it has fallen behind. When the queue runs empty it is over.
#pragma once

#include <chrono>

#include "src/core/buckets.hpp"
#include "src/core/standing_queue.hpp"

namespace holdfast {

struct CommitMeterLimits {
  std::int64_t slow_ms = 250;
  std::int64_t delay_ms = 0;           // of the queue, beyond which it may stand; 0: it never does
  std::int64_t lent_micros = 1'000;    // a sync that took longer is no work for a thread that has other things to do
  std::int64_t gather_micros = 1'000;  // for so long at most the writer waits for who is about to hand in more
};

class CommitMeter {
 public:
  using Micros = std::int64_t;
  explicit CommitMeter(CommitMeterLimits limits) noexcept
      : slow_(limits.slow_ms * 1'000),
        watched_(limits.delay_ms != 0),
        queue_(limits.delay_ms * 1'000, limits.delay_ms * 1'000) {}

  [[nodiscard]] static Micros now() noexcept {
    using std::chrono::steady_clock;
    return std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now().time_since_epoch()).count();
  }

  // A batch is about to be written; its oldest write set was handed in at `oldest`.
  void begin(Micros at, Micros oldest) noexcept {
    began_.store(at, std::memory_order_relaxed);
    if (!watched_) return;
    const bool stands = queue_.left(at, at - oldest);
    if (stands && !overloaded()) overloads_.fetch_add(1, std::memory_order_relaxed);
    overloaded_.store(stands, std::memory_order_relaxed);
  }
  // It was written, as `commits` write sets and `bytes`.
  void end(Micros at, std::uint64_t commits, std::uint64_t bytes) noexcept {
    const auto took = at - began_.load(std::memory_order_relaxed);
    sync_.add(static_cast<std::uint64_t>(took));
    commits_.add(commits);
    bytes_.add(bytes);
    last_.store(took, std::memory_order_relaxed);
    if (took > slow_) slow_syncs_.fetch_add(1, std::memory_order_relaxed);
    began_.store(0, std::memory_order_relaxed);
  }
  // Whether it matters to the meter that the queue has run empty.
  [[nodiscard]] bool strained() const noexcept { return queue_.above(); }
  void idle() noexcept {
    queue_.empty();
    overloaded_.store(false, std::memory_order_relaxed);
  }
  // The answer of a write set handed in at `from` may leave.
  void waited(Micros from, Micros to) noexcept { gate_.add(static_cast<std::uint64_t>(to - from)); }

  [[nodiscard]] Micros last_micros() const noexcept { return last_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool overloaded() const noexcept { return overloaded_.load(std::memory_order_relaxed); }

  void read(CommitStats& into) const {
    constexpr double kMicro = 1e-6;
    into.sync_seconds = sync_.read(kMicro);
    into.batch_commits = commits_.read(1);
    into.batch_bytes = bytes_.read(1);
    into.gate_seconds = gate_.read(kMicro);
    into.slow_syncs = slow_syncs_.load(std::memory_order_relaxed);
    into.overloads = overloads_.load(std::memory_order_relaxed);
    into.last_sync_micros = static_cast<std::uint64_t>(last_.load(std::memory_order_relaxed));
    const auto began = began_.load(std::memory_order_relaxed);
    into.writing_ms = began == 0 ? 0 : static_cast<std::uint64_t>((now() - began) / 1'000);
  }

 private:
  const Micros slow_;
  const bool watched_;
  StandingQueue queue_;
  Buckets<6, 18> sync_;     // 64 µs to 8.4 s
  Buckets<0, 13> commits_;  // 1 to 4 096
  Buckets<8, 16> bytes_;    // 256 B to 8 MiB
  Buckets<6, 18> gate_;     // 64 µs to 8.4 s
  std::atomic<Micros> began_{0};
  std::atomic<Micros> last_{0};
  std::atomic<std::uint64_t> slow_syncs_{0};
  std::atomic<std::uint64_t> overloads_{0};
  std::atomic<bool> overloaded_{false};
};

}  // namespace holdfast
