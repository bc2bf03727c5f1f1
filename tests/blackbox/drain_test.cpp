// Contract sections 4 (the pull path) and 5 (events) over HTTP, and the commands of the command line.
#include <set>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

const std::string kMessages = "/v1/sessions/s/messages";

std::size_t occurrences(const std::string& text, const std::string& of) {
  std::size_t n = 0;
  for (auto at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("one turn at a time, from claim to complete") {
  const Server server;
  Client client(server.port());
  CHECK(client.post("/v1/claims", "{}").status == 204);
  for (const std::string id : {"a", "b"})
    client.post(kMessages, prompt(id, "\"id\":\"" + id + "\""),
                {{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}});
  const auto claimed = client.post("/v1/claims", R"({"runtime":"r1","max":5,"lease_ms":60000})");
  CHECK(claimed.count("/deliveries") == 1);
  CHECK(claimed.at("/deliveries/0/attempt") == "1");
  CHECK(claimed.at("/deliveries/0/session/status") == "running");
  CHECK(claimed.at("/deliveries/0/session/runtime") == "r1");
  CHECK(claimed.at("/deliveries/0/workspace/state") == "cold");
  CHECK(claimed.at("/deliveries/0/steer") == "[]");
  CHECK(claimed.at("/deliveries/0/traceparent").starts_with("00-0af7651916cd43dd8448eb211c80319c"));
  const Turn turn(claimed);
  CHECK(turn.delivery.starts_with("dlv_"));
  CHECK(client.get(kMessages + "/a").at("/state") == "dispatched");
  CHECK(client.post(kMessages, prompt("a", "\"id\":\"a\"")).at("/delivery") == "sent");
  CHECK(client.post(turn.path("accept"), "{}", turn.lease).status == 204);
  CHECK(client.get(kMessages + "/a").at("/state") == "running");
  CHECK(client.post(turn.path("heartbeat"), "{}", turn.lease).at("/commands") == "[]");
  CHECK(client.post(turn.path("events"), R"([{"type":"delta","data":{"t":"hi"}}])", turn.lease).at("/last_event") ==
        "5");
  CHECK(client.post(turn.path("events"), R"([{"type":"message.x","data":{}}])", turn.lease).status == 400);
  CHECK(client.post(turn.path("accept"), "{}").status == 400);
  CHECK(client.post(turn.path("complete"), "{}", {{"Holdfast-Lease", "lse_x"}}).problem() == "409 lease_lost");
  CHECK(client.post("/v1/claims", "{}").status == 204);
  const std::string result = R"({"result":{"ok":true},"workspace":{"state":"warm"}})";
  CHECK(client.post(turn.path("complete"), result, turn.lease).status == 204);
  CHECK(client.post(turn.path("complete"), result, turn.lease).status == 204);
  CHECK(client.get(kMessages + "/a").at("/result") == R"({"ok":true})");
  CHECK(client.get("/v1/sessions/s").at("/workspace/state") == "warm");
  CHECK(occurrences(client.get("/v1/sessions/s/events?types=message.completed").body, "\"type\":") == 1);
  CHECK(client.post(turn.path("heartbeat"), "{}", turn.lease).problem() == "409 lease_lost");
  CHECK(Turn(client.post("/v1/claims", "{}")).message == "b");
}

TEST_CASE("fail, release, expiry") {
  const Server server({"--retry-default-ms", "50", "--lease-ms-min", "10"});
  Client client(server.port());
  client.post(kMessages, prompt("x", "\"id\":\"a\""));
  const auto claim = [&] { return client.post("/v1/claims", R"({"wait_ms":5000,"lease_ms":60000})"); };
  const Turn released(claim());
  CHECK(client.post(released.path("release"), "{}", released.lease).status == 204);
  const auto again = claim();
  CHECK(again.at("/deliveries/0/attempt") == "1");
  const Turn failed(again);
  CHECK(client.post(failed.path("fail"), R"({"code":"boom","retryable":true})", failed.lease).status == 204);
  const auto second = claim();
  CHECK(second.at("/deliveries/0/attempt") == "2");
  const Turn last(second);
  CHECK(client.post(last.path("fail"), R"({"code":"boom","retryable":true,"detail":"why"})", last.lease).status == 204);
  const auto message = client.get(kMessages + "/a");
  CHECK(message.at("/state") == "failed");
  CHECK(message.at("/failure/reason") == "exhausted");
  CHECK(message.at("/failure/attempts") == "2");

  client.post(kMessages, prompt("y", "\"id\":\"b\""));
  const Turn slow(client.post("/v1/claims", R"({"lease_ms":50})"));
  const auto redelivered = claim();
  CHECK(redelivered.at("/deliveries/0/message/message") == "b");
  CHECK(redelivered.at("/deliveries/0/attempt") == "2");
  CHECK(client.post(slow.path("complete"), "{}", slow.lease).problem() == "409 lease_lost");
}

TEST_CASE("a waiting claim is woken by a message, and one whose client left holds nothing back") {
  const Server server;
  Client client(server.port());
  {
    Client gone(server.port());
    gone.send(
        "POST /v1/claims HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: "
        "17\r\n\r\n{\"wait_ms\":30000}");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  Client waiting(server.port());
  waiting.send(
      "POST /v1/claims HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: "
      "17\r\n\r\n{\"wait_ms\":30000}");
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  client.post(kMessages, prompt("x"));
  const auto woken = waiting.receive();
  CHECK(woken.count("/deliveries") == 1);
  CHECK(woken.at("/deliveries/0/attempt") == "1");
  CHECK(client.post("/v1/claims", R"({"wait_ms":61000})").problem() == "400 invalid_body /wait_ms");
}

TEST_CASE("events: page, replay, live, filter, cursor") {
  const Server server;
  Client client(server.port());
  for (int i = 0; i < 3; ++i) client.post(kMessages, prompt("m" + std::to_string(i)));
  const std::string events = "/v1/sessions/s/events";
  const auto page = client.get(events + "?limit=2");
  CHECK(page.count("/items") == 2);
  CHECK(page.at("/items/0/id") == "1");
  CHECK(page.at("/items/0/type") == "message.queued");
  CHECK(page.at("/items/0/data/state") == "queued");
  CHECK(client.get(events + "?after=" + page.at("/next")).count("/items") == 1);
  CHECK(client.get(events + "?after=abc").problem() == "400 invalid_cursor");
  CHECK(client.get(events + "?after=999").problem() == "400 invalid_cursor");
  CHECK(client.get("/v1/sessions/nobody/events", {{"Accept", "text/event-stream"}}).status == 404);

  Client stream(server.port());
  stream.send("GET " + events + " HTTP/1.1\r\nHost: t\r\nAccept: text/event-stream\r\nLast-Event-ID: 2\r\n\r\n");
  REQUIRE(stream.until("id: 3\n"));
  CHECK(stream.buffer().find("id: 2\n") == std::string::npos);
  client.post(kMessages, prompt("live"));
  REQUIRE(stream.until("id: 4\n"));
  CHECK(stream.buffer().find("event: message.queued\n") != std::string::npos);
  Client filtered(server.port());
  filtered.send("GET " + events + "?types=session.paused HTTP/1.1\r\nHost: t\r\nAccept: text/event-stream\r\n\r\n");
  client.post("/v1/sessions/s/queue", R"({"action":"pause"})");
  REQUIRE(filtered.until("session.paused"));
  CHECK(filtered.buffer().find("message.queued") == std::string::npos);
}

TEST_CASE("a ticket opens the events of its session once") {
  const Server server({"--auth", "required"}, {"HOLDFAST_OPERATOR_KEY=k"});
  const Headers operator_key{{"x-api-key", "k"}};
  Client client(server.port());
  client.post(kMessages, prompt("x"), operator_key);
  const auto ticket = client.post("/v1/sessions/s/tickets", "{}", operator_key);
  CHECK(ticket.status == 201);
  CHECK(ticket.at("/expires_at") != "(none)");
  const std::string with = "?ticket=" + ticket.at("/ticket");
  CHECK(client.get("/v1/sessions/other/events" + with).status == 401);
  const auto second = client.post("/v1/sessions/s/tickets", "{}", operator_key).at("/ticket");
  CHECK(client.get("/v1/sessions/s/events?ticket=" + second).status == 200);
  CHECK(client.get("/v1/sessions/s/events?ticket=" + second).status == 401);
  CHECK(client.get("/v1/sessions/s?ticket=" + second).status / 100 == 4);
}

TEST_CASE("HTTP as it comes: pipelining, 100-continue, chunks, slow clients") {
  const Server server({"--header-timeout-ms", "300", "--body-timeout-ms", "300"});
  {
    Client client(server.port());
    std::string many;
    for (int i = 0; i < 20; ++i) {
      const auto body = prompt("p", "\"id\":\"p" + std::to_string(i) + "\"");
      many += "POST " + kMessages + " HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body;
    }
    client.send(many);
    for (int i = 0; i < 20; ++i) CHECK(client.receive().at("/seq") == std::to_string(i + 1));
  }
  {
    Client client(server.port());
    const auto body = prompt("x");
    client.send("POST " + kMessages +
                " HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n");
    CHECK(client.receive().status == 100);
    client.send(body);
    CHECK(client.receive().status == 202);
  }
  {
    Client client(server.port());
    const auto body = prompt("x");
    char size[16];
    std::snprintf(size, sizeof size, "%zx", body.size());
    client.send("POST " + kMessages +
                " HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
                std::string(size) + "\r\n" + body + "\r\n0\r\n\r\n");
    CHECK(client.receive().status == 202);
  }
  {
    Client slow(server.port());
    slow.send("POST " + kMessages + " HTTP/1.1\r\nHost:");
    CHECK(slow.receive().status == 408);
    CHECK(slow.closed());
  }
  {
    Client slow(server.port());
    slow.send("POST " + kMessages +
              " HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
    CHECK(slow.receive().status == 408);
  }
  {
    Client half(server.port());
    half.send("GET /livez HTTP/1.1\r\nHost: t\r\n\r\n");
    half.finish_sending();
    CHECK(half.receive().status == 200);
  }
}

TEST_CASE("kill -9, and everything is there; a lease outlives it too") {
  Server server;
  Turn turn = [&] {
    Client client(server.port());
    for (int i = 0; i < 10; ++i) client.post(kMessages, prompt("x", "\"id\":\"m" + std::to_string(i) + "\""));
    return Turn(client.post("/v1/claims", R"({"lease_ms":60000})"));
  }();
  server.kill9();
  server.start();
  Client client(server.port());
  CHECK(client.get(kMessages).count("/items") == 10);
  CHECK(client.post(kMessages, prompt("x", "\"id\":\"m3\"")).header("idempotency-replayed") == "true");
  CHECK(client.post("/v1/claims", "{}").status == 204);
  CHECK(client.post(turn.path("complete"), "{}", turn.lease).status == 204);
  CHECK(Turn(client.post("/v1/claims", "{}")).message == "m1");
}

TEST_CASE("the commands: send, tail, sessions, claim, check") {
  Server server;
  const auto at = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--url", server.url()});
    return run(std::move(words));
  };
  CHECK(at({"send", "chat", "hello", "--id", "m1"}).output.find("admitted") != std::string::npos);
  CHECK(at({"send", "chat", "hello", "--id", "m1"}).output.find("it was there already") != std::string::npos);
  CHECK(at({"send", "chat", "other", "--id", "m1"}).errors.find("422 idempotency_mismatch") != std::string::npos);
  CHECK(at({"claim", "--once", "--exec", "cat >/dev/null; echo \"said $HOLDFAST_CONTENT\"; echo bye"}).code == 0);
  const auto tail = at({"tail", "chat", "--no-follow"}).output;
  CHECK(tail.find("said hello") != std::string::npos);
  CHECK(tail.find("message.completed") != std::string::npos);
  CHECK(at({"sessions"}).output.find("chat") != std::string::npos);
  CHECK(at({"claim", "--once", "--exec", "exit 3"}).code == 0);
  const auto listed = at({"sessions", "--json", "--prefix", "chat"}).output;
  CHECK(listed.find("\"session\":\"chat\"") != std::string::npos);
  CHECK(server.terminate() == 0);
  CHECK(run({"check", "--data", server.data()}).output.find("1 sessions, 1 messages") != std::string::npos);
}

TEST_CASE("a replay admits a history once, whatever happens in between") {
  const Server server({"--queue-capacity", "50"});
  const TemporaryDirectory directory;
  const auto file = directory / "history.ndjson";
  {
    std::ofstream out(file);
    for (int i = 0; i < 300; ++i)
      out << "{\"session\":\"h" << i % 7 % 3 << "\",\"id\":\"msg-" << i << "\",\"at\":" << 1663598703000 + i
          << ",\"content\":\"message " << i << "\",\"files\":" << i % 5 << "}\n";
  }
  {
    // Cut off midway: the rest follows when it is run again.
    Process cut({HOLDFAST_BINARY, "send", "--replay", file, "--connections", "2", "--url", server.url()},
                directory / "errors");
    std::this_thread::sleep_for(std::chrono::milliseconds(15));
  }
  const auto replay = [&] { return run({"send", "--replay", file, "--connections", "5", "--url", server.url()}); };
  const auto first = replay();
  INFO(first.errors);
  CHECK(first.code == 0);
  CHECK(first.output.find("every queue is in the order of the file") != std::string::npos);
  Client client(server.port());
  const auto before = client.get("/v1/sessions/h0").body;
  const auto second = replay();
  CHECK(second.output.find("0 admitted, 300 were there, 0 refused") != std::string::npos);
  CHECK(client.get("/v1/sessions/h0").body == before);
}

TEST_CASE("the example in the README runs") {
  const TemporaryDirectory directory;
  Process example({std::string(HOLDFAST_BIN_DIR) + "/../examples/embed_minimal", directory / "data"},
                  directory / "errors");
  const auto output = example.rest();
  CHECK(example.wait() == 0);
  CHECK(output.find("\"state\":\"completed\"") != std::string::npos);
}

}  // namespace holdfast::test
