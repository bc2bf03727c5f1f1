// Contract sections 1 (conventions) and 2 (sessions) over HTTP.
#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {

TEST_CASE("sessions are made, read, replaced, patched, deleted") {
  const Server server;
  Client client(server.port());
  const auto minted = client.post("/v1/sessions", R"({"metadata":{"a":1}})");
  CHECK(minted.status == 201);
  CHECK(minted.at("/session").starts_with("ses_"));
  CHECK(minted.header("location") == "/v1/sessions/" + minted.at("/session"));
  CHECK_FALSE(minted.header("etag").empty());

  const std::string path = "/v1/sessions/s";
  CHECK(client.get(path).problem() == "404 not_found");
  CHECK(client.request("PUT", path, R"({"metadata":{"a":1},"labels":{"gpu":"yes"}})").status == 201);
  const auto created = client.get(path);
  CHECK(created.at("/revision") == "1");
  CHECK(created.at("/status") == "idle");
  CHECK(created.at("/queue/capacity") == "1000");
  CHECK(client.request("PUT", path, R"({"labels":{"gpu":"yes"},"metadata":{"a":1}})").status == 200);
  CHECK(client.get(path).at("/revision") == "1");
  CHECK(client.request("PUT", path, R"({"metadata":{"a":2}})").at("/revision") != "1");
  CHECK(client.request("PUT", path, "{}", {{"If-None-Match", "*"}}).problem() == "412 precondition_failed");
  CHECK(client.request("PUT", path, "{}", {{"If-Match", created.header("etag")}}).problem() ==
        "412 precondition_failed");
  CHECK(
      client.request("PUT", path, R"({"metadata":{"a":3}})", {{"If-Match", client.get(path).header("etag")}}).status ==
      200);

  const auto patched = client.request("PATCH", path, R"({"metadata":{"b":{"c":1}},"agent":{"model":"m"}})");
  CHECK(patched.status == 200);
  CHECK(patched.at("/metadata") == R"({"a":3,"b":{"c":1}})");
  CHECK(client.request("PATCH", path, R"({"metadata":{"a":null}})").at("/metadata") == R"({"b":{"c":1}})");
  CHECK(client.request("PATCH", path, R"({"agent":null})").at("/agent") == "{}");
  CHECK(client.request("PATCH", path, R"({"surprise":1})").problem() == "400 invalid_body /surprise");
  CHECK(client.request("PATCH", path, "{}", {{"If-Match", "\"nonsense\""}}).problem() == "412 precondition_failed");

  CHECK(client.request("DELETE", path).status == 204);
  CHECK(client.request("DELETE", path).status == 204);
  CHECK(client.request("DELETE", "/v1/sessions/never-was").status == 204);
  CHECK(client.get(path).problem() == "410 gone");
  CHECK(client.post(path + "/messages", prompt("x")).problem() == "410 gone");
  CHECK(client.request("PUT", path, "{}").problem() == "410 gone");
  CHECK(client.get(path + "/events").problem() == "410 gone");
}

TEST_CASE("bad session bodies") {
  const Server server;
  Client client(server.port());
  const auto put = [&](const std::string& body) { return client.request("PUT", "/v1/sessions/s", body).problem(); };
  CHECK(put(R"({"metadata":[]})") == "400 invalid_body /metadata");
  CHECK(put(R"({"repository":{"kind":"svn"}})") == "400 invalid_body /repository/kind");
  CHECK(put(R"({"queue":{"capacity":0}})") == "400 invalid_body /queue/capacity");
  CHECK(put(R"({"queue":{"surprise":1}})") == "400 invalid_body /queue/surprise");
  CHECK(put(R"({"labels":{"a":1}})") == "400 invalid_body /labels/a");
  CHECK(put(R"({"ttl_ms":-1})") == "400 invalid_body /ttl_ms");
  CHECK(put(R"({"callback":{"url":"ftp://x"}})") == "400 invalid_body /callback/url");
  CHECK(client.get("/v1/sessions/s").status == 404);
}

TEST_CASE("lists have pages, a cursor and a Link") {
  const Server server;
  Client client(server.port());
  for (int i = 0; i < 5; ++i) client.request("PUT", "/v1/sessions/p" + std::to_string(i), "{}");
  client.post("/v1/sessions/q/messages", prompt("x"));
  const auto page = client.get("/v1/sessions?prefix=p&limit=2");
  CHECK(page.count("/items") == 2);
  CHECK(page.header("link").find("rel=\"next\"") != std::string::npos);
  const auto next = client.get("/v1/sessions?prefix=p&limit=10&cursor=" + page.at("/next"));
  CHECK(next.count("/items") == 3);
  CHECK(next.at("/next") == "null");
  CHECK(client.get("/v1/sessions?status=queued").at("/items/0/session") == "q");
  CHECK(client.get("/v1/sessions?limit=0").status == 400);
  CHECK(client.get("/v1/sessions?limit=1001").status == 400);
  CHECK(client.get("/v1/sessions?surprise=1").problem() == "400 invalid_request");
  CHECK(client.get("/v1/sessions?cursor=%20").problem() == "400 invalid_cursor");
  for (int i = 0; i < 4; ++i) client.post("/v1/sessions/q/messages", prompt("x"));
  CHECK(client.get("/v1/sessions/q/messages?after_seq=3").at("/items/0/seq") == "4");
  CHECK(client.get("/v1/sessions/q/messages?state=completed").count("/items") == 0);
}

TEST_CASE("Prefer: wait is a bounded wait") {
  const Server server;
  Client client(server.port());
  client.post("/v1/sessions/s/messages", prompt("x", "\"id\":\"a\""));
  const auto now = client.get("/v1/sessions/s?min_seq=5", {{"Prefer", "wait=0"}});
  CHECK(now.status == 200);
  CHECK(now.at("/last_seq") == "1");
  Client waiting(server.port());
  waiting.send("GET /v1/sessions/s?min_seq=2 HTTP/1.1\r\nHost: t\r\nPrefer: wait=10\r\n\r\n");
  client.post("/v1/sessions/s/messages", prompt("y"));
  CHECK(waiting.receive().at("/last_seq") == "2");
  waiting.send("GET /v1/sessions/s/messages/a HTTP/1.1\r\nHost: t\r\nPrefer: wait=10\r\n\r\n");
  client.request("DELETE", "/v1/sessions/s/messages/a");
  CHECK(waiting.receive().at("/state") == "cancelled");
}

TEST_CASE("fork, export, import") {
  const Server server;
  Client client(server.port());
  client.request("PUT", "/v1/sessions/s", R"({"metadata":{"a":1},"repository":{"kind":"git","git_token":"t"}})");
  client.post("/v1/sessions/s/messages", prompt("one", "\"id\":\"a\""));
  client.post("/v1/sessions/s/messages", prompt("two", "\"id\":\"b\""));
  const auto fork = client.post("/v1/sessions/s/fork", R"({"name":"f","at_seq":1})");
  CHECK(fork.status == 201);
  CHECK(fork.at("/metadata") == R"({"a":1})");
  CHECK(fork.at("/queue/queued") == "0");
  CHECK(fork.at("/repository/credential") == "null");
  CHECK(client.get("/v1/sessions/f/events").count("/items") == 1);
  CHECK(client.post("/v1/sessions/s/fork", R"({"name":"f"})").problem() == "409 already_exists");

  const auto file = client.get("/v1/sessions/s/export");
  CHECK(file.status == 200);
  CHECK(client.post("/v1/sessions/import", file.body).problem() == "409 already_exists");
  const Server other;
  Client there(other.port());
  CHECK(there.post("/v1/sessions/import", file.body).status == 201);
  CHECK(there.get("/v1/sessions/s/export").body == file.body);
  CHECK(there.post("/v1/claims", "{}").at("/deliveries/0/message/message") == "a");
  CHECK(there.post("/v1/sessions/import", "nonsense").problem() == "400 invalid_body");
}

TEST_CASE("operations") {
  Server server;
  {
    Client client(server.port());
    CHECK(client.get("/livez").status == 200);
    CHECK(client.get("/readyz").status == 200);
    CHECK(client.get("/metrics").body.find("holdfast_") != std::string::npos);
    CHECK(client.get("/openapi.json").at("/openapi") == "3.1.0");
    CHECK(client.get("/v1/limits").at("/body_bytes_max") == "1048576");
    CHECK(client.get("/nothing").problem() == "404 not_found");
    const auto wrong = client.request("DELETE", "/v1/limits");
    CHECK(wrong.problem() == "405 method_not_allowed");
    CHECK_FALSE(wrong.header("allow").empty());
    CHECK(client.get("/livez", {{"Request-Id", "mine-1"}}).header("request-id") == "mine-1");
  }
  CHECK(server.terminate() == 0);
}

TEST_CASE("auth required: one door, one 401") {
  const Server server({"--auth", "required"}, {"HOLDFAST_OPERATOR_KEY=operator-secret"});
  Client client(server.port());
  const auto nobody = client.get("/v1/sessions");
  CHECK(nobody.problem() == "401 unauthorized");
  CHECK_FALSE(nobody.header("www-authenticate").empty());
  const auto wrong = client.get("/v1/sessions", {{"Authorization", "Bearer wrong"}});
  CHECK(wrong.body == nobody.body);
  CHECK(client.get("/v1/sessions", {{"Authorization", "Bearer operator-secret"}}).status == 200);
  CHECK(client.get("/v1/sessions", {{"x-api-key", "operator-secret"}}).status == 200);
  CHECK(client.get("/v1/sessions", {{"x-api-key", "operator-secret"}, {"Authorization", "Bearer operator-secret"}})
            .status == 400);
  CHECK(client.get("/livez").status == 200);
}

TEST_CASE("exit codes and settings") {
  CHECK(run({"serve", "--surprise"}).code == 2);
  CHECK(run({"serve", "--listen", "nonsense"}).code == 2);
  CHECK(run({"serve", "--listen", "0.0.0.0:0"}).code == 2);
  CHECK(run({"serve", "--auth", "required", "--listen", "127.0.0.1:0"}).code == 2);
  CHECK(run({}).code == 2);
  CHECK(run({"version"}).code == 0);
  CHECK(run({"--help"}).code == 0);
  CHECK(run({"send", "s", "x", "--url", "http://127.0.0.1:1"}).code == 1);

  const TemporaryDirectory directory;
  const auto config = directory / "c.toml";
  std::ofstream(config) << "queue_capacity = 7\n";
  const Server server({"--config", config});
  CHECK(Client(server.port()).get("/v1/limits").at("/queue_capacity") == "7");
  const Server flagged({"--config", config, "--queue-capacity", "9"}, {"HOLDFAST_QUEUE_CAPACITY=8"});
  CHECK(Client(flagged.port()).get("/v1/limits").at("/queue_capacity") == "9");
  const Server environment({"--config", config}, {"HOLDFAST_QUEUE_CAPACITY=8"});
  CHECK(Client(environment.port()).get("/v1/limits").at("/queue_capacity") == "8");
  std::ofstream(config) << "surprise = 1\n";
  const auto unknown = run({"serve", "--config", config, "--data", directory / "d"});
  CHECK(unknown.code == 2);
  CHECK(unknown.errors.find("surprise") != std::string::npos);

  const auto key = directory / "key";
  std::ofstream(key) << std::string(32, 'k');
  std::filesystem::permissions(key, std::filesystem::perms(0644));
  const auto open_key = run({"serve", "--data", directory / "e", "--master-key-file", key, "--listen", "127.0.0.1:0"});
  CHECK(open_key.code == 2);
  CHECK(open_key.errors.find("chmod 600") != std::string::npos);
  const auto locked = run({"serve", "--data", server.data(), "--listen", "127.0.0.1:0"});
  CHECK(locked.code == 3);
  CHECK(run({"check", "--data", server.data()}).code == 3);
}

TEST_CASE("a deletion and a cancellation hold to If-Match") {
  const Server server;
  Client client(server.port());
  client.post("/v1/sessions/s/messages", prompt("x", "\"id\":\"a\""));
  const std::string a = "/v1/sessions/s/messages/a";
  CHECK(client.request("DELETE", a, {}, {{"If-Match", "\"7\""}}).problem() == "412 precondition_failed");
  CHECK(client.get(a).at("/state") == "queued");
  CHECK(client.request("DELETE", a, {}, {{"If-Match", client.get(a).header("etag")}}).status == 200);
  CHECK(client.request("DELETE", "/v1/sessions/s", {}, {{"If-Match", "\"77\""}}).problem() ==
        "412 precondition_failed");
  CHECK(client.request("DELETE", "/v1/sessions/nobody", {}, {{"If-Match", "*"}}).problem() ==
        "412 precondition_failed");
  const auto etag = client.get("/v1/sessions/s").header("etag");
  CHECK(client.request("DELETE", "/v1/sessions/s", {}, {{"If-Match", etag}}).status == 204);
  CHECK(client.post("/v1/sessions/t/messages/batch", "{\"messages\":[" + prompt("x") + "]}", {{"Idempotency-Key", "k"}})
            .problem() == "400 invalid_request");
}

}  // namespace holdfast::test
