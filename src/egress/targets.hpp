// Targets: how much each origin may get at once, and which are left alone for a while. Pure; the caller locks.
#pragma once

#include <cstdint>
#include <holdfast/types.hpp>
#include <map>
#include <string>

namespace holdfast::egress {

class Targets {
 public:
  struct Settings {
    std::uint64_t concurrency = 32;
    std::uint64_t failures_max = 10;  // in a row: then the circuit opens
    std::int64_t open_ms = 5'000;     // for so long; then one call tries it
  };
  enum class Door : std::uint8_t { open, busy, broken };
  struct Verdict {
    Door door = Door::open;
    Time retry_at = 0;  // broken: when to ask again
  };

  explicit Targets(Settings settings) : settings_(settings) {}

  Verdict enter(const std::string& origin, Time now);             // open: counts one in flight
  void leave(const std::string& origin, bool reached, Time now);  // of one that was sent
  void cancel(const std::string& origin);                         // of one that was not
  [[nodiscard]] std::size_t broken(Time now) const;
  [[nodiscard]] std::size_t in_flight() const;

 private:
  struct Target {
    std::uint64_t in_flight = 0;
    std::uint64_t failures = 0;  // in a row
    Time open_until = 0;         // 0: closed, the normal case
  };
  void forget_if_idle(std::map<std::string, Target>::iterator target);

  const Settings settings_;
  std::map<std::string, Target> targets_;
};

}  // namespace holdfast::egress
