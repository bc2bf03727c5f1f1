#include "src/cli/torture/mischief.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <thread>

namespace holdfast::cli::torture {
namespace {

constexpr std::array<std::string_view, kHarms> kNames{"kill",      "stop", "disk_full", "sync_fail",
                                                      "sync_slow", "flip", "tear",      "clock"};
constexpr int kStoreRefused = 3;  // exit code
constexpr unsigned kStarts = 5;   // of a server whose disk fails it, until the fault is gone

Violation unavailable(std::string sentence) { return {Rule::available, std::move(sentence), {}, {}, {}}; }

}  // namespace

std::string_view name_of(Harm harm) noexcept { return kNames[static_cast<std::size_t>(harm)]; }

std::optional<Harm> parse_harm(std::string_view name) noexcept {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Harm>(found - kNames.begin());
}

Mischief::Mischief(Arena& arena, ServerProcess& server, FaultControl& control, std::filesystem::path store,
                   Settings settings)
    : arena_(arena),
      server_(server),
      control_(control),
      store_(std::move(store)),
      settings_(std::move(settings)),
      random_(settings_.seed) {}

std::optional<Violation> Mischief::begin() {
  down_us_ = arena_.now_us();
  restart();
  restarts_.clear();  // the first start is none
  return violation_;
}

std::optional<Violation> Mischief::once() {
  const auto harm = settings_.harms[draw(settings_.harms.size())];
  Done done{harm, arena_.now_us(), 0, {}};
  switch (harm) {
    case Harm::kill: done.what = kill(); break;
    case Harm::stop: done.what = stop(); break;
    case Harm::disk_full: done.what = fill_disk(); break;
    case Harm::sync_fail: done.what = fail_syncs(); break;
    case Harm::sync_slow: done.what = slow_syncs(); break;
    case Harm::flip:
    case Harm::tear: done.what = damage(harm); break;
    case Harm::clock: done.what = move_clock(); break;
  }
  done.end_us = arena_.now_us();
  if (!done.what.empty()) done_.push_back(std::move(done));
  if (!violation_) expect_alive();
  return violation_;
}

std::optional<Violation> Mischief::settle() {
  constexpr std::int64_t kBeyondAllLeasesMs = 600'000;
  control_.calm();
  revive();
  control_.block().clock_offset_ms = clock_ahead_max_ms_ + kBeyondAllLeasesMs;
  if (!violation_) (void)kill();
  if (!violation_) expect_alive();
  return violation_;
}

std::string Mischief::kill() {
  arena_.port = 0;
  down_us_ = arena_.now_us();
  server_.kill();
  if (settings_.lies) truncate_log();
  restart();
  return "kill -9";
}

std::string Mischief::stop() {
  server_.signal(SIGSTOP);
  wait(50, 1'500);
  server_.signal(SIGCONT);
  return "stopped";
}

std::string Mischief::fill_disk() {
  control_.block().no_space = 1;
  wait(100, 1'500);
  if (draw(2) == 0) revive();  // a start without room: it may be refused, too
  control_.block().no_space = 0;
  wait(50, 100);  // what fails late
  revive();
  return "no space";
}

std::string Mischief::fail_syncs() {
  auto& block = control_.block();
  const auto before = block.injected.load();
  const auto count = 1 + static_cast<std::uint32_t>(draw(3));
  block.syncs_to_fail = count;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (block.injected == before && std::chrono::steady_clock::now() < until) wait(2, 5);
  if (block.injected != before) (void)server_.wait(std::chrono::seconds(2));
  if (draw(2) == 0) block.syncs_to_fail = 0;  // or the start fails, too
  revive();
  block.syncs_to_fail = 0;
  return std::to_string(count) + (count == 1 ? " sync fails" : " syncs fail");
}

std::string Mischief::slow_syncs() {
  const auto ms = 2 + draw(60);
  control_.block().sync_delay_us = static_cast<std::uint32_t>(ms * 1'000);
  wait(300, 1'500);
  control_.block().sync_delay_us = 0;
  return "syncs take " + std::to_string(ms) + " ms more";
}

std::string Mischief::move_clock() {
  constexpr std::int64_t kHourMs = 3'600'000;
  auto& offset = control_.block().clock_offset_ms;
  const auto before = offset.load();
  const auto far = draw(8) == 0;
  offset = far ? kHourMs : static_cast<std::int64_t>(draw(20'000)) - 10'000;
  clock_ahead_max_ms_ = std::max(clock_ahead_max_ms_, offset.load());
  const auto jump = offset.load() - before;
  wait(200, 600);
  return std::string("clock ") + (jump < 0 ? "back" : "forward") + " by " + std::to_string(std::abs(jump)) + " ms";
}

void Mischief::restart() {
  for (unsigned i = 0; i < kStarts; ++i) {
    const auto how = server_.start(settings_.ready_max);
    if (how == ServerProcess::Start::ready) {
      arena_.port = server_.port();
      injected_before_ = control_.block().injected;
      restarts_.push_back({down_us_, arena_.now_us()});
      return;
    }
    if (how == ServerProcess::Start::hangs) {
      violation_ =
          unavailable("the server did not become ready within " + std::to_string(settings_.ready_max.count()) + " s");
      return;
    }
    if (server_.exit_code() != kStoreRefused || (control_.block().no_space == 0 && !disk_failed())) break;
    injected_before_ = control_.block().injected;
    control_.calm();  // it may refuse the start for a fault; the next one has none
  }
  violation_ = unavailable("the server did not start: exit code " + std::to_string(server_.exit_code()) + ", " +
                           server_.last_words());
}

void Mischief::revive() {
  if (violation_ || !server_.ended()) return;
  arena_.port = 0;
  down_us_ = arena_.now_us();
  // A fault may show late: the disk failed a flush, and the next write says so.
  if (server_.exit_code() != kStoreRefused || !disk_failed()) {
    violation_ =
        unavailable("the server ended by itself with exit code " + std::to_string(server_.exit_code()) +
                    (disk_failed() ? " and not with 3, when its disk failed it: " : ": ") + server_.last_words());
    return;
  }
  restart();
}

bool Mischief::disk_failed() const { return control_.block().injected != injected_before_; }

void Mischief::expect_alive() {
  const auto until = std::chrono::steady_clock::now() + settings_.ready_max;
  Target target;
  target.host = "127.0.0.1";
  target.port = std::to_string(server_.port());
  target.url = "http://127.0.0.1:" + target.port;
  while (!server_.ended()) {
    const auto ready = Client(target).request("GET", "/readyz", {}, {}, std::chrono::seconds(5));
    if (ready && ready->status == 200) return;
    if (std::chrono::steady_clock::now() > until) {
      violation_ = unavailable("the server was not ready within " + std::to_string(settings_.ready_max.count()) +
                               " s after the fault was over");
      return;
    }
    wait(10, 20);
  }
  revive();
}

void Mischief::wait(std::uint64_t ms_min, std::uint64_t ms_max) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms_min + draw(ms_max - ms_min + 1)));
}

}  // namespace holdfast::cli::torture
