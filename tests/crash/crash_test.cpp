// kill -9 under load. What was acknowledged is there, once, in its place; nobody needs to retry for it to be delivered.
//
// HOLDFAST_CRASH_ROUNDS sets the rounds (5; the long run has 50).
#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>

#include "storage/spare_log.hpp"
#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

constexpr int kConnections = 64;
constexpr int kSessions = 200;

struct Ledger {
  std::mutex mutex;
  std::map<std::string, std::map<std::string, std::uint64_t>> acknowledged;  // session -> id -> seq
  std::map<std::string, std::string> unanswered;                             // id -> session
};

std::string message(const std::string& id, std::size_t bytes) {
  return prompt("text of " + id + std::string(bytes, '.'), "\"id\":\"" + id + "\"");
}

// One connection: posts messages of about `bytes` with ids of its own until the server is gone.
void post_until_cut(int port, int round, int connection, std::size_t bytes, Ledger& ledger) {
  Client client(port, 5'000);
  for (int i = 0;; ++i) {
    const auto session = "s" + std::to_string((connection * 31 + i * 7) % kSessions);
    const auto id = "m" + std::to_string(round) + "-" + std::to_string(connection) + "-" + std::to_string(i);
    {
      const std::lock_guard lock(ledger.mutex);
      ledger.unanswered[id] = session;
    }
    const auto reply = client.post("/v1/sessions/" + session + "/messages", message(id, bytes));
    if (reply.status != 202) return;
    const std::lock_guard lock(ledger.mutex);
    ledger.acknowledged[session][id] = std::stoull(reply.at("/seq"));
    ledger.unanswered.erase(id);
  }
}

std::map<std::string, std::uint64_t> messages_of(Client& client, const std::string& session) {
  std::map<std::string, std::uint64_t> there;
  std::uint64_t seq = 0;
  std::string next = "0";
  while (next != "null" && next != "(none)") {
    const auto page = client.get("/v1/sessions/" + session + "/messages?limit=100&cursor=" + next);
    json::Parser parser;
    const auto parsed = parser.parse(page.body);
    json::Array items;
    if (!parsed || parsed->at_key("items").get(items) != simdjson::SUCCESS) break;
    for (const auto item : items) {
      const auto at = std::uint64_t(item.at_key("seq"));
      REQUIRE(at == ++seq);                                                                      // dense, in order
      REQUIRE(there.emplace(std::string(std::string_view(item.at_key("message"))), at).second);  // once
    }
    next = page.at("/next");
  }
  return there;
}

// What was acknowledged is there and nothing else, once what was not answered is sent again. How many messages that
// are.
std::uint64_t check(Client& client, Ledger& ledger, std::size_t bytes) {
  // What was not answered is all or nothing; sent again it is admitted once, whichever it was.
  for (const auto& [id, session] : ledger.unanswered) {
    const auto reply = client.post("/v1/sessions/" + session + "/messages", message(id, bytes));
    REQUIRE(reply.status == 202);
    ledger.acknowledged[session][id] = std::stoull(reply.at("/seq"));
  }
  ledger.unanswered.clear();
  std::uint64_t total = 0;
  for (const auto& [session, acknowledged] : ledger.acknowledged) {
    const auto there = messages_of(client, session);
    REQUIRE(there == acknowledged);  // every one, under the seq that was answered, and nothing else
    total += there.size();
  }
  return total;
}

bool has_log_of(const std::filesystem::path& directory, std::uint64_t bytes) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::error_code gone;
    if (entry.path().extension() == ".log" && entry.file_size(gone) == bytes) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("kill -9 under load loses nothing that was acknowledged") {
  const char* text = std::getenv("HOLDFAST_CRASH_ROUNDS");
  const int rounds = text == nullptr ? 5 : std::atoi(text);
  Server server({"--queue-capacity", "1000000", "--log-level", "error"});
  Ledger ledger;
  std::uint64_t total = 0;
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::thread> connections;
    for (int c = 0; c < kConnections; ++c)
      connections.emplace_back([&, c] { post_until_cut(server.port(), round, c, 0, ledger); });
    std::this_thread::sleep_for(std::chrono::milliseconds(200 + 37 * (round % 10)));
    server.kill9();
    for (auto& connection : connections) connection.join();
    server.start();

    Client client(server.port());
    total = check(client, ledger, 0);
  }

  // Delivery needs no client: after one more kill a worker that only claims gets everything, in order.
  server.kill9();
  server.start();
  constexpr std::uint64_t kDrained = 2'000;
  Client worker(server.port());
  std::map<std::string, std::uint64_t> last;
  for (std::uint64_t n = 0; n < std::min(total, kDrained); ++n) {
    const auto claimed = worker.post("/v1/claims", R"({"wait_ms":5000})");
    REQUIRE(claimed.status == 200);
    const auto session = claimed.at("/deliveries/0/session/session");
    REQUIRE(claimed.at("/deliveries/0/message/seq") == std::to_string(++last[session]));
    REQUIRE(worker
                .post("/v1/deliveries/" + claimed.at("/deliveries/0/delivery") + "/complete", "{}",
                      {{"Holdfast-Lease", claimed.at("/deliveries/0/lease")}})
                .status == 204);
  }
  std::printf("%d kills: %llu messages acknowledged, each there once, in order\n", rounds + 1,
              static_cast<unsigned long long>(total));
}

TEST_CASE("kill -9 in a log that was made beforehand loses nothing that was acknowledged") {
  constexpr int kWriters = 8;
  constexpr std::size_t kBytes = 60'000;
  Server server({"--queue-capacity", "1000000", "--log-level", "error"});
  Ledger ledger;
  std::vector<std::thread> connections;
  for (int c = 0; c < kWriters; ++c)
    connections.emplace_back([&, c] { post_until_cut(server.port(), 0, c, kBytes, ledger); });
  bool spare_in_use = false;
  for (int look = 0; look < 1'200 && !spare_in_use; ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    spare_in_use = has_log_of(server.data(), SpareLog::kBytes);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  server.kill9();
  for (auto& connection : connections) connection.join();
  REQUIRE(spare_in_use);
  server.start();
  Client client(server.port());
  CHECK(check(client, ledger, kBytes) > 0);
}

}  // namespace holdfast::test
