// Ten thousand requests that no client should send. The server stays healthy, and its memory flat.
#include "src/core/random.hpp"
#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

std::string mutate(std::string request, SeededRandom& random) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.next() % n); };
  switch (below(9)) {
    case 0: request[below(request.size())] = static_cast<char>(below(256)); break;
    case 1: request.resize(below(request.size())); break;
    case 2: request.insert(below(request.size()), std::string(below(64), static_cast<char>(below(256)))); break;
    case 3: request.erase(below(request.size()), below(16)); break;
    case 4: request.replace(request.find("Length: ") + 8, 2, std::to_string(random.next())); break;
    case 5: request.insert(request.find("\r\n") + 2, "X: " + std::string(below(20'000), 'h') + "\r\n"); break;
    case 6: request.insert(request.find("\r\n") + 2, "Transfer-Encoding: chunked\r\n"); break;
    case 7: request = std::string(below(300), static_cast<char>(below(256))) + "\r\n\r\n"; break;
    default:
      for (std::size_t i = below(20); i > 0; --i) request[below(request.size())] = static_cast<char>(below(256));
  }
  return request;
}

}  // namespace

TEST_CASE("malformed requests leave the server healthy and its memory flat") {
  const Server server;
  const auto seed = Catch::rngSeed() == 0 ? 1 : Catch::rngSeed();
  INFO("seed " << seed << "; again with --rng-seed " << seed);
  SeededRandom random(seed);
  const std::string body = prompt("hello", "\"id\":\"a\"");
  const std::string valid =
      "POST /v1/sessions/s/messages HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  std::uint64_t before = 0;
  for (int i = 0; i < 10'000; ++i) {
    Client client(server.port(), 1'000);
    REQUIRE(client.connected());
    client.send(mutate(valid, random));
    client.finish_sending();
    client.receive();
    if (i == 1'000) before = server.resident_kib();
  }
  Client client(server.port());
  CHECK(client.get("/livez").status == 200);
  CHECK(client.post("/v1/sessions/s/messages", prompt("still works")).status == 202);
  CHECK(server.resident_kib() < before + 16 * 1'024);
}

TEST_CASE("a call that has nothing to say takes no body but {}") {
  const Server server;
  Client client(server.port());
  const std::string messages = "/v1/sessions/s/messages";
  client.post(messages, prompt("x", "\"id\":\"a\""));
  const auto token = client.post("/v1/runtimes/r/register", "{}").at("/auth_token");
  const Headers proof{{"Authorization", "Bearer " + token}};
  struct Call {
    std::string method;
    std::string path;
    int status;  // without a body
  };
  const std::vector<Call> calls{{"POST", messages + "/a/redrive", 409},  {"POST", "/v1/sessions/s/tickets", 201},
                                {"POST", "/v1/runtimes/r/tickets", 201}, {"POST", "/v1/runtimes/r/heartbeat", 200},
                                {"DELETE", messages + "/a", 200},        {"DELETE", "/v1/sessions/s", 204},
                                {"DELETE", "/v1/runtimes/r", 204}};
  for (const auto& [method, path, status] : calls) {
    CAPTURE(method, path);
    CHECK(client.request(method, path, R"({"reason":"x"})", proof).problem() == "400 invalid_body /reason");
    for (const std::string body : {"[]", "null", "{", "{} {}", " "})
      CHECK(client.request(method, path, body, proof).problem().starts_with("400 invalid_body"));
    CHECK(client.request(method, path, "{ }", proof).status == status);
  }
  CHECK(client.post("/v1/runtimes/q/register", "{}").status == 201);
  CHECK(client.post("/v1/runtimes/q/rotate", R"({"to":"x"})").problem() == "400 invalid_body /to");
  CHECK(client.get(messages + "/a").problem() == "410 gone");
}

}  // namespace holdfast::test
