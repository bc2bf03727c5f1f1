// What an engine with much to wait for costs while nothing happens.
//
//     idle_bench DIR SESSIONS CLAIMS SECONDS
//
// Makes SESSIONS sessions with an armed alarm each (a message that may not run for an hour), opens CLAIMS connections
// to the HTTP front that wait for a turn, and watches the processor time of the whole process, these clients included,
// for SECONDS.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <holdfast/engine.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "http/server.hpp"

namespace {

using namespace holdfast;
using Steady = std::chrono::steady_clock;

double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void make_sessions(Engine& engine, std::uint64_t n) {
  const auto later =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count() +
      3'600'000;
  std::atomic<std::uint64_t> in_the_air{0};
  for (std::uint64_t i = 0; i < n; ++i) {
    while (in_the_air > 1'000) std::this_thread::yield();
    ++in_the_air;
    auto request = AdmitRequest::prompt("later");
    request.not_before = later + static_cast<Time>(i);
    engine.admit_async("s" + std::to_string(i), std::move(request), {}, [&](const auto&) { --in_the_air; });
  }
  while (in_the_air != 0) std::this_thread::yield();
}

const std::string kClaim =
    "POST /v1/claims HTTP/1.1\r\nHost: idle\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"
    R"({"wait_ms":60000})";

int waiting_claim(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -1;
  (void)!::write(fd, kClaim.data(), kClaim.size());
  return fd;
}

// Asks again whenever the time of a claim is over.
void wait_with(std::vector<pollfd>& claims, Steady::time_point until) {
  std::array<char, 4'096> answer{};
  while (Steady::now() < until) {
    if (::poll(claims.data(), claims.size(), 1'000) <= 0) continue;
    for (auto& claim : claims) {
      if (claim.revents == 0) continue;
      (void)!::read(claim.fd, answer.data(), answer.size());
      (void)!::write(claim.fd, kClaim.data(), kClaim.size());
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return std::fprintf(stderr, "usage: idle_bench DIR SESSIONS CLAIMS SECONDS\n"), 2;
  Options options;
  options.data = argv[1];
  auto engine = Engine::open(std::move(options));
  if (!engine) return std::fprintf(stderr, "idle_bench: %s\n", engine.error().detail.c_str()), 3;
  const auto sessions = std::strtoull(argv[2], nullptr, 10);
  make_sessions(**engine, sessions);
  http::ServerOptions front;
  front.port = 0;
  auto logger = make_logger(LogLevel::warn, LogFormat::text);
  http::Server server(**engine, front, *logger);
  const auto port = server.start();
  if (!port) return std::fprintf(stderr, "idle_bench: %s\n", port.error().detail.c_str()), 2;
  std::vector<pollfd> claims;
  for (auto n = std::strtoull(argv[3], nullptr, 10); n > 0; --n) claims.push_back({waiting_claim(*port), POLLIN, 0});
  const auto seconds = std::strtoull(argv[4], nullptr, 10);
  wait_with(claims, Steady::now() + std::chrono::seconds(5));  // sessions leave memory, connections settle
  const double before = processor_seconds();
  wait_with(claims, Steady::now() + std::chrono::seconds(seconds));
  const double used = processor_seconds() - before;
  const auto stats = (*engine)->stats();
  std::printf("%llu armed alarms, %llu waiting claims, %llu live sessions: %.2f %% of one core over %llu s\n",
              static_cast<unsigned long long>(sessions), static_cast<unsigned long long>(stats.waiting_claims),
              static_cast<unsigned long long>(stats.live_objects), 100 * used / static_cast<double>(seconds),
              static_cast<unsigned long long>(seconds));
  for (const auto& claim : claims) ::close(claim.fd);
  server.stop(std::chrono::seconds(1));
  return 0;
}
