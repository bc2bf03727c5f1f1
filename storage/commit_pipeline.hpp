// CommitPipeline: one writer for all write sets (group commit).
//
// Operation: submit() appends a write set straight into the open batch and numbers it; numbers are dense from 1.
// The writer thread swaps the open batch for an empty one, makes it durable with one sync, publishes the last
// number in it, and runs the completions in the order of their numbers. What arrives meanwhile shares the next sync.
//
// The output gate is built on it: an answer that stands on commit n is handed in as n's completion, or with
// after(n) when it only reads what n wrote. An after(n) runs when n's own completion has run, if that has its place.
//
// A completion whose place among the others does not matter (Runs::anywhere) goes back to the thread that handed it in,
// if that has a queue (queue(), begin_lending): in one piece with all others of the batch, so that who commits neither
// touches nor frees what that thread made. It is durable by then, but an after(n) may run before it. Who commits keeps
// for itself what failed, and what a closed queue does not take.
//
// Bounds: the caller takes a permit (count and bytes) before it submits, see Permits; the pipeline itself only waits
// to swap when a batch is full.
//
// Failure. Where it is not known what the disk has (commit_unknown), the pipeline latches: that batch and all later
// ones complete with the error, and on_broken runs once. Where it is certain that nothing was written
// (insufficient_storage), the batch and all that was handed in behind it are refused, and the pipeline goes on. Who
// submits runs ahead of the disk, and what follows a refused write set must not be written: so each refusal begins a
// new epoch, a write set names the epoch that its submitter knows, and one of an earlier epoch is refused in its turn.
// Who finds that the epoch has changed asks refused() of its last commit, drops what it holds in memory if so, and goes
// on from the store.
//
// Thread-safety: submit, after and durable from any thread. Completions and hooks run on the thread that commits, the
// writer or one that lends itself (Lend), those of a queue where that is run or closed, and an after() of what is
// durable already on its caller's. They run without a
// lock, so they may submit; they must neither block nor throw. start and stop from one thread, which is not the writer.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <holdfast/error.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "storage/commit_meter.hpp"
#include "storage/commit_queue.hpp"
#include "storage/store.hpp"

namespace holdfast {

class CommitPipeline {
 public:
  using Completion = std::function<void(const Result<void>&)>;
  enum class Runs : std::uint8_t { in_order, anywhere };

  CommitPipeline(Store& store, Durability durability, std::uint64_t batch_bytes_max, CommitMeterLimits limits = {});
  ~CommitPipeline();  // stop()
  CommitPipeline(const CommitPipeline&) = delete;
  CommitPipeline& operator=(const CommitPipeline&) = delete;

  // The commit number. `writes` may be discarded after the call; they stand on what was so in `epoch`.
  std::uint64_t submit(const WriteSet& writes, std::uint64_t epoch, Completion done) {
    return hand_in(writes, epoch, {std::move(done)}, Runs::in_order);
  }
  // The same, for who reads them until they are in the store: the pipeline holds `writes` until `done` has run, and for
  // good when it broke, since then they may never be there.
  std::uint64_t submit(WriteSetPtr writes, std::uint64_t epoch, Completion done, Runs runs = Runs::in_order) {
    const auto& set = *writes;  // before it is moved from
    return hand_in(set, epoch, {std::move(done), Pending::Fate::of_the_batch, std::move(writes)}, runs);
  }
  // For write sets that stand on nothing that is not durable.
  std::uint64_t submit(const WriteSet& writes, Completion done) { return submit(writes, epoch(), std::move(done)); }
  // Runs `done` when `commit`, which was submitted in `epoch`, is durable (at once, on this thread, when its
  // completions have run already), was refused, or the pipeline broke.
  void after(std::uint64_t commit, std::uint64_t epoch, Completion done);
  void after(std::uint64_t commit, Completion done) { after(commit, epoch(), std::move(done)); }
  // Up to here all is durable that was not refused. Who compares it with commits of an epoch looks at the epoch later.
  [[nodiscard]] std::uint64_t durable() const noexcept { return durable_.load(std::memory_order_acquire); }
  // How often a batch was refused.
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_.load(std::memory_order_acquire); }
  // Whether `commit`, the last one that somebody submitted in `epoch`, was refused since. In doubt, which takes
  // kRefusals of them, it was.
  [[nodiscard]] bool refused(std::uint64_t commit, std::uint64_t epoch) const;
  [[nodiscard]] bool broken() const noexcept { return broken_.load(std::memory_order_acquire); }
  [[nodiscard]] CommitStats stats() const;
  // The queue in front of the sync stands (commit_meter.hpp): what is new had better not be handed in.
  [[nodiscard]] bool overloaded() const noexcept { return meter_.overloaded(); }

  // Before start(): hooks, which run on the thread that commits.
  void on_batch_end(std::function<void()> hook);            // after the completions of each batch
  void on_broken(std::function<void(const Error&)> hook);   // after the completions of the batch that failed
  void on_refused(std::function<void(const Error&)> hook);  // after the completions of a batch that was refused

  void start();  // the writer thread; a simulation calls commit_once() instead
  void stop();   // commits what is open, then ends the thread. Idempotent.
  // Makes the open batch durable and runs its completions. False when there was nothing to do.
  bool commit_once();

  // For a thread that submits and then has nothing to do but wait: at the end it commits what is open itself, unless
  // somebody is at it. That saves waking the writer, and being woken by it.
  class Lend {
   public:
    explicit Lend(CommitPipeline& pipeline) noexcept : pipeline_(pipeline) { pipeline_.begin_lending(kEverything); }
    ~Lend() { pipeline_.end_lending(); }
    Lend(const Lend&) = delete;
    Lend& operator=(const Lend&) = delete;

   private:
    CommitPipeline& pipeline_;
  };
  // The same for a thread that has other things to do, too: when more than `commits_max` are open, or the last sync
  // took longer than CommitMeterLimits::lent_micros, they are the writer's. It begins when there are kCommitsGathered
  // of them, the last of such threads has come to its end, or gather_micros are over: with fewer for each sync, the
  // syncs would cost more time of the processors than the commits. What it hands in meanwhile with Runs::anywhere comes
  // to `queue`, one of this pipeline's, which it runs after end_lending(), woken or not. What it hands in within an
  // inner lending does not, since it is to wait for that.
  void begin_lending(std::size_t commits_max, CommitQueue* queue = nullptr) noexcept;
  void end_lending();
  static constexpr std::size_t kEverything = static_cast<std::size_t>(-1);
  static constexpr std::size_t kCommitsGathered = 32;

  // For a thread that runs the completions of what it handed in, when `wake` says so. Closed when the pipeline stops.
  [[nodiscard]] std::shared_ptr<CommitQueue> queue(std::function<void()> wake);

 private:
  using Pending = PendingCommit;
  std::uint64_t hand_in(const WriteSet& writes, std::uint64_t epoch, Pending pending, Runs runs);
  void run();
  void wait_for_commits(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] Result<void> take_open();
  [[nodiscard]] Result<void> write_taken();
  void latch(const Error& error);
  void refuse();
  void hand_back(const Result<void>& outcome);
  [[nodiscard]] bool refused_before(std::uint64_t commit, std::uint64_t epoch) const;  // under mutex_
  void complete(const Result<void>& outcome);
  void wait_for_room(std::unique_lock<std::mutex>& lock);
  void wake_writer(std::unique_lock<std::mutex>& lock);
  // Commits with mutex_ released; one thread at a time.
  void commit_alone(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] bool lent() noexcept;
  void lend();
  [[nodiscard]] bool gathering() const noexcept;
  void end_gathering();

  static constexpr std::size_t kRefusals = 1'024;
  Store& store_;
  const Durability durability_;
  const std::uint64_t batch_bytes_max_;
  const CommitMeter::Micros lent_micros_;
  const std::chrono::microseconds gather_;
  CommitMeter meter_;
  std::unique_ptr<Batch> open_;                       // guarded by mutex_
  std::unique_ptr<Batch> writing_;                    // the writer's
  std::vector<Pending> pending_;                      // guarded by mutex_; belongs to open_, as what is open in queues_
  std::vector<Pending> completing_;                   // the writer's
  std::vector<CommitMeter::Micros> at_;               // guarded by mutex_; when each write set of open_ was handed in
  std::vector<CommitMeter::Micros> taken_at_;         // the writer's; of writing_
  std::size_t waiting_ = 0;                           // guarded by mutex_; how many completions belong to open_
  std::vector<std::shared_ptr<CommitQueue>> queues_;  // guarded by mutex_
  std::vector<std::shared_ptr<CommitQueue>> receivers_;  // the writer's; of what it took
  std::vector<WriteSetPtr> unknown_;                     // the writer's; since it broke
  std::vector<Pending> late_;              // guarded by mutex_; after() of commits that the writer holds right now
  std::uint64_t last_ = 0;                 // guarded by mutex_
  std::uint64_t taken_ = 0;                // guarded by mutex_; the last commit that the writer holds, 0: none
  std::size_t gatherers_ = 0;              // guarded by mutex_; threads that lend themselves and have handed in more
  std::size_t room_waiters_ = 0;           // guarded by mutex_
  bool stopping_ = false;                  // guarded by mutex_
  bool lent_ = false;                      // guarded by mutex_; all that is open is a thread's that lends itself
  bool writer_waits_ = false;              // guarded by mutex_
  bool writer_sleeps_ = false;             // guarded by mutex_; it waits without an end
  CommitMeter::Micros open_since_ = 0;     // guarded by mutex_; when the first of open_ was handed in
  std::thread::id writer_;                 // guarded by mutex_; of no thread unless the writer runs
  std::thread::id committing_;             // guarded by mutex_; who commits right now: the writer, or who lends itself
  Result<void> outcome_;                   // guarded by mutex_; an error once broken
  std::deque<std::uint64_t> refusals_;     // guarded by mutex_; what was durable at each of the last refusals
  std::atomic<std::uint64_t> settled_{0};  // written by who commits; up to here every outcome is known
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable room_;
  std::atomic<std::uint64_t> durable_{0};
  std::atomic<std::uint64_t> completed_{0};  // durable, and all completions up to here that have a place have run
  std::atomic<std::uint64_t> epoch_{0};      // written under mutex_
  std::atomic<bool> broken_{false};
  std::atomic<std::uint64_t> commits_{0}, syncs_{0}, sync_micros_{0};
  std::vector<std::function<void()>> batch_end_;
  std::function<void(const Error&)> broken_hook_;
  std::function<void(const Error&)> refused_hook_;
  std::thread thread_;
};

}  // namespace holdfast
