#include "storage/commit_pipeline.hpp"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "src/core/check.hpp"

namespace holdfast {
namespace {

// The pipeline that this thread is about to lend itself to.
struct Lending {
  CommitPipeline* pipeline = nullptr;
  CommitQueue* queue = nullptr;  // of the outermost; it runs when that has ended, and need not be woken for it
  std::size_t commits_max = 0;
  std::size_t outer_max = 0;  // of the lending that others are within
  unsigned depth = 0;
  bool gathers = false;                                                               // it wakes the writer at its end
  enum class Commits : std::uint8_t { none, mine, writers } commits = Commits::none;  // those that are open
};
thread_local Lending t_lending;

tl::unexpected<Error> no_room() {
  return fail(ErrorCode::insufficient_storage, "the disk is full; nothing was written");
}

}  // namespace

CommitPipeline::CommitPipeline(Store& store, Durability durability, std::uint64_t batch_bytes_max,
                               CommitMeterLimits limits)
    : store_(store),
      durability_(durability),
      batch_bytes_max_(batch_bytes_max),
      lent_micros_(limits.lent_micros),
      gather_(limits.gather_micros),
      meter_(limits),
      open_(store.make_batch()),
      writing_(store.make_batch()) {}

CommitPipeline::~CommitPipeline() { stop(); }

std::uint64_t CommitPipeline::hand_in(const WriteSet& writes, std::uint64_t epoch, Pending pending, Runs runs) {
  const auto at = CommitMeter::now();
  const bool mine = runs == Runs::anywhere && t_lending.pipeline == this && t_lending.depth == 1;
  auto* const queue = mine ? t_lending.queue : nullptr;
  std::unique_lock lock(mutex_);
  wait_for_room(lock);
  const bool late = epoch != epoch_.load(std::memory_order_relaxed);
  if (!late) ++last_;
  if (!late && outcome_) open_->append(writes);
  if (late) pending.fate = Pending::Fate::refused;
  auto& waiting = queue != nullptr && !late ? queue->open : pending_;
  if (waiting.capacity() == 0) waiting.reserve(kCommitsGathered);
  waiting.push_back(std::move(pending));
  at_.push_back(at);
  if (waiting_++ == 0) open_since_ = at;
  const std::uint64_t commit = last_;
  wake_writer(lock);
  return commit;
}

void CommitPipeline::after(std::uint64_t commit, std::uint64_t epoch, Completion done) {
  // In this order: a commit that was refused is below completed_ only once the epoch has changed.
  const auto completed = [&] { return commit <= completed_.load(std::memory_order_acquire); };
  if (!completed() || epoch != epoch_.load(std::memory_order_acquire)) {
    std::unique_lock lock(mutex_);
    HOLDFAST_CHECK(commit <= last_);
    const bool refused = refused_before(commit, epoch);
    if (refused || !completed()) {
      if (!refused && commit <= taken_) {
        late_.push_back({std::move(done)});
      } else {
        pending_.push_back({std::move(done), refused ? Pending::Fate::refused : Pending::Fate::of_the_batch});
        if (waiting_++ == 0) open_since_ = CommitMeter::now();
        wake_writer(lock);
      }
      return;
    }
  }
  done({});
}

bool CommitPipeline::refused(std::uint64_t commit, std::uint64_t epoch) const {
  const std::scoped_lock lock(mutex_);
  return refused_before(commit, epoch);
}

bool CommitPipeline::refused_before(std::uint64_t commit, std::uint64_t epoch) const {
  const auto now = epoch_.load(std::memory_order_relaxed);
  if (commit == 0 || epoch == now) return false;
  const auto known = now - refusals_.size();  // the epoch that ended with the oldest refusal that is known
  return epoch < known || commit > refusals_[static_cast<std::size_t>(epoch - known)];
}

// The writer itself must not wait for its own swap, and without a writer nobody would make room.
void CommitPipeline::wait_for_room(std::unique_lock<std::mutex>& lock) {
  const auto may_append = [this] {
    return open_->bytes() < batch_bytes_max_ || !outcome_ || writer_ == std::thread::id() ||
           committing_ == std::this_thread::get_id();
  };
  if (may_append()) return;
  if (std::exchange(writer_waits_, false)) wake_.notify_one();  // who lends itself did not
  ++room_waiters_;
  room_.wait(lock, may_append);
  --room_waiters_;
}

// Whoever commits looks at what is open when it is done, and so does a thread that lends itself; only a writer that
// sleeps while nobody commits costs a system call.
void CommitPipeline::wake_writer(std::unique_lock<std::mutex>& lock) {
  const bool mine = lent();
  if (!mine) lent_ = false;
  else if (waiting_ == 1) lent_ = true;
  if (!mine && t_lending.pipeline == this && t_lending.depth == 1 && !std::exchange(t_lending.gathers, true))
    ++gatherers_;
  const bool taken_care_of = mine || committing_ != std::thread::id() || (gathering() && !writer_sleeps_);
  const bool asleep = !taken_care_of && std::exchange(writer_waits_, false);
  lock.unlock();
  if (asleep) wake_.notify_one();
}

// With mutex_ held: more comes before somebody's round ends, and what is open may wait for it.
bool CommitPipeline::gathering() const noexcept {
  return gatherers_ != 0 && waiting_ < kCommitsGathered && room_waiters_ == 0 && !stopping_;
}

void CommitPipeline::end_gathering() {
  if (!std::exchange(t_lending.gathers, false)) return;
  std::unique_lock lock(mutex_);
  --gatherers_;
  const bool due = waiting_ != 0 && committing_ == std::thread::id() && !gathering();
  const bool asleep = due && std::exchange(writer_waits_, false);
  lock.unlock();
  if (asleep) wake_.notify_one();
}

std::shared_ptr<CommitQueue> CommitPipeline::queue(std::function<void()> wake) {
  auto made = std::make_shared<CommitQueue>(std::move(wake));
  const std::scoped_lock lock(mutex_);
  std::erase_if(queues_,
                [](const auto& queue) { return queue.use_count() == 1 && queue->open.empty() && queue->closed(); });
  queues_.push_back(made);
  return made;
}

CommitStats CommitPipeline::stats() const {
  CommitStats stats;
  stats.commits = commits_.load(std::memory_order_relaxed);
  stats.syncs = syncs_.load(std::memory_order_relaxed);
  stats.sync_micros = sync_micros_.load(std::memory_order_relaxed);
  stats.refusals = epoch();
  meter_.read(stats);
  const std::scoped_lock lock(mutex_);
  stats.queued = last_ - settled_.load(std::memory_order_relaxed);
  return stats;
}

void CommitPipeline::on_batch_end(std::function<void()> hook) { batch_end_.push_back(std::move(hook)); }

void CommitPipeline::on_broken(std::function<void(const Error&)> hook) { broken_hook_ = std::move(hook); }

void CommitPipeline::on_refused(std::function<void(const Error&)> hook) { refused_hook_ = std::move(hook); }

void CommitPipeline::start() {
  const std::scoped_lock lock(mutex_);
  HOLDFAST_CHECK(!thread_.joinable());
  stopping_ = false;
  thread_ = std::thread([this] { run(); });
  writer_ = thread_.get_id();
}

void CommitPipeline::stop() {
  {
    const std::scoped_lock lock(mutex_);
    HOLDFAST_CHECK(writer_ != std::this_thread::get_id() && committing_ != std::this_thread::get_id());
    stopping_ = true;
    writer_waits_ = false;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  std::unique_lock lock(mutex_);
  for (;;) {  // without a writer, or handed in since it ended; a thread that lends itself may be at it still
    wake_.wait(lock, [this] { return committing_ == std::thread::id(); });
    if (waiting_ == 0) break;
    commit_alone(lock);
  }
  const auto queues = queues_;
  lock.unlock();
  for (const auto& queue : queues) queue->close();
}

void CommitPipeline::run() {
  ::pthread_setname_np(::pthread_self(), "hf-commit");
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wait_for_commits(lock);
      if (waiting_ == 0) {
        writer_ = {};
        if (room_waiters_ > 0) room_.notify_all();
        return;
      }
      commit_alone(lock);
    }
  }
}

// A thread that gathers may be held up in its round, so it is waited for until gather_ is over only. The first of what
// is open need not wake a writer that looks again by then; it wakes one that sleeps without an end.
void CommitPipeline::wait_for_commits(std::unique_lock<std::mutex>& lock) {
  for (bool rested = false;;) {
    writer_waits_ = true;
    if (committing_ != std::thread::id() || ((waiting_ == 0 || (lent_ && room_waiters_ == 0)) && !stopping_)) {
      writer_sleeps_ = rested;
      if (rested) wake_.wait(lock);
      else rested = wake_.wait_for(lock, gather_) == std::cv_status::timeout;
      writer_sleeps_ = false;
      continue;
    }
    const std::chrono::microseconds open_for(CommitMeter::now() - open_since_);
    if (!gathering() || open_for >= gather_) break;
    wake_.wait_for(lock, gather_ - open_for);
  }
  writer_waits_ = false;
}

void CommitPipeline::commit_alone(std::unique_lock<std::mutex>& lock) {
  committing_ = std::this_thread::get_id();
  lock.unlock();
  commit_once();
  lock.lock();
  committing_ = {};
  if (stopping_) wake_.notify_all();
}

void CommitPipeline::begin_lending(std::size_t commits_max, CommitQueue* queue) noexcept {
  if (t_lending.pipeline != nullptr && t_lending.pipeline != this) return;  // of another engine: it has a writer
  if (t_lending.depth++ != 0) {
    if (t_lending.depth == 2) t_lending.outer_max = t_lending.commits_max;
    t_lending.commits_max = std::max(t_lending.commits_max, commits_max);
    return;
  }
  const bool slow = meter_.last_micros() > lent_micros_;
  t_lending.pipeline = this;
  t_lending.queue = queue;
  t_lending.commits_max = slow && commits_max != kEverything ? 0 : commits_max;
  t_lending.commits = Lending::Commits::none;
}

void CommitPipeline::end_lending() {
  if (t_lending.pipeline != this) return;
  end_gathering();
  const bool outermost = --t_lending.depth == 0;
  if (outermost) t_lending.pipeline = nullptr;
  else if (t_lending.depth == 1) t_lending.commits_max = t_lending.outer_max;
  // An inner one waits for what it submitted, so it does not leave that to the outer one.
  if (std::exchange(t_lending.commits, Lending::Commits::none) == Lending::Commits::mine) lend();
  if (outermost) t_lending.queue = nullptr;
}

// With mutex_ held: whether what is open is this thread's to commit.
bool CommitPipeline::lent() noexcept {
  if (t_lending.pipeline != this || t_lending.commits == Lending::Commits::writers) return false;
  t_lending.commits = waiting_ <= t_lending.commits_max ? Lending::Commits::mine : Lending::Commits::writers;
  return t_lending.commits == Lending::Commits::mine;
}

void CommitPipeline::lend() {
  std::unique_lock lock(mutex_);
  lent_ = false;  // if somebody else is at it, it is theirs
  if (waiting_ == 0 || committing_ != std::thread::id() || writer_ == std::thread::id()) return;
  commit_alone(lock);
  // What came meanwhile is the writer's, and so is the end of the pipeline.
  if ((waiting_ != 0 || stopping_) && std::exchange(writer_waits_, false)) wake_.notify_one();
}

bool CommitPipeline::commit_once() {
  {
    const std::scoped_lock lock(mutex_);
    if (waiting_ == 0) return false;
  }
  const Result<void> before = take_open();
  const Result<void> outcome = before ? write_taken() : before;
  writing_->clear();
  const bool failed = before && !outcome;
  const bool refused = failed && outcome.error().code == ErrorCode::insufficient_storage;
  if (!outcome) hand_back(outcome);  // they come before what refuse() takes
  if (refused) refuse();
  else if (failed) latch(outcome.error());
  complete(outcome);
  if (meter_.strained()) {
    const std::scoped_lock lock(mutex_);
    if (waiting_ == 0) meter_.idle();
  }
  for (const auto& hook : batch_end_) hook();
  const auto& hook = refused ? refused_hook_ : broken_hook_;
  if (failed && hook) hook(outcome.error());
  return true;
}

// Swaps the open batch for an empty one. The error of a broken pipeline.
Result<void> CommitPipeline::take_open() {
  const std::scoped_lock lock(mutex_);
  std::swap(open_, writing_);
  std::swap(pending_, completing_);
  std::swap(at_, taken_at_);
  for (const auto& queue : queues_) {
    if (queue->open.empty()) continue;
    std::swap(queue->open, queue->taken);
    receivers_.push_back(queue);
  }
  waiting_ = 0;
  taken_ = last_;
  if (room_waiters_ > 0) room_.notify_all();
  return outcome_;
}

Result<void> CommitPipeline::write_taken() {
  if (writing_->empty()) return {};  // nothing but after(), or write sets without a write
  const auto begin = CommitMeter::now();
  meter_.begin(begin, taken_at_.front());
  Result<void> written = store_.write(*writing_, durability_);
  const auto end = CommitMeter::now();
  meter_.end(end, taken_ - settled_.load(std::memory_order_relaxed), writing_->bytes());
  if (written) {
    syncs_.fetch_add(1, std::memory_order_relaxed);
    sync_micros_.fetch_add(static_cast<std::uint64_t>(end - begin), std::memory_order_relaxed);
  }
  return written;
}

void CommitPipeline::latch(const Error& error) {
  const std::scoped_lock lock(mutex_);
  outcome_ = tl::unexpected(error);
  open_->clear();  // what was appended meanwhile shares the fate
  broken_.store(true, std::memory_order_release);
  if (room_waiters_ > 0) room_.notify_all();
}

// What was handed in meanwhile stands on the refused batch, so it shares its fate; what comes from now on, in the new
// epoch, does not.
void CommitPipeline::refuse() {
  const std::scoped_lock lock(mutex_);
  if (refusals_.size() == kRefusals) refusals_.pop_front();
  refusals_.push_back(durable_.load(std::memory_order_relaxed));
  epoch_.fetch_add(1, std::memory_order_release);
  open_->clear();
  std::move(pending_.begin(), pending_.end(), std::back_inserter(completing_));
  pending_.clear();
  for (const auto& queue : queues_) {
    std::move(queue->open.begin(), queue->open.end(), std::back_inserter(completing_));
    queue->open.clear();
  }
  taken_at_.insert(taken_at_.end(), at_.begin(), at_.end());
  at_.clear();
  waiting_ = 0;
  taken_ = last_;
  if (room_waiters_ > 0) room_.notify_all();
}

// To the queues, what is theirs of the taken batch; what failed, or finds its queue closed, completes here.
void CommitPipeline::hand_back(const Result<void>& outcome) {
  for (const auto& queue : receivers_) {
    using Wake = CommitQueue::Wake;
    if (outcome && queue->deliver(t_lending.queue == queue.get() ? Wake::no : Wake::yes)) continue;
    std::move(queue->taken.begin(), queue->taken.end(), std::back_inserter(completing_));
    queue->taken.clear();
  }
  receivers_.clear();
}

// Runs the completions of the taken batch, then those that after() added while they ran.
void CommitPipeline::complete(const Result<void>& outcome) {
  // taken_ changes on this thread only.
  if (outcome) {
    commits_.fetch_add(taken_ - settled_, std::memory_order_relaxed);
    durable_.store(taken_, std::memory_order_release);
  }
  settled_ = taken_;
  hand_back(outcome);
  const auto now = CommitMeter::now();
  for (const auto at : taken_at_) meter_.waited(at, now);
  taken_at_.clear();
  for (;;) {
    for (Pending& pending : completing_) {
      if (!pending.done) continue;
      if (pending.fate == Pending::Fate::refused) pending.done(no_room());
      else pending.done(outcome);
    }
    if (broken())
      for (Pending& pending : completing_)
        if (pending.held) unknown_.push_back(std::move(pending.held));
    completing_.clear();
    const std::scoped_lock lock(mutex_);
    if (late_.empty()) {
      if (outcome) completed_.store(taken_, std::memory_order_release);
      taken_ = 0;
      return;
    }
    std::swap(late_, completing_);
  }
}

}  // namespace holdfast
