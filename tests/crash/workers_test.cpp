// Workers that die at random moments, and a server that dies once: every message is completed exactly once, in order.
//
//     HOLDFAST_WORKER_MESSAGES=10000 bin/crash_tests 'workers*'     the long run
#include <cstdlib>
#include <random>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

constexpr int kWorkers = 8;
constexpr int kPerSession = 100;

// A worker process: claims and completes until it is killed.
pid_t start_worker(int port) {
  const pid_t pid = ::fork();
  if (pid != 0) {
    REQUIRE(pid > 0);
    return pid;
  }
  for (;;) {
    Client client(port);
    for (;;) {
      const auto claimed = client.post("/v1/claims", R"({"max":4,"wait_ms":500,"lease_ms":400})");
      if (claimed.status == 0) break;  // the server died: connect again
      for (std::size_t i = 0; i < claimed.count("/deliveries"); ++i) {
        const auto at = "/deliveries/" + std::to_string(i);
        client.post("/v1/deliveries/" + claimed.at(at + "/delivery") + "/complete", R"({"result":"done"})",
                    {{"Holdfast-Lease", claimed.at(at + "/lease")}});
      }
    }
    ::usleep(50'000);
  }
}

void end_worker(pid_t& pid) {
  if (pid <= 0) return;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  pid = 0;
}

// Ends what still works when the test ends, however it ends.
struct Crew {
  std::vector<pid_t> workers;
  ~Crew() {
    for (auto& worker : workers) end_worker(worker);
  }
};

std::string session(int i) { return "/v1/sessions/w" + std::to_string(i); }

}  // namespace

TEST_CASE("workers that die at random complete every message exactly once, in order", "[fork]") {
  const char* wanted = std::getenv("HOLDFAST_WORKER_MESSAGES");
  const int sessions = std::max(1, (wanted == nullptr ? 2'000 : std::atoi(wanted)) / kPerSession);
  Server server({"--lease-ms-min", "100", "--lease-expiries-max", "1000"});
  {
    Client client(server.port());
    for (int s = 0; s < sessions; ++s) {
      std::string batch = "{\"messages\":[";
      for (int i = 0; i < kPerSession; ++i) {
        if (i != 0) batch += ',';
        batch += prompt("x", "\"id\":\"m" + std::to_string(i) + "\"");
      }
      REQUIRE(client.post(session(s) + "/messages/batch", batch + "]}").status == 202);
    }
  }
  std::mt19937 random(7);
  Crew crew;
  auto& workers = crew.workers;
  for (int i = 0; i < kWorkers; ++i) workers.push_back(start_worker(server.port()));
  const auto queued = [&] {
    Client client(server.port());
    for (int s = 0; s < sessions; ++s)
      if (client.get(session(s)).at("/status") != "idle") return true;
    return false;
  };
  int kills = 0;
  bool restarted = false;
  for (int round = 0; round < 3'000 && queued(); ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    auto& victim = workers[random() % workers.size()];
    end_worker(victim);
    ++kills;
    if (round == 20) {  // and the server itself, once
      for (auto& worker : workers) end_worker(worker);
      server.kill9();
      server.start();
      for (auto& worker : workers)
        if (&worker != &victim) worker = start_worker(server.port());
      restarted = true;
    }
    victim = start_worker(server.port());
  }
  for (auto& worker : workers) end_worker(worker);

  Client client(server.port());
  std::uint64_t attempts = 0;
  for (int s = 0; s < sessions; ++s) {
    INFO("session " << s);
    const auto page = client.get(session(s) + "/messages?limit=1000");
    REQUIRE(page.count("/items") == kPerSession);
    for (int i = 0; i < kPerSession; ++i) {
      const auto at = "/items/" + std::to_string(i);
      REQUIRE(page.at(at + "/state") == "completed");
      attempts += std::strtoull(page.at(at + "/attempt").c_str(), nullptr, 10);
    }
    const auto completed = client.get(session(s) + "/events?types=message.completed&limit=1000");
    REQUIRE(completed.count("/items") == kPerSession);
    for (int i = 0; i < kPerSession; ++i)
      REQUIRE(completed.at("/items/" + std::to_string(i) + "/data/message") == "m" + std::to_string(i));
  }
  std::printf("%d messages, %d workers killed%s: each completed once, in %llu attempts\n", sessions * kPerSession,
              kills, restarted ? ", the server once" : "", static_cast<unsigned long long>(attempts));
  CHECK(kills > 0);
}

}  // namespace holdfast::test
