// Contract section 4, registering, and who may come through which door when auth is on.
#include <set>
#include <thread>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

const std::string kRuntime = "/v1/runtimes/gpu-1";

Headers bearer(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }

}  // namespace

TEST_CASE("a runtime gets its token once, and its inbound secret again only with proof") {
  Server server;
  Client client(server.port());
  const auto first =
      client.post(kRuntime + "/register", R"({"url":"http://127.0.0.1:1/","labels":{"gpu":"yes"},"capacity":4})");
  CHECK(first.status == 201);
  const auto token = first.at("/auth_token");
  const auto secret = first.at("/inbound_secret");
  CHECK(token.starts_with("hfr_gpu-1."));
  CHECK(secret.starts_with("whsec_"));
  CHECK(first.at("/state") == "online");
  CHECK(first.header("cache-control") == "no-store");

  const auto stranger = client.post(kRuntime + "/register", R"({"url":"http://evil.example/"})");
  CHECK(stranger.problem() == "401 unauthorized");
  CHECK(client.post(kRuntime + "/register", "{}", bearer("hfr_gpu-1." + std::string(64, '0'))).status == 401);
  CHECK(client.get("/v1/runtimes").at("/items/0/url") == "http://127.0.0.1:1/");

  server.kill9();
  server.start();
  Client after(server.port());
  const auto again = after.post(kRuntime + "/register", R"({"capacity":8})", bearer(token));
  CHECK(again.status == 200);
  CHECK(again.at("/auth_token") == "(none)");
  CHECK(again.at("/inbound_secret") == secret);
  CHECK(again.at("/capacity") == "8");
  CHECK(again.at("/labels/gpu") == "yes");
  CHECK(after.get("/v1/runtimes").body.find("whsec_") == std::string::npos);
  CHECK(after.get("/v1/runtimes").body.find("token") == std::string::npos);

  const auto rotated = after.post(kRuntime + "/rotate", "", bearer(token));
  CHECK(rotated.status == 200);
  CHECK(rotated.at("/auth_token") != token);
  CHECK(after.post(kRuntime + "/heartbeat", "", bearer(token)).status == 401);
  CHECK(after.post(kRuntime + "/heartbeat", "", bearer(rotated.at("/auth_token"))).status == 200);
  CHECK(after.post(kRuntime + "/rotate", "").status == 401);

  CHECK(after.request("DELETE", kRuntime).status == 204);
  CHECK(after.request("DELETE", kRuntime).status == 204);
  CHECK(after.post(kRuntime + "/register", "{}", bearer(rotated.at("/auth_token"))).problem() == "410 gone");
  CHECK(after.post(kRuntime + "/register", "{}").problem() == "410 gone");
  CHECK(after.get("/v1/runtimes").at("/items/0/state") == "removed");
}

TEST_CASE("racing first registrations yield one token") {
  const Server server;
  constexpr int kRacers = 16;
  std::vector<Reply> replies(kRacers);
  std::vector<std::thread> racers;
  for (int i = 0; i < kRacers; ++i)
    racers.emplace_back(
        [&, i] { replies[static_cast<std::size_t>(i)] = Client(server.port()).post(kRuntime + "/register", "{}"); });
  for (auto& racer : racers) racer.join();
  std::set<std::string> tokens;
  for (const auto& reply : replies) {
    if (reply.status == 201) tokens.insert(reply.at("/auth_token"));
    else CHECK(reply.status == 401);
  }
  CHECK(tokens.size() == 1);
}

TEST_CASE("a bad registration is refused and changes nothing") {
  const Server server({"--runtimes-max", "1"});
  Client client(server.port());
  CHECK(client.post(kRuntime + "/register", R"({"url":"ftp://x"})").problem() == "400 invalid_body /url");
  CHECK(client.post(kRuntime + "/register", R"({"labels":{"a":1}})").problem() == "400 invalid_body /labels/a");
  CHECK(client.post(kRuntime + "/register", R"({"name":"x"})").problem() == "400 invalid_body /name");
  CHECK(client.post("/v1/runtimes/-x/register", "{}").problem() == "400 invalid_name");
  CHECK(client.get("/v1/runtimes").at("/items") == "[]");
  CHECK(client.post(kRuntime + "/register", "{}").status == 201);
  CHECK(client.post("/v1/runtimes/other/register", "{}").problem() == "413 too_large");
}

TEST_CASE("a silent runtime goes offline, and what it held goes back") {
  const Server server({"--runtime-degraded-ms", "100", "--runtime-offline-ms", "200", "--reconcile-interval-ms", "50"});
  Client client(server.port());
  const auto token = client.post(kRuntime + "/register", "{}").at("/auth_token");
  client.post("/v1/sessions/s/messages", prompt("x"));
  const Turn held(client.post("/v1/claims", R"({"runtime":"gpu-1","lease_ms":3600000})"));
  const auto again = client.post("/v1/claims", R"({"wait_ms":20000,"lease_ms":60000})");
  CHECK(again.at("/deliveries/0/message/message") == held.message);
  CHECK(again.at("/deliveries/0/attempt") == "2");
  CHECK(client.get("/v1/runtimes").at("/items/0/state") == "offline");
  CHECK(client.post(held.path("complete"), "{}", held.lease).problem() == "409 lease_lost");
  CHECK(client.post(kRuntime + "/heartbeat", "", bearer(token)).at("/state") == "online");
}

TEST_CASE("removing a runtime sends its turns back at once") {
  const Server server;
  Client client(server.port());
  client.post(kRuntime + "/register", "{}");
  client.post("/v1/sessions/s/messages", prompt("x"));
  const Turn held(client.post("/v1/claims", R"({"runtime":"gpu-1","lease_ms":3600000})"));
  CHECK(client.request("DELETE", kRuntime).status == 204);
  CHECK(client.post("/v1/claims", R"({"wait_ms":20000})").at("/deliveries/0/attempt") == "2");
}

TEST_CASE("with auth on, each credential opens its own doors") {
  const Server server({"--auth", "required"}, {"HOLDFAST_OPERATOR_KEY=operator-key-0123456789"});
  Client client(server.port());
  const auto key = bearer("operator-key-0123456789");
  const std::string messages = "/v1/sessions/s/messages";

  const auto none = client.post(messages, prompt("x"));
  const auto wrong = client.post(messages, prompt("x"), bearer("nonsense"));
  CHECK(none.problem() == "401 unauthorized");
  CHECK(none.header("www-authenticate") != "");
  CHECK(none.body == wrong.body);  // a refusal says nothing about why
  CHECK(client.get("/v1/nowhere").status == 401);
  CHECK(client.get("/livez").status == 200);
  CHECK(client.post(messages, prompt("x"), {{"x-api-key", "operator-key-0123456789"}}).status == 202);
  auto both = key;
  both["x-api-key"] = "operator-key-0123456789";
  CHECK(client.post(messages, prompt("x"), both).problem() == "400 ambiguous_credentials");

  CHECK(client.post(kRuntime + "/register", "{}").status == 401);
  const auto ticket = client.post(kRuntime + "/tickets", "", key).at("/ticket");
  CHECK(client.post("/v1/runtimes/gpu-2/register", "{}", bearer(ticket)).status == 401);
  CHECK(client.post(kRuntime + "/register", "{}", bearer(ticket)).status == 401);  // shown at a wrong door, it is void
  const auto good = client.post(kRuntime + "/tickets", "", key).at("/ticket");
  const auto registered = client.post(kRuntime + "/register", "{}", bearer(good));
  CHECK(registered.status == 201);
  CHECK(client.post(kRuntime + "/register", "{}", bearer(good)).status == 401);  // a ticket is for once
  const auto token = bearer(registered.at("/auth_token"));
  CHECK(client.post(messages, prompt("x"), token).problem() == "403 forbidden");
  CHECK(client.get("/v1/runtimes", token).problem() == "403 forbidden");
  CHECK(client.post("/v1/claims", R"({"runtime":"another"})", token).problem() == "403 forbidden");
  const auto claimed = client.post("/v1/claims", "{}", token);
  CHECK(claimed.at("/deliveries/0/session/runtime") == "gpu-1");
  const Turn turn(claimed);
  auto with_lease = token;
  with_lease.insert(turn.lease.begin(), turn.lease.end());
  CHECK(client.post(turn.path("complete"), "{}", with_lease).status == 204);
  CHECK(client.post(turn.path("complete"), "{}", turn.lease).status == 401);
  CHECK(client.post("/v1/runtimes/gpu-2/heartbeat", "", token).status == 401);
  // The operator is proof enough, and a loser of a race gets no second token.
  CHECK(client.post(kRuntime + "/register", "{}", key).at("/auth_token") == "(none)");
  CHECK(client.request("DELETE", kRuntime, {}, key).status == 204);
  CHECK(client.post("/v1/claims", "{}", token).problem() == "401 unauthorized");
}

}  // namespace holdfast::test
