// Push delivery and callbacks (contract section 4), against a receiver that verifies with the reference library.
#include "tests/support/receiver.hpp"

namespace holdfast::test {
namespace {

const std::vector<std::string> kLoopback{"--egress-allow", "127.0.0.0/8"};

std::vector<std::string> with(std::vector<std::string> options) {
  options.insert(options.end(), kLoopback.begin(), kLoopback.end());
  return options;
}

std::string push_to(const std::string& url, const std::string& more = {}) {
  return R"({"delivery":{"mode":"push","url":")" + url + "\"" + more + "}}";
}

// The message once it is final.
Reply ended(Client& client, const std::string& session, const std::string& message) {
  return client.get("/v1/sessions/" + session + "/messages/" + message, {{"Prefer", "wait=10"}});
}

}  // namespace

TEST_CASE("a pushed turn is a signed delivery, and a 200 completes it") {
  const Receiver receiver;
  const Server server(kLoopback);
  Client client(server.port());
  const auto made = client.request("PUT", "/v1/sessions/s", push_to(receiver.url("turns")));
  const auto secret = made.at("/delivery/secret");
  CHECK(secret.starts_with("whsec_"));
  CHECK(client.get("/v1/sessions/s").at("/delivery") ==
        R"({"mode":"push","url":")" + receiver.url("turns") + "\"}");  // shown once
  CHECK(client.request("PUT", "/v1/sessions/s", push_to(receiver.url("turns"))).at("/delivery/secret") == "(none)");
  receiver.secret("turns", secret);
  receiver.plan("turns", R"([{"status":200,"body":{"result":{"n":1},"workspace":{"state":"warm"}}}])");
  for (const std::string id : {"a", "b", "c"})
    client.post("/v1/sessions/s/messages", prompt("do " + id, "\"id\":\"" + id + "\""),
                {{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}});
  const auto last = ended(client, "s", "c");
  CHECK(last.at("/state") == "completed");
  CHECK(last.at("/result") == R"({"n":1})");
  CHECK(client.get("/v1/sessions/s").at("/workspace/state") == "warm");
  const auto calls = receiver.calls("turns");
  CHECK(calls.count("") == 3);
  for (const std::string n : {"0", "1", "2"}) {
    CHECK(calls.at("/" + n + "/verified") == "true");
    CHECK(calls.at("/" + n + "/id") == std::string(1, static_cast<char>('a' + n[0] - '0')));
    CHECK(calls.at("/" + n + "/body/attempt") == "1");
    CHECK(calls.at("/" + n + "/body/message/message") == calls.at("/" + n + "/id"));
    CHECK(calls.at("/" + n + "/body/lease") != "(none)");
    CHECK(calls.at("/" + n + "/headers/traceparent").starts_with("00-0af7651916cd43dd8448eb211c80319c"));
  }
  CHECK(calls.at("/0/body/session/delivery/secret") == "(none)");
  CHECK(client.post("/v1/claims", "{}").status == 204);  // pushed turns are not for claims
}

TEST_CASE("a receiver that accepts goes on under the lease") {
  const Receiver receiver;
  const Server server(kLoopback);
  Client client(server.port());
  client.request("PUT", "/v1/sessions/s", push_to(receiver.url("turns")));
  receiver.plan("turns", R"([{"status":202}])");
  client.post("/v1/sessions/s/messages", prompt("long", "\"id\":\"a\""));
  const auto call = receiver.wait("turns", 1);
  const std::string path = "/v1/deliveries/" + call.at("/0/body/delivery") + "/";
  const Headers lease{{"Holdfast-Lease", call.at("/0/body/lease")}};
  for (int i = 0; i < 500 && client.get("/v1/sessions/s/messages/a").at("/state") != "running"; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(client.get("/v1/sessions/s/messages/a").at("/state") == "running");
  CHECK(client.post(path + "heartbeat", "{}", lease).at("/commands") == "[]");
  CHECK(client.post(path + "complete", R"({"result":"done"})", lease).status == 204);
  CHECK(client.get("/v1/sessions/s/messages/a").at("/result") == "done");
}

TEST_CASE("what a receiver answers decides whether a pushed turn is tried again") {
  const Receiver receiver;
  const Server server(with({"--retry-default-ms", "20,20", "--retry-rate-limited-ms", "20"}));
  Client client(server.port());
  struct Case {
    std::string answers;
    std::string state;
    std::string failure;
    std::size_t calls;
  };
  const std::vector<Case> cases{
      {R"([{"status":503},{"status":500},{"status":200,"body":{}}])", "completed", "null", 3},
      {R"([{"status":503}])", "failed", R"({"attempts":3,"code":"http_503","reason":"exhausted"})", 3},
      {R"([{"status":400}])", "failed", R"({"attempts":1,"code":"http_400","reason":"not_retryable"})", 1},
      {R"([{"status":302,"headers":{"location":"/elsewhere"}}])", "failed",
       R"({"attempts":1,"code":"http_302","reason":"not_retryable"})", 1},
      {R"([{"status":408},{"status":425},{"status":200}])", "completed", "null", 3},
      {R"([{"status":429}])", "failed", R"({"attempts":2,"code":"rate_limited","reason":"exhausted"})", 2},
      {R"([{"status":200,"body":"no object"},{"status":200,"body":{}}])", "completed", "null", 2},
      {R"([{"status":307,"headers":{"location":"/ok"}}])", "completed", "null", 1},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto& c = cases[i];
    INFO(c.answers);
    const auto name = "t" + std::to_string(i);
    receiver.plan(name, c.answers);
    client.request("PUT", "/v1/sessions/" + name, push_to(receiver.url(name)));
    client.post("/v1/sessions/" + name + "/messages", prompt("x", "\"id\":\"a\""));
    const auto message = ended(client, name, "a");
    CHECK(message.at("/state") == c.state);
    auto failure = message.at("/failure");
    if (const auto detail = failure.find(",\"detail\":\"the receiver answered "); detail != std::string::npos)
      failure.erase(detail, failure.find('"', detail + 12) + 1 - detail);
    CHECK(failure == c.failure);
    const auto calls = receiver.calls(name);
    CHECK(calls.count("") == c.calls);
    for (std::size_t n = 0; n < calls.count(""); ++n)
      CHECK(calls.at("/" + std::to_string(n) + "/body/attempt") == std::to_string(n + 1));
  }
  CHECK(client.get("/v1/dead-letters").count("/items") == 4);
}

TEST_CASE("Retry-After of a receiver delays the next push") {
  const Receiver receiver;
  const Server server(with({"--retry-rate-limited-ms", "10"}));
  Client client(server.port());
  receiver.plan("turns", R"([{"status":429,"headers":{"retry-after":"3600"}}])");
  client.request("PUT", "/v1/sessions/s", push_to(receiver.url("turns")));
  client.post("/v1/sessions/s/messages", prompt("x", "\"id\":\"a\""));
  (void)receiver.wait("turns", 1);
  Reply message;
  for (int i = 0; i < 500 && message.at("/waiting_for/kind") != "retry"; ++i) {
    message = client.get("/v1/sessions/s/messages/a");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(message.at("/waiting_for/kind") == "retry");
  CHECK(message.at("/waiting_for/at") > message.at("/timestamps/admitted_at"));
}

TEST_CASE("private targets are refused unless they are allowed, and what cannot be reached is retried") {
  const Receiver receiver;
  const Server server({"--retry-unreachable-ms", "10,10"});
  Client client(server.port());
  for (const std::string host : {"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"}) {
    INFO(host);
    const auto name = "s" + std::to_string(std::hash<std::string>{}(host) % 100'000);
    const auto url = "http://" + host + ":" + std::to_string(receiver.port()) + "/turns";
    CHECK(client.request("PUT", "/v1/sessions/" + name, push_to(url)).status == 201);
    client.post("/v1/sessions/" + name + "/messages", prompt("x", "\"id\":\"a\""));
    const auto message = ended(client, name, "a");
    CHECK(message.at("/state") == "failed");
    CHECK(message.at("/failure/code") == "target_refused");
  }
  CHECK(receiver.calls("turns").count("") == 0);

  const Server open(with({"--retry-unreachable-ms", "10,10"}));
  Client other(open.port());
  other.request("PUT", "/v1/sessions/s", push_to("http://127.0.0.1:9/"));
  other.post("/v1/sessions/s/messages", prompt("x", "\"id\":\"a\""));
  const auto message = ended(other, "s", "a");
  CHECK(message.at("/failure/code") == "unreachable");
  CHECK(message.at("/failure/attempts") == "3");
  CHECK(message.at("/failure/reason") == "exhausted");
}

TEST_CASE("a redirect does not lead to a private target") {
  const Receiver receiver;
  const Server server(std::vector<std::string>{"--egress-allow", "127.0.0.1"});
  Client client(server.port());
  receiver.plan("turns", R"([{"status":307,"headers":{"location":"http://127.0.0.2:)" +
                             std::to_string(receiver.port()) + R"(/inner"}}])");
  client.request("PUT", "/v1/sessions/s", push_to(receiver.url("turns")));
  client.post("/v1/sessions/s/messages", prompt("x", "\"id\":\"a\""));
  CHECK(ended(client, "s", "a").at("/failure/code") == "target_refused");
}

TEST_CASE("TLS targets are verified, and their connections are used again") {
  const TemporaryDirectory directory;
  const auto key = directory / "key.pem";
  const auto certificate = directory / "cert.pem";
  const auto make =
      "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
      "subjectAltName=IP:127.0.0.1 -keyout " +
      key + " -out " + certificate + " 2>/dev/null";
  REQUIRE(std::system(make.c_str()) == 0);
  const Receiver receiver({key, certificate});
  for (const bool trusted : {true, false}) {
    auto options = with({"--retry-unreachable-ms", "10"});
    if (trusted) options.insert(options.end(), {"--egress-ca-file", certificate});
    const Server server(options);
    Client client(server.port());
    client.request("PUT", "/v1/sessions/s", push_to(receiver.url("turns")));
    for (int i = 0; i < 5; ++i)
      client.post("/v1/sessions/s/messages", prompt("x", "\"id\":\"m" + std::to_string(i) + "\""));
    const auto message = ended(client, "s", "m4");
    CHECK(message.at("/state") == (trusted ? "completed" : "failed"));
    if (!trusted) CHECK(message.at("/failure/code") == "unreachable");
  }
}

TEST_CASE("one connection serves many pushes") {
  const Receiver receiver;
  const Server server(kLoopback);
  Client client(server.port());
  client.request("PUT", "/v1/sessions/s", push_to(receiver.url("turns")));
  const int before = std::stoi(receiver.connections());
  for (int i = 0; i < 20; ++i)
    client.post("/v1/sessions/s/messages", prompt("x", "\"id\":\"m" + std::to_string(i) + "\""));
  CHECK(ended(client, "s", "m19").at("/state") == "completed");
  CHECK(receiver.calls("turns").count("") == 20);
  CHECK(std::stoi(receiver.connections()) - before <= 4);  // this test's own questions are among them
}

TEST_CASE("delivery is read strictly") {
  const Server server;
  Client client(server.port());
  const auto put = [&](const std::string& delivery) {
    return client.request("PUT", "/v1/sessions/s", R"({"delivery":)" + delivery + "}").problem();
  };
  CHECK(put(R"({"mode":"push"})") == "400 invalid_body /delivery/url");
  CHECK(put(R"({"mode":"push","url":"ftp://x.example"})") == "400 invalid_body /delivery/url");
  CHECK(put(R"({"mode":"push","url":"https://user:pw@x.example/"})") == "400 invalid_body /delivery/url");
  CHECK(put(R"({"mode":"push","url":"https://x.example/","secret":"short"})") == "400 invalid_body /delivery/secret");
  CHECK(put(R"({"mode":"pull","url":"https://x.example/"})") == "400 invalid_body /delivery/url");
  CHECK(put(R"({"mode":"mail"})") == "400 invalid_body /delivery/mode");
  CHECK(put(R"({"mode":"pull","more":1})") == "400 invalid_body /delivery/more");
  CHECK(run({"serve", "--egress-allow", "10.0.0.0/33"}).code == 2);
}

TEST_CASE("a secret that came is used, and a switch to pull ends the pushing") {
  const Receiver receiver;
  const Server server(kLoopback);
  Client client(server.port());
  const std::string secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  receiver.secret("turns", secret);
  const auto made =
      client.request("PUT", "/v1/sessions/s", push_to(receiver.url("turns"), ",\"secret\":\"" + secret + "\""));
  CHECK(made.at("/delivery/secret") == "(none)");
  client.post("/v1/sessions/s/messages", prompt("x", "\"id\":\"a\""));
  CHECK(receiver.wait("turns", 1).at("/0/verified") == "true");
  CHECK(ended(client, "s", "a").at("/state") == "completed");
  CHECK(client.request("PATCH", "/v1/sessions/s", R"({"delivery":null})").at("/delivery") == "(none)");
  client.post("/v1/sessions/s/messages", prompt("x", "\"id\":\"b\""));
  CHECK(Turn(client.post("/v1/claims", "{}")).message == "b");
  CHECK(receiver.calls("turns").count("") == 1);
}

TEST_CASE("a receiver that fails too often is left alone, and the turns wait without using up attempts") {
  const Receiver receiver;
  const Server server(with({"--target-failures-max", "2", "--target-rest-ms", "300", "--retry-default-ms", "1,1,1,1"}));
  Client client(server.port());
  receiver.plan("turns", R"([{"status":503},{"status":503},{"status":200,"body":{}}])");
  client.request("PUT", "/v1/sessions/s", push_to(receiver.url("turns")));
  client.post("/v1/sessions/s/messages", prompt("x", "\"id\":\"a\""));
  client.request("PUT", "/v1/sessions/t", push_to(receiver.url("turns")));
  client.post("/v1/sessions/t/messages", prompt("x", "\"id\":\"a\""));
  CHECK(ended(client, "s", "a").at("/state") == "completed");
  CHECK(ended(client, "t", "a").at("/state") == "completed");
  CHECK(receiver.calls("turns").count("") == 4);
}

TEST_CASE("a callback is the event, signed, once a final message") {
  const Receiver receiver;
  const Server server(kLoopback);
  Client client(server.port());
  const auto secret = client.post("/v1/keys/webhooks/rotate", "{}").at("/secret");
  receiver.secret("hook", secret);
  client.request("PUT", "/v1/sessions/s",
                 R"({"callback":{"url":")" + receiver.url("hook") + R"(","headers":{"x-owner":"blue"}}})");
  client.post("/v1/sessions/s/messages", prompt("x", "\"id\":\"a\""));
  // The target is that of the admission: neither a new URL nor new headers touch it.
  client.request("PUT", "/v1/sessions/s", R"({"callback":{"url":"http://127.0.0.1:9/","headers":{"x-owner":"red"}}})");
  const Turn turn(client.post("/v1/claims", "{}"));
  client.post(turn.path("complete"), R"({"result":{"ok":true}})", turn.lease);
  client.post(turn.path("complete"), R"({"result":{"ok":true}})", turn.lease);
  const auto calls = receiver.wait("hook", 1);
  CHECK(calls.at("/0/id") == "a");
  CHECK(calls.at("/0/verified") == "true");
  CHECK(calls.at("/0/headers/x-owner") == "blue");
  CHECK(calls.at("/0/body/type") == "message.completed");
  CHECK(calls.at("/0/body/data/message") == "a");
  CHECK(calls.at("/0/body/data/result") == R"({"ok":true})");
  const auto event = client.get("/v1/sessions/s/events?types=message.completed");
  CHECK(calls.at("/0/body") == event.at("/items/0"));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(receiver.calls("hook").count("") == 1);

  // Only the events that were asked for; cancelled and merged messages are final, too.
  client.request("PUT", "/v1/sessions/t",
                 R"({"callback":{"url":")" + receiver.url("t") + R"(","events":["message.cancelled"]}})");
  client.post("/v1/sessions/t/messages", prompt("x", "\"id\":\"a\""));
  client.post("/v1/sessions/t/messages", prompt("x", "\"id\":\"b\",\"on_busy\":\"merge\""));
  client.request("DELETE", "/v1/sessions/t/messages/a");
  CHECK(receiver.wait("t", 1).at("/0/body/type") == "message.cancelled");
  CHECK(
      client.request("PUT", "/v1/sessions/u", R"({"callback":{"url":"http://x.example","events":["message.queued"]}})")
          .problem() == "400 invalid_body /callback/events/0");
}

TEST_CASE("callbacks are tried again after their delays, ended by 404 and 410, and given up in the log") {
  const Receiver receiver;
  const Server server(with({"--callback-retry-ms", "20,20"}));
  Client client(server.port());
  const auto finish = [&](const std::string& session, const std::string& answers) {
    receiver.plan(session, answers);
    client.post("/v1/sessions/" + session + "/messages",
                prompt("x", R"("id":"a","callback":{"url":")" + receiver.url(session) + "\"}"));
    client.request("DELETE", "/v1/sessions/" + session + "/messages/a");
  };
  const auto given_up = [&](const std::string& session) {
    Reply page;
    for (int i = 0; i < 500 && page.count("/items") == 0; ++i) {
      page = client.get("/v1/sessions/" + session + "/events?types=session.callback_failed");
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return page.at("/items/0/data");
  };
  finish("flaky", R"([{"status":500},{"status":429},{"status":204}])");
  CHECK(receiver.wait("flaky", 3).count("") == 3);
  finish("gone", R"([{"status":410}])");
  CHECK(given_up("gone") == R"({"attempts":1,"detail":"the receiver answered 410","message":"a"})");
  finish("missing", R"([{"status":404}])");
  CHECK(given_up("missing") == R"({"attempts":1,"detail":"the receiver answered 404","message":"a"})");
  finish("dead", R"([{"status":500}])");
  CHECK(given_up("dead") == R"({"attempts":3,"detail":"the receiver answered 500","message":"a"})");
  CHECK(receiver.calls("dead").count("") == 3);
  CHECK(receiver.calls("gone").count("") == 1);
  CHECK(client.get("/v1/sessions/flaky/events?types=session.callback_failed").count("/items") == 0);
}

TEST_CASE("after a rotation both secrets sign, and a callback that is due survives kill -9") {
  const Receiver receiver;
  Server server(with({"--callback-retry-ms", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,600000"}));
  std::string first;
  {
    Client client(server.port());
    first = client.post("/v1/keys/webhooks/rotate", "{}").at("/secret");
    const auto second = client.post("/v1/keys/webhooks/rotate", "").at("/secret");
    CHECK(first != second);
    receiver.secret("hook", first);
    receiver.plan("hook", R"([{"status":200,"delay_ms":3000}])");
    client.post("/v1/sessions/s/messages",
                prompt("x", R"("id":"a","callback":{"url":")" + receiver.url("hook") + "\"}"));
    client.request("DELETE", "/v1/sessions/s/messages/a");
    CHECK(receiver.wait("hook", 1).at("/0/verified") == "true");  // the old one signs too
  }
  server.kill9();  // the answer never arrived
  receiver.plan("hook", R"([{"status":200}])");
  server.start();
  const auto calls = receiver.wait("hook", 2);
  CHECK(calls.count("") == 2);
  CHECK(calls.at("/1/id") == "a");
  CHECK(calls.at("/1/verified") == "true");
  CHECK(calls.at("/1/body") == calls.at("/0/body"));
}

}  // namespace holdfast::test
