// TurnPool: runs the handlers of Engine::on_turn, a bounded number at once.
//
// A handler is a claimer: each of its places claims, waits without a thread, and queues the turn that it got for the
// pool. The pool keeps the lease while the turn waits and runs, and carries interrupts to it as soon as the session has
// them. Steers it fetches when the handler asks.
//
// Thread-safety: all members from any thread; stop() not from a handler.
#pragma once

#include <holdfast/engine.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace holdfast {

// Whose turns these are. No runtime can register under it: names begin with a letter or digit.
inline constexpr std::string_view kInProcess = "@in-process";

class TurnPool {
 public:
  // Threads start with the first handler.
  TurnPool(Engine::Impl& engine, unsigned threads);
  ~TurnPool();
  TurnPool(const TurnPool&) = delete;
  TurnPool& operator=(const TurnPool&) = delete;

  void add(std::string handler_class, TurnHandler handler, TurnOptions options);
  // Cancels what runs, waits for it, and lets go of what waited.
  void stop();
  [[nodiscard]] std::size_t running() const noexcept { return running_.load(std::memory_order_relaxed); }

 private:
  struct Handler;
  class HeldTurn;
  void claim(const std::shared_ptr<Handler>& handler);
  void take(const std::shared_ptr<Handler>& handler, Delivery delivery);
  void work();
  void run(const Handler& handler, HeldTurn& turn);

  Engine::Impl& engine_;
  const unsigned thread_count_;
  std::atomic<std::size_t> running_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::pair<std::shared_ptr<Handler>, std::shared_ptr<HeldTurn>>> queue_;
  std::set<std::shared_ptr<HeldTurn>> at_work_;
  std::vector<std::thread> threads_;
  bool stopped_ = false;
};

}  // namespace holdfast
