// Timers: calls a function at a time of the clock, on one thread of its own (or when a simulation says so).
//
// Thread-safety: at() and cancel() from any thread. A timer's function must be short; it may set timers.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "src/core/clock.hpp"

namespace holdfast::shell {

class Timers {
 public:
  using Id = std::pair<Time, std::uint64_t>;

  explicit Timers(const Clock& clock) : clock_(clock) {}
  ~Timers() { stop(); }
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  Id at(Time when, std::function<void()> call);
  void cancel(const Id& id);

  void start();
  void stop();  // joins; what has not run is dropped
  // Runs what is due. Returns when the next one is, or 0.
  Time run_due();

 private:
  void run();

  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<Id, std::function<void()>> timers_;
  std::uint64_t next_ = 0;
  enum class Phase : std::uint8_t { idle, running, stopping } phase_ = Phase::idle;
  std::thread thread_;
};

}  // namespace holdfast::shell
