// CommitQueue: the completions that one thread with an event loop runs itself, on their way through the pipeline.
//
// Operation: `open` and `taken` are the pipeline's, which swaps them as it does its batches. deliver() hands over
// `taken` as one piece: who commits touches none of what it holds. The first piece in an empty queue wakes the loop.
//
// Thread-safety: deliver() from one thread at a time; run() on the loop's thread; close() from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <holdfast/completion_queue.hpp>
#include <holdfast/error.hpp>
#include <mutex>
#include <vector>

#include "storage/store.hpp"

namespace holdfast {

// One completion, until it runs.
struct PendingCommit {
  std::function<void(const Result<void>&)> done;
  enum class Fate : std::uint8_t { of_the_batch, refused } fate = Fate::of_the_batch;
  WriteSetPtr held = nullptr;
};

class CommitQueue final : public CompletionQueue {
 public:
  using Piece = std::vector<PendingCommit>;

  // `wake` must not come back here; it is not called after close().
  explicit CommitQueue(std::function<void()> wake) : wake_(std::move(wake)) {}
  ~CommitQueue() override { close(); }
  bool run() override;
  void close() override;

  [[nodiscard]] bool closed();
  // Hands over what was made durable. False when the queue is closed: it is still in `taken`.
  enum class Wake : std::uint8_t { yes, no };
  [[nodiscard]] bool deliver(Wake wake);

  Piece open;   // guarded by the pipeline's mutex
  Piece taken;  // of who commits

 private:
  static void run(Piece& piece);
  bool run_all();

  const std::function<void()> wake_;
  std::mutex running_;  // held while completions run
  std::mutex mutex_;
  std::vector<Piece> ready_;       // guarded by mutex_
  bool closed_ = false;            // guarded by mutex_
  std::atomic<bool> some_{false};  // ready_ is not empty; written under mutex_
};

}  // namespace holdfast
