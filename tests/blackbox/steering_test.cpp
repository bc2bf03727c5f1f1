// Contract section 4: steering a running turn, interrupting it, dead letters and their redrive, workspaces.
#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

const std::string kMessages = "/v1/sessions/s/messages";

Reply admit(Client& client, const std::string& id, const std::string& on_busy = "enqueue") {
  return client.post(kMessages, prompt(id, "\"id\":\"" + id + "\",\"on_busy\":\"" + on_busy + "\""));
}
std::string state_of(Client& client, const std::string& id) { return client.get(kMessages + "/" + id).at("/state"); }
Turn claim(Client& client) { return Turn(client.post("/v1/claims", R"({"wait_ms":5000,"lease_ms":60000})")); }
Reply beat(Client& client, const Turn& turn) { return client.post(turn.path("heartbeat"), "{}", turn.lease); }

}  // namespace

TEST_CASE("a steer goes into the running turn once, and ends with it") {
  Server server;
  Client client(server.port());
  CHECK(admit(client, "idle", "steer").at("/outcome") == "enqueued");  // nothing runs: an ordinary message
  const auto turn = claim(client);
  const auto steered = admit(client, "more", "steer");
  CHECK(steered.at("/outcome") == "steered");
  CHECK(steered.at("/delivery") == "queued");
  CHECK(client.get(kMessages + "/more").at("/waiting_for/message") == "idle");
  const auto first = beat(client, turn);
  CHECK(first.count("/commands") == 1);
  CHECK(first.at("/commands/0/kind") == "steer");
  CHECK(first.at("/commands/0/message/message") == "more");
  CHECK(first.at("/commands/0/message/turn/content") == "more");
  CHECK(beat(client, turn).at("/commands") == "[]");
  CHECK(state_of(client, "more") == "dispatched");
  CHECK(client.get(kMessages + "/more").at("/steered_into") == "idle");
  CHECK(client.request("DELETE", kMessages + "/more").problem() == "409 not_queued");
  server.kill9();
  server.start();
  Client after(server.port());
  CHECK(beat(after, turn).at("/commands") == "[]");
  CHECK(after.post(turn.path("complete"), "{}", turn.lease).status == 204);
  CHECK(state_of(after, "more") == "completed");
  CHECK(after.post("/v1/claims", "{}").status == 204);
}

TEST_CASE("a replay repeats the outcome and the credential of the first answer") {
  const Server server;
  Client client(server.port());
  client.request("PUT", "/v1/sessions/s", R"({"repository":{"kind":"git"}})");
  admit(client, "a");
  const auto turn = claim(client);
  for (const std::string policy : {"steer", "interrupt", "replace", "merge"}) {
    const auto body = prompt(policy, "\"id\":\"" + policy + "\",\"git_token\":\"t\",\"on_busy\":\"" + policy + "\"");
    const auto first = client.post(kMessages, body);
    const auto again = client.post(kMessages, body);
    CHECK(again.header("idempotency-replayed") == "true");
    CHECK(again.at("/outcome") == first.at("/outcome"));
    CHECK(again.at("/credential") == "stored");
    CHECK(again.at("/merged_into") == first.at("/merged_into"));
  }
}

TEST_CASE("a steer that the turn did not take runs next, before older messages") {
  const Server server;
  Client client(server.port());
  admit(client, "a");
  const auto turn = claim(client);
  admit(client, "later");
  admit(client, "steer", "steer");
  CHECK(client.post(turn.path("complete"), "{}", turn.lease).status == 204);
  const auto next = claim(client);
  CHECK(next.message == "steer");
  CHECK(client.post(next.path("complete"), "{}", next.lease).status == 204);
  CHECK(claim(client).message == "later");
}

TEST_CASE("a steer is handed out again when its turn is") {
  const Server server({"--retry-default-ms", "10"});
  Client client(server.port());
  admit(client, "a");
  const auto turn = claim(client);
  admit(client, "steer", "steer");
  CHECK(beat(client, turn).count("/commands") == 1);
  CHECK(client.post(turn.path("fail"), R"({"code":"boom","retryable":true})", turn.lease).status == 204);
  CHECK(state_of(client, "steer") == "queued");
  const auto again = client.post("/v1/claims", R"({"wait_ms":5000,"lease_ms":60000})");
  CHECK(again.at("/deliveries/0/message/message") == "a");
  CHECK(again.at("/deliveries/0/steer/0/message") == "steer");
  const Turn second(again);
  CHECK(beat(client, second).at("/commands") == "[]");
  CHECK(client.post(second.path("fail"), R"({"code":"no","retryable":false})", second.lease).status == 204);
  CHECK(state_of(client, "a") == "failed");
  CHECK(claim(client).message == "steer");  // the turn failed: what steered it gets a turn of its own
}

TEST_CASE("an interrupt captures the turn: a late complete does not count") {
  const Server server;
  Client client(server.port());
  CHECK(client.post("/v1/sessions/s/interrupt", "{}").problem() == "404 not_found");
  admit(client, "a");
  CHECK(client.post("/v1/sessions/s/interrupt", "{}").at("/messages") == "0");  // a queued one is not running
  const auto turn = claim(client);
  const auto next = admit(client, "b", "interrupt");
  CHECK(next.at("/outcome") == "interrupting");
  CHECK(beat(client, turn).at("/commands") == R"([{"kind":"interrupt"}])");
  CHECK(client.post(turn.path("complete"), R"({"result":1})", turn.lease).problem() == "409 lease_lost");
  const auto a = client.get(kMessages + "/a");
  CHECK(a.at("/state") == "interrupted");
  CHECK(a.at("/result") == "null");
  const auto second = claim(client);
  CHECK(second.message == "b");
  CHECK(client.post("/v1/sessions/s/interrupt", R"({"scope":"running"})").status == 202);
  CHECK(client.post(second.path("release"), "{}", second.lease).status == 204);  // it stopped
  CHECK(client.post(second.path("release"), "{}", second.lease).status == 204);
  CHECK(state_of(client, "b") == "interrupted");
  CHECK(client.post("/v1/sessions/s/interrupt", R"({"scope":"some"})").problem() == "400 invalid_body /scope");
}

TEST_CASE("an interrupt survives kill -9, and a runtime that does not stop is fenced") {
  Server server({"--interrupt-grace-ms", "300"});
  Client client(server.port());
  for (const std::string id : {"a", "b", "c"}) admit(client, id);
  const auto turn = claim(client);
  const auto captured = client.post("/v1/sessions/s/interrupt", R"({"scope":"all"})");
  CHECK(captured.status == 202);
  CHECK(captured.at("/running") == "a");
  CHECK(captured.at("/messages") == "3");
  server.kill9();
  server.start();
  Client after(server.port());
  const auto ended = after.get(kMessages + "/a", {{"Prefer", "wait=10"}});
  CHECK(ended.at("/state") == "interrupted");
  CHECK(state_of(after, "b") == "interrupted");
  CHECK(state_of(after, "c") == "interrupted");
  CHECK(beat(after, turn).problem() == "409 lease_lost");
  CHECK(after.get("/v1/sessions/s").at("/status") == "idle");
}

TEST_CASE("a failed message is a dead letter until it is redriven to the queue's end") {
  Server server;
  Client client(server.port());
  admit(client, "a");
  admit(client, "b");
  const auto turn = claim(client);
  CHECK(client.post(kMessages + "/a/redrive", "").problem() == "409 not_failed");
  CHECK(client.post(turn.path("fail"), R"({"code":"boom","retryable":false})", turn.lease).status == 204);
  auto dead = client.get("/v1/dead-letters");
  CHECK(dead.count("/items") == 1);
  CHECK(dead.at("/items/0/message") == "a");
  CHECK(dead.at("/items/0/session") == "s");
  CHECK(dead.at("/items/0/failure/code") == "boom");
  CHECK(client.get("/v1/dead-letters?cursor=nonsense").problem() == "400 invalid_cursor");
  const auto redriven = client.post(kMessages + "/a/redrive", "");
  CHECK(redriven.status == 200);
  CHECK(redriven.at("/state") == "queued");
  CHECK(redriven.at("/position") == "2");
  CHECK(redriven.at("/seq") == "1");
  CHECK(client.post(kMessages + "/a/redrive", "").problem() == "409 not_failed");
  CHECK(client.get("/v1/dead-letters").at("/items") == "[]");
  admit(client, "c");
  server.kill9();
  server.start();
  Client after(server.port());
  for (const std::string id : {"b", "a", "c"}) {
    const auto next = claim(after);
    CHECK(next.message == id);
    CHECK(after.post(next.path("complete"), "{}", next.lease).status == 204);
  }
  CHECK(after.get(kMessages + "/a").at("/attempt") == "2");
}

TEST_CASE("dead letters of a deleted session are gone, and a list of them has pages") {
  const Server server;
  Client client(server.port());
  for (const std::string session : {"one", "three", "two"}) {
    client.post("/v1/sessions/" + session + "/messages", prompt("x"));
    const auto turn = claim(client);
    client.post(turn.path("fail"), R"({"code":"boom","retryable":false})", turn.lease);
  }
  const auto page = client.get("/v1/dead-letters?limit=2");
  CHECK(page.count("/items") == 2);
  const auto rest = client.get("/v1/dead-letters?limit=2&cursor=" + page.at("/next"));
  CHECK(rest.count("/items") == 1);
  CHECK(rest.at("/next") == "null");
  CHECK(client.request("DELETE", "/v1/sessions/two").status == 204);
  CHECK(client.get("/v1/dead-letters").count("/items") == 2);
}

TEST_CASE("lost leases of one message are bounded") {
  const Server server({"--lease-ms-min", "10", "--lease-expiries-max", "2"});
  Client client(server.port());
  admit(client, "poison");
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const auto taken = client.post("/v1/claims", R"({"wait_ms":5000,"lease_ms":20})");
    CHECK(taken.at("/deliveries/0/attempt") == std::to_string(attempt));
  }
  const auto failed = client.get(kMessages + "/poison", {{"Prefer", "wait=10"}});
  CHECK(failed.at("/state") == "failed");
  CHECK(failed.at("/failure/code") == "lease_expired");
  CHECK(failed.at("/failure/reason") == "exhausted");
}

TEST_CASE("a delivery says whether the workspace saw the current credential") {
  const Server server;
  Client client(server.port());
  const std::string git = R"({"repository":{"kind":"git","url":"https://example.com/r.git","git_token":"one"}})";
  CHECK(client.request("PUT", "/v1/sessions/s", git).status == 201);
  admit(client, "a");
  const auto cold = client.post("/v1/claims", "{}");
  CHECK(cold.at("/deliveries/0/workspace") == R"({"credential_version":null,"state":"cold"})");
  CHECK(cold.at("/deliveries/0/credential/version") == "1");
  const Turn first(cold);
  // The token rotates while the turn runs: the workspace saw version 1.
  client.post(kMessages, prompt("b", R"("id":"b","git_token":"two")"));
  client.post(first.path("complete"), R"({"workspace":{"state":"warm"}})", first.lease);
  const auto warm = client.post("/v1/claims", "{}");
  CHECK(warm.at("/deliveries/0/workspace") == R"({"credential_version":1,"state":"warm"})");
  CHECK(warm.at("/deliveries/0/credential/version") == "2");
  CHECK(warm.at("/deliveries/0/credential/token") == "two");
}

}  // namespace holdfast::test
