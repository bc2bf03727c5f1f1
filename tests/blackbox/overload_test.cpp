// What overload looks like from outside: both triggers of shedding, and the close. The disk is made slow, so that a
// queue stands for sure; nothing here depends on how fast the machine is.
#include <atomic>

#include "storage/fault_control.hpp"
#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

constexpr std::uint32_t kSyncDelayUs = 3'000;

// A server whose I/O threads count as saturated, on a disk whose syncs can be made slow.
class SlowServer {
 public:
  explicit SlowServer(std::vector<std::string> options) : control_(FaultControl::open(directory_ / "faults").value()) {
    options.insert(options.end(), {"--fault-control", directory_ / "faults", "--queue-capacity", "1000000"});
    server_.emplace(std::move(options));
    sync_delay(kSyncDelayUs);
  }
  void sync_delay(std::uint32_t us) const { control_->block().sync_delay_us = us; }
  [[nodiscard]] int port() const noexcept { return server_->port(); }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<FaultControl> control_;
  std::optional<Server> server_;
};

std::string admission(const std::string& session, const std::string& id) {
  const auto body = prompt("x", "\"id\":\"" + id + "\"");
  return "POST /v1/sessions/" + session +
         "/messages HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Pipelines admissions m0, m1, ... without bound, until an answer is no success.
struct Flood {
  int admitted = 0;
  Reply last;

  Flood(Client& client, const std::string& session) {
    std::atomic<bool> over{false};
    std::thread sender([&] {
      for (int i = 0; !over && client.send(admission(session, "m" + std::to_string(i))); ++i) {
      }
    });
    while ((last = client.receive()).status == 202) ++admitted;
    over = true;
    CHECK(client.closed());  // which also lets the sender go
    sender.join();
  }
};

}  // namespace

TEST_CASE("while the disk has fallen behind new work is refused, and the rest passes; then it passes again") {
  const SlowServer server({"--overload-delay-ms", "1"});
  std::atomic<int> admitted{0};
  std::atomic<int> wrong{0};
  std::atomic<bool> refused{false};
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c)
    clients.emplace_back([&, c] {
      Client client(server.port());
      while (!refused) {
        const auto reply = client.post("/v1/sessions/s" + std::to_string(c) + "/messages", prompt("x"));
        if (reply.status == 202) {
          ++admitted;
          continue;
        }
        if (reply.problem() != "503 overloaded" || reply.header("retry-after").empty()) ++wrong;
        if (!reply.header("connection").empty()) ++wrong;
        refused = true;
      }
    });
  Client worker(server.port());
  while (!refused) {
    const auto claimed = worker.post("/v1/claims", R"({"wait_ms":10})");
    if (claimed.status == 204) continue;
    REQUIRE(claimed.status == 200);
    const Turn turn(claimed);
    REQUIRE(worker.post(turn.path("complete"), R"({"result":1})", turn.lease).status == 204);
  }
  for (auto& client : clients) client.join();
  CHECK(wrong == 0);
  CHECK(metric(worker, "holdfast_refused_total{reason=\"commit_delay\"}") > 0);
  CHECK(metric(worker, "holdfast_overloads_total") > 0);
  CHECK(metric(worker, "holdfast_admitted_total") == static_cast<std::uint64_t>(admitted));
  server.sync_delay(0);
  CHECK(becomes([&] { return worker.post("/v1/sessions/s0/messages", prompt("x")).status == 202; }));
}

TEST_CASE("a client that pipelines without bound is served, told once, and closed; what was behind is not admitted") {
  const SlowServer server({"--saturation-percent", "0", "--pipeline-delay-ms", "1"});
  Client client(server.port());
  const Flood flood(client, "s");
  CHECK(flood.admitted > 0);
  CHECK(flood.last.problem() == "503 overloaded");
  CHECK(flood.last.at("/retryable") == "true");
  CHECK_FALSE(flood.last.header("retry-after").empty());
  CHECK(flood.last.header("connection") == "close");
  CHECK(client.buffer().empty());  // it was the last answer

  Client after(server.port());
  CHECK(metric(after, "holdfast_refused_total{reason=\"backlog\"}") == 1);
  CHECK(metric(after, "holdfast_admitted_total") == static_cast<std::uint64_t>(flood.admitted));
  const auto message = [&](int i) { return after.get("/v1/sessions/s/messages/m" + std::to_string(i)).status; };
  CHECK(message(flood.admitted - 1) == 200);
  CHECK(message(flood.admitted) == 404);
}

TEST_CASE("a client that waits for its answers is never shed, however others pipeline") {
  const SlowServer server({"--saturation-percent", "0", "--pipeline-delay-ms", "1"});
  std::atomic<bool> over{false};
  std::atomic<int> closed{0};
  std::vector<std::thread> others;
  for (int c = 0; c < 4; ++c)
    others.emplace_back([&, c] {
      for (int i = 0; !over; ++i) {
        Client client(server.port());
        const Flood flood(client, "f" + std::to_string(c) + "-" + std::to_string(i));
        ++closed;
      }
    });
  Client patient(server.port());
  const auto admit = [&](const std::string& text) {
    return patient.post("/v1/sessions/s/messages", prompt(text)).status;
  };
  for (int i = 0; i < 100 || closed < 8; ++i) CHECK(admit("x") == 202);
  // Requests that fill every read of the server, to the last byte.
  constexpr std::size_t kReadBytes = 8 << 10;
  for (int i = 0; i < 10; ++i) {
    const auto head = [](std::size_t length) {
      return "POST /v1/sessions/s/messages HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: " +
             std::to_string(length) + "\r\n\r\n";
    };
    const auto length = 16 * kReadBytes - head(16 * kReadBytes).size();
    const auto body = prompt(std::string(length - prompt("").size(), 'x'));
    REQUIRE((head(length) + body).size() == 16 * kReadBytes);
    REQUIRE(patient.send(head(length) + body));
    CHECK(patient.receive().status == 202);
  }
  // Requests whose parts come late.
  for (int i = 0; i < 5; ++i) {
    const auto whole = admission("s", "late-" + std::to_string(i));
    REQUIRE(patient.send(whole.substr(0, 20)));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    REQUIRE(patient.send(whole.substr(20)));
    CHECK(patient.receive().status == 202);
  }
  over = true;
  for (auto& other : others) other.join();
}

TEST_CASE("a pipeline_delay_ms of 0 sheds nobody, and neither does a server that has time") {
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{"--saturation-percent", "0", "--pipeline-delay-ms", "0"},
        std::vector<std::string>{"--saturation-percent", "1000000", "--pipeline-delay-ms", "1"}}) {
    const SlowServer server(options);
    Client client(server.port());
    constexpr int kRequests = 200;
    std::string text;
    for (int i = 0; i < kRequests; ++i) text += admission("s", "m" + std::to_string(i));
    REQUIRE(client.send(text));
    for (int i = 0; i < kRequests; ++i) REQUIRE(client.receive().status == 202);
  }
}

}  // namespace holdfast::test
