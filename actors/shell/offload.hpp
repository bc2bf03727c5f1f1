// Offload: threads for what must not hold up an actor. They start as work comes that none of them is free for.
//
// Thread-safety: all members from any thread; stop() not from a piece of work.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace holdfast::shell {

class Offload {
 public:
  // 0 threads: work waits for run_one(), as in a simulation.
  explicit Offload(unsigned threads) : thread_count_(threads) {}
  ~Offload() { stop(); }
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;

  void post(std::function<void()> work);
  [[nodiscard]] bool run_one();  // false: there is none
  void stop();                   // waits for what runs; what has not begun is dropped, now and later

 private:
  void add_thread();  // under mutex_
  void run();

  const unsigned thread_count_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> work_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool stopped_ = false;
};

}  // namespace holdfast::shell
