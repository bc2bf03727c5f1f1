// The example `rate_limiter`: the limit holds whatever happens, and says what to do.
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

const std::string kKey = "/v1/objects/rate_limiter/user-1";
const Server::Example kRateLimiter{"rate_limiter"};
const std::string kScarce = R"({"capacity":2,"refill_per_second":0.001})";

Reply limit_to(Client& client, const std::string& body) { return client.request("PUT", kKey + "/limit", body); }
Reply take(Client& client, const std::string& body = "") { return client.post(kKey + "/take", body); }

std::string commits(Client& client) {
  const auto metrics = client.get("/metrics").body;
  const auto at = metrics.find("\nholdfast_commits_total ");
  REQUIRE(at != std::string::npos);
  return metrics.substr(at + 1, metrics.find('\n', at + 1) - at);
}

}  // namespace

TEST_CASE("racing clients never get more than capacity and refill allow, across kill -9") {
  constexpr double kCapacity = 20;
  constexpr double kRefill = 50;
  Server server(kRateLimiter);
  {
    Client client(server.port());
    REQUIRE(limit_to(client, R"({"capacity":20,"refill_per_second":50})").status == 200);
  }
  std::atomic<int> port{server.port()};
  std::atomic<int> allowed{0};
  std::atomic<int> refused{0};
  std::atomic<bool> over{false};
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::thread> crowd;
  for (int t = 0; t < 8; ++t) {
    crowd.emplace_back([&] {
      while (!over) {
        Client client(port);
        for (int status = 1; status != 0 && !over;) {
          status = take(client).status;
          if (status == 200) ++allowed;
          if (status == 429) ++refused;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the server died: connect again
      }
    });
  }
  const auto until_allowed = [&](int n) {
    for (int i = 0; i < 1'000 && allowed < n; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  };
  until_allowed(40);
  server.kill9();
  server.start();
  port = server.port();
  until_allowed(100);
  over = true;
  for (auto& thread : crowd) thread.join();
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began;
  CHECK(allowed >= 100);
  CHECK(refused > 0);
  CHECK(allowed <= kCapacity + kRefill * passed.count() + 1);
}

TEST_CASE("a refused take says when to come back, writes nothing, and stays refused after kill -9") {
  Server server(kRateLimiter);
  {
    Client client(server.port());
    CHECK(limit_to(client, kScarce).body == R"({"capacity":2,"refill_per_second":0.001,"remaining":2,"stored":true})");
    CHECK(take(client, R"({"cost":1})").body == R"({"allowed":true,"remaining":1})");
    CHECK(take(client).body == R"({"allowed":true,"remaining":0})");
    const auto before = commits(client);
    for (int i = 0; i < 20; ++i) {
      const auto refusal = take(client);
      CHECK(refusal.status == 429);
      CHECK(refusal.at("/allowed") == "false");
      CHECK(std::stoll(refusal.at("/retry_after_ms")) > 0);
      CHECK(std::stoll(refusal.header("retry-after")) > 0);
    }
    CHECK(commits(client) == before);
  }
  server.kill9();
  server.start();
  Client client(server.port());
  CHECK(take(client).status == 429);
  CHECK(client.get(kKey + "/").at("/remaining") == "0");
  CHECK(client.post("/v1/objects/rate_limiter/user-2/take", "").body == R"({"allowed":true,"remaining":9})");
}

TEST_CASE("a limit can be changed while it is used, and its bucket goes on") {
  const Server server(kRateLimiter);
  Client client(server.port());
  limit_to(client, kScarce);
  CHECK(take(client, R"({"cost":2})").at("/remaining") == "0");
  CHECK(limit_to(client, R"({"capacity":5,"refill_per_second":0.001})").at("/remaining") == "3");
  CHECK(take(client, R"({"cost":3})").at("/allowed") == "true");
  CHECK(take(client).status == 429);
  CHECK(limit_to(client, R"({"capacity":1,"refill_per_second":0.001})").at("/remaining") == "0");
  CHECK(client.request("DELETE", kKey + "/limit").at("/capacity") == "10");  // the default flows back faster
  auto took = take(client, R"({"cost":10})");
  for (int i = 0; i < 1'000 && took.status == 429; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    took = take(client, R"({"cost":10})");
  }
  CHECK(took.body == R"({"allowed":true,"remaining":0})");
}

TEST_CASE("a body that is no take or limit is refused with what to send") {
  const Server server(kRateLimiter);
  Client client(server.port());
  for (const std::string body : {"{", "[]", "1", "null"}) {
    CHECK(take(client, body).problem() == "400 invalid_body");
    CHECK(limit_to(client, body).problem() == "400 invalid_body");
  }
  for (const std::string cost : {"0", "-1", "1.5", "\"1\"", "null", "1e10", "11"})
    CHECK(take(client, "{\"cost\":" + cost + "}").problem() == "400 invalid_body /cost");
  CHECK(take(client, R"({"price":1})").problem() == "400 invalid_body /price");
  CHECK(take(client, R"({"price":1})").at("/detail").find("send {\"cost\": N}") != std::string::npos);
  CHECK(take(client, R"({"cost":11})").at("/detail").find("over the capacity 10") != std::string::npos);
  CHECK(limit_to(client, R"({"capacity":1})").problem() == "400 invalid_body");
  CHECK(limit_to(client, R"({"capacity":0,"refill_per_second":1})").problem() == "400 invalid_body /capacity");
  CHECK(limit_to(client, R"({"capacity":1,"refill_per_second":0})").problem() == "400 invalid_body /refill_per_second");
  CHECK(client.get(kKey + "/take").problem() == "404 not_found");
  CHECK(client.get(kKey).body == R"({"capacity":10,"refill_per_second":5,"remaining":10,"stored":false})");
}

TEST_CASE("a key that is full again leaves nothing, and one with a limit of its own only that") {
  const Server server(kRateLimiter);
  Client client(server.port());
  const std::string passing = "/v1/objects/rate_limiter/passing";
  limit_to(client, R"({"capacity":3,"refill_per_second":100})");
  CHECK(take(client).status == 200);
  CHECK(client.post(passing + "/take", "").status == 200);
  CHECK(client.get(passing).at("/stored") == "true");
  for (int i = 0; i < 600 && client.get(passing).at("/stored") == "true"; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(client.get(passing).at("/stored") == "false");
  CHECK(client.get(kKey).body == R"({"capacity":3,"refill_per_second":100,"remaining":3,"stored":true})");
}

}  // namespace holdfast::test
