// Mischief: the harm that a run does to its server, drawn from the seed, and what was done.
//
// Each kind is done from the controller's thread, one after the other, while the load goes on. Afterwards the server
// serves again, on the same data: it is started anew when it ended, which it may do (with exit code 3) when its disk
// failed it, and never otherwise. docs/TORTURE.md says what each kind means.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "src/cli/torture/arena.hpp"
#include "src/cli/torture/checker.hpp"
#include "src/cli/torture/server_process.hpp"
#include "storage/fault_control.hpp"

namespace holdfast::cli::torture {

enum class Harm : std::uint8_t { kill, stop, disk_full, sync_fail, sync_slow, flip, tear, clock };
inline constexpr std::size_t kHarms = 8;
[[nodiscard]] std::string_view name_of(Harm harm) noexcept;
[[nodiscard]] std::optional<Harm> parse_harm(std::string_view name) noexcept;

// What was done, and when, by the clock of the operations.
struct Done {
  Harm harm = Harm::kill;
  std::int64_t begin_us = 0;
  std::int64_t end_us = 0;
  std::string what;
};
struct Restart {
  std::int64_t down_us = 0;
  std::int64_t ready_us = 0;
};

class Mischief {
 public:
  struct Settings {
    std::vector<Harm> harms;
    std::uint64_t seed = 1;
    std::chrono::seconds ready_max{60};  // until a start is done, or an answer comes
    bool lies = false;                   // for tests: a kill also takes the end of the log with it
  };
  Mischief(Arena& arena, ServerProcess& server, FaultControl& control, std::filesystem::path store, Settings settings);

  // Starts the server for the first time. Nothing when it serves, else why not.
  std::optional<Violation> begin();
  // Does harm once. A violation: the server did what it must not do; the run is over.
  std::optional<Violation> once();
  // Everything off, time ahead of all that any lease or delay waits for, one more restart.
  std::optional<Violation> settle();

  [[nodiscard]] const std::vector<Done>& done() const noexcept { return done_; }
  [[nodiscard]] const std::vector<Restart>& restarts() const noexcept { return restarts_; }
  [[nodiscard]] const std::vector<Operation>& looks() const noexcept { return looks_; }  // at damaged stores

 private:
  std::string kill();
  std::string stop();
  std::string fill_disk();
  std::string fail_syncs();
  std::string slow_syncs();
  std::string move_clock();
  std::string damage(Harm harm);
  void truncate_log();
  std::optional<std::filesystem::path> closed_file();
  std::string start_damaged();
  void look_at_everything(int port);

  void restart();
  void revive();  // restarts the server if it has ended
  void expect_alive();
  [[nodiscard]] bool disk_failed() const;  // since this server was started
  void wait(std::uint64_t ms_min, std::uint64_t ms_max);
  [[nodiscard]] std::uint64_t draw(std::uint64_t below) { return random_() % below; }

  Arena& arena_;
  ServerProcess& server_;
  FaultControl& control_;
  const std::filesystem::path store_;
  const Settings settings_;
  std::mt19937_64 random_;
  std::int64_t down_us_ = 0;
  std::int64_t clock_ahead_max_ms_ = 0;
  std::uint32_t injected_before_ = 0;  // faults that earlier servers got
  std::optional<Violation> violation_;
  std::vector<Done> done_;
  std::vector<Restart> restarts_;
  std::vector<Operation> looks_;
};

}  // namespace holdfast::cli::torture
