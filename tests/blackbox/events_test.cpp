// Contract section 5 over HTTP: one stream of events a session, read as SSE, as pages and over a WebSocket.
#include <atomic>
#include <map>
#include <set>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"
#include "tests/support/streams.hpp"

namespace holdfast::test {
namespace {

const std::string kMessages = "/v1/sessions/s/messages";
const std::string kEvents = "/v1/sessions/s/events";
const Headers kStream{{"Accept", "text/event-stream"}};
const Headers kUpgrade{{"Upgrade", "websocket"},
                       {"Connection", "Upgrade"},
                       {"Sec-WebSocket-Version", "13"},
                       {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};

Headers with(Headers headers, const Headers& more) {
  headers.insert(more.begin(), more.end());
  return headers;
}

std::string upgrade_text(const std::string& path) {
  std::string text = "GET " + path + " HTTP/1.1\r\nHost: t\r\n";
  for (const auto& [name, value] : kUpgrade) text += name + ": " + value + "\r\n";
  return text + "\r\n";
}

Reply admit(Client& client, const std::string& id, const std::string& content = "x") {
  return client.post(kMessages, prompt(content, "\"id\":\"" + id + "\""));
}
Turn claim(Client& client) {
  Turn turn(client.post("/v1/claims", R"({"wait_ms":5000,"lease_ms":600000})"));
  REQUIRE(turn.delivery.starts_with("dlv_"));
  return turn;
}
// One batch of `n` events of the runtime's.
Reply report(Client& client, const Turn& turn, int n, const std::string& type = "delta") {
  std::string batch = "[";
  for (int i = 0; i < n; ++i) batch += std::string(i == 0 ? "" : ",") + "{\"type\":\"" + type + "\",\"data\":{}}";
  return client.post(turn.path("events"), batch + "]", turn.lease);
}

// The ids and types of a page, such as "3 message.queued".
std::vector<std::string> listed(const Reply& page) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < page.count("/items"); ++i) {
    const auto item = "/items/" + std::to_string(i);
    all.push_back(page.at(item + "/id") + " " + page.at(item + "/type"));
  }
  return all;
}
template <class Stream>
std::vector<std::string> listed(Stream& stream, std::size_t n) {
  std::vector<std::string> all;
  while (all.size() < n) {
    const auto event = stream.next();
    if (!event) break;
    all.push_back(std::to_string(event->id) + " " + event->type);
  }
  return all;
}
std::vector<std::uint64_t> ids_of(const Reply& page) {
  std::vector<std::uint64_t> ids;
  json::Parser parser;
  const auto parsed = parser.parse(page.body);
  json::Array items;
  if (!parsed || parsed->at_key("items").get(items) != simdjson::SUCCESS) return ids;
  for (const auto item : items)
    ids.push_back(std::strtoull(std::string(std::string_view(item.at_key("id"))).c_str(), nullptr, 10));
  return ids;
}
// Every id above the cursor, page by page.
std::vector<std::uint64_t> ids_after(Client& client, std::uint64_t after) {
  std::vector<std::uint64_t> all;
  for (;;) {
    const auto page = client.get(kEvents + "?limit=1000&after=" + std::to_string(after));
    REQUIRE(page.status == 200);
    for (const auto id : ids_of(page)) all.push_back(after = id);
    if (page.at("/next") == "null") return all;
  }
}
std::vector<std::uint64_t> from_to(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> all;
  for (auto id = first; id <= last; ++id) all.push_back(id);
  return all;
}

}  // namespace

TEST_CASE("SSE: replay after a cursor, then live; id and event repeat the envelope, which is the page's") {
  const Server server;
  Client client(server.port());
  for (const std::string id : {"a", "b", "c"}) admit(client, id);
  const auto page = client.get(kEvents);
  REQUIRE(page.count("/items") == 3);

  EventSource all(server.port(), kEvents);
  CHECK(all.head.status == 200);
  CHECK(all.head.header("content-type").starts_with("text/event-stream"));
  CHECK(all.head.header("cache-control").find("no-store") != std::string::npos);
  CHECK_FALSE(all.head.header("request-id").empty());
  for (std::size_t i = 0; i < 3; ++i) {
    const auto event = all.next();
    REQUIRE(event);
    const auto item = "/items/" + std::to_string(i);
    CHECK(std::to_string(event->id) == page.at(item + "/id"));
    CHECK(event->type == page.at(item + "/type"));
    CHECK(event->at("") == page.at(item));
    CHECK(event->at("/data/message") == std::string(1, static_cast<char>('a' + i)));
    CHECK(event->at("/data/state") == "queued");
    CHECK(event->at("/at").ends_with("Z"));
  }

  EventSource by_header(server.port(), kEvents, {{"Last-Event-ID", "1"}});
  EventSource by_query(server.port(), kEvents + "?after=2");
  EventSource by_both(server.port(), kEvents + "?after=1", {{"Last-Event-ID", "2"}});  // a browser that reconnects
  EventSource at_end(server.port(), kEvents, {{"Last-Event-ID", "3"}});
  admit(client, "live");
  using List = std::vector<std::string>;
  CHECK(listed(all, 1) == List{"4 message.queued"});
  CHECK(listed(by_header, 3) == List{"2 message.queued", "3 message.queued", "4 message.queued"});
  CHECK(listed(by_query, 2) == List{"3 message.queued", "4 message.queued"});
  CHECK(listed(by_both, 2) == List{"3 message.queued", "4 message.queued"});
  CHECK(listed(at_end, 1) == List{"4 message.queued"});
}

TEST_CASE("SSE over HTTP/1.0 is not chunked") {
  const Server server;
  Client client(server.port());
  admit(client, "a");
  Client old(server.port());
  old.send("GET " + kEvents + " HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n");
  REQUIRE(old.until("\n\n"));
  const auto head = old.receive();
  CHECK(head.status == 200);
  CHECK(head.header("transfer-encoding").empty());
  CHECK(old.buffer().starts_with("id: 1\nevent: message.queued\ndata: {"));
}

TEST_CASE("types filters replay and live alike, in every form") {
  const Server server;
  Client client(server.port());
  const auto run_turn = [&](const std::string& id) {
    admit(client, id);
    const auto turn = claim(client);
    client.post(turn.path("accept"), "{}", turn.lease);
    report(client, turn, 1, "delta");
    report(client, turn, 1, "log");
    CHECK(client.post(turn.path("complete"), "{}", turn.lease).status == 204);
  };
  run_turn("a");  // 1 queued, 2 dispatched, 3 running, 4 delta, 5 log, 6 completed
  const auto all = listed(client.get(kEvents));
  REQUIRE(all == std::vector<std::string>{"1 message.queued", "2 message.dispatched", "3 message.running", "4 delta",
                                          "5 log", "6 message.completed"});
  const std::string filtered = kEvents + "?types=delta,message.completed";
  EventSource sse(server.port(), filtered);
  WebSocket socket(server.port(), filtered);
  run_turn("b");
  const std::vector<std::string> expected{"4 delta", "6 message.completed", "10 delta", "12 message.completed"};
  CHECK(listed(sse, 4) == expected);
  CHECK(listed(socket, 4) == expected);
  CHECK(listed(client.get(filtered)) == expected);
  CHECK(listed(client.get(filtered + "&after=6")) == std::vector<std::string>{"10 delta", "12 message.completed"});
  CHECK(listed(client.get(kEvents + "?types=nothing")).empty());
  EventSource late(server.port(), filtered, {{"Last-Event-ID", "5"}});
  CHECK(listed(late, 3) == std::vector<std::string>{"6 message.completed", "10 delta", "12 message.completed"});

  // Pages of a filtered stream: each event once, and an end.
  std::vector<std::string> walked;
  std::string next = "0";
  for (int pages = 0; next != "null" && pages < 10; ++pages) {
    const auto page = client.get(filtered + "&limit=1&after=" + next);
    for (const auto& event : listed(page)) walked.push_back(event);
    next = page.at("/next");
  }
  CHECK(next == "null");
  CHECK(walked == expected);
}

TEST_CASE("a malformed cursor is refused in every form, before any stream begins") {
  const Server server;
  Client client(server.port());
  admit(client, "a");
  for (const std::string cursor : {"abc", "-1", "1x", "%201", "0x1", "1.0", "99999999999999999999999", "", "2"}) {
    INFO("cursor \"" << cursor << "\"");
    CHECK(client.get(kEvents + "?after=" + cursor).problem() == "400 invalid_cursor");
    CHECK(client.get(kEvents + "?cursor=" + cursor).problem() == "400 invalid_cursor");
    CHECK(client.get(kEvents + "?after=" + cursor, kStream).problem() == "400 invalid_cursor");
    CHECK(client.get(kEvents + "?after=" + cursor, kUpgrade).problem() == "400 invalid_cursor");
  }
  for (const std::string cursor : {"abc", "-1", "1x", "99999999999999999999999", "2"}) {
    INFO("Last-Event-ID \"" << cursor << "\"");
    CHECK(client.get(kEvents, with(kStream, {{"Last-Event-ID", cursor}})).problem() == "400 invalid_cursor");
    CHECK(client.get(kEvents, {{"Last-Event-ID", cursor}}).problem() == "400 invalid_cursor");
  }
  CHECK(client.get(kEvents + "?types=").problem() == "400 invalid_request");
  CHECK(client.get(kEvents + "?types=a,,b").problem() == "400 invalid_request");
  CHECK(client.get(kEvents + "?surprise=1", kStream).problem() == "400 invalid_request");
  CHECK(client.get(kEvents + "?after=1&after=1").problem() == "400 invalid_request");
  CHECK(client.get("/v1/sessions/nobody/events", kUpgrade).problem() == "404 not_found");
}

TEST_CASE("a cursor before retention has expired; without one a reader starts at the oldest kept") {
  Server server({"--events-retain-count", "10"});
  const auto check = [&] {
    Client client(server.port());
    const auto expired = client.get(kEvents + "?after=1");
    CHECK(expired.problem() == "410 cursor_expired");
    const auto oldest = std::strtoull(expired.at("/oldest").c_str(), nullptr, 10);
    CHECK(oldest > 2);
    CHECK(client.get(kEvents + "?after=1", kStream).problem() == "410 cursor_expired");
    CHECK(client.get(kEvents, with(kStream, {{"Last-Event-ID", "1"}})).problem() == "410 cursor_expired");
    CHECK(client.get(kEvents + "?after=1", kUpgrade).problem() == "410 cursor_expired");
    const auto kept = ids_of(client.get(kEvents + "?limit=1000"));
    REQUIRE(kept.size() >= 10);
    CHECK(kept == from_to(oldest, kept.back()));
    CHECK(ids_of(client.get(kEvents + "?limit=1000&after=" + std::to_string(oldest - 1))) == kept);
    EventSource stream(server.port(), kEvents);
    const auto first = stream.next();
    REQUIRE(first);
    CHECK(first->id == oldest);
    return kept;
  };
  {
    Client client(server.port());
    admit(client, "a");
    const auto turn = claim(client);
    for (int i = 0; i < 4; ++i) CHECK(report(client, turn, 20).status == 200);
    CHECK(client.post(turn.path("complete"), "{}", turn.lease).status == 204);
  }
  const auto kept = check();
  CHECK(kept.back() == 83);  // queued, dispatched, 80 events, completed
  server.kill9();
  server.start();
  CHECK(check() == kept);
  {
    Client client(server.port());
    for (int i = 0; i < 100; ++i) admit(client, "m" + std::to_string(i));  // admissions alone make events too
    CHECK(client.get(kEvents + "?after=" + std::to_string(kept.back())).problem() == "410 cursor_expired");
  }
  check();
}

TEST_CASE("events older than events_retain_ms are dropped") {
  const Server server({"--events-retain-ms", "100"});
  Client client(server.port());
  for (const std::string id : {"a", "b", "c"}) admit(client, id);
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  client.post("/v1/sessions/s/queue", R"({"action":"pause"})");
  CHECK(client.get(kEvents + "?after=1").problem() == "410 cursor_expired");
  CHECK(listed(client.get(kEvents)) == std::vector<std::string>{"4 session.paused"});
}

TEST_CASE("a reader while retention goes on: what it gets has no holes, or is 410") {
  const Server server({"--events-retain-count", "64", "--io-threads", "2"});
  Client client(server.port());
  admit(client, "a");
  const auto turn = claim(client);
  REQUIRE(report(client, turn, 64).status == 200);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    Client reporting(server.port());
    while (!stop) report(reporting, turn, 64);
  });
  int read = 0;
  int holes = 0;
  std::uint64_t after = 0;
  for (int i = 0; i < 3'000; ++i) {
    const auto page = client.get(kEvents + "?limit=1000" + (after == 0 ? "" : "&after=" + std::to_string(after)));
    const auto ids = page.status == 200 ? ids_of(page) : std::vector<std::uint64_t>{};
    if (page.status == 200) ++read;
    if (page.status == 200 && after == 0 && ids.size() < 64) ++holes;
    if (!ids.empty() && ids != from_to(after == 0 ? ids.front() : after + 1, ids.back())) ++holes;
    after = ids.empty() || i % 2 == 0 ? 0 : ids.back();  // from the oldest kept, and on from there
  }
  stop = true;
  writer.join();
  INFO(read << " pages read");
  CHECK(read > 0);
  CHECK(holes == 0);
}

TEST_CASE("a comment comes in every event_heartbeat_ms of silence") {
  const Server server({"--event-heartbeat-ms", "100"});
  Client client(server.port());
  admit(client, "a");
  EventSource stream(server.port(), kEvents + "?after=1");
  CHECK(stream.comment());
  CHECK(stream.comment());
  CHECK(stream.comment());
  admit(client, "b");
  CHECK(listed(stream, 1) == std::vector<std::string>{"2 message.queued"});
}

TEST_CASE("readers that never read are disconnected, and the writer goes on") {
  const Server server({"--write-timeout-ms", "500", "--stream-buffer-bytes-max", "65536"});
  Client client(server.port());
  admit(client, "first");
  constexpr int kSmall = 4'096;
  Client slow(server.port(), 10'000, kSmall);
  slow.send("GET " + kEvents + " HTTP/1.1\r\nHost: t\r\nAccept: text/event-stream\r\n\r\n");
  WebSocket slow_socket(server.port(), kEvents, {}, kSmall);
  REQUIRE(slow_socket.head.status == 101);
  EventSource good(server.port(), kEvents);
  REQUIRE(becomes([&] { return metric(client, "holdfast_http_connections") == 4; }));

  // More than the kernel holds for a connection that nobody reads.
  constexpr int kMessages = 64;
  const std::string big(250'000, 'x');
  std::thread reader([&] {
    for (std::uint64_t id = 1; id <= kMessages + 1; ++id) {
      const auto event = good.next();
      if (!event || event->id != id) return;
    }
    good.comments = 1'000;  // it has everything
  });
  for (int i = 0; i < kMessages; ++i) {
    const auto admitted = admit(client, "m" + std::to_string(i), big);
    REQUIRE(admitted.status == 202);
    CHECK(admitted.at("/seq") == std::to_string(i + 2));
  }
  reader.join();
  CHECK(good.comments >= 1'000);
  CHECK(becomes([&] { return metric(client, "holdfast_http_connections") == 2; }));
  CHECK(slow.closed());
  CHECK(slow.buffer().find("id: " + std::to_string(kMessages + 1) + "\n") == std::string::npos);
  CHECK(slow_socket.closed());
  CHECK(admit(client, "after").status == 202);
}

TEST_CASE("a WebSocket carries the same envelopes as text frames, replay and live") {
  Server server;
  Client client(server.port());
  admit(client, "a");
  admit(client, "b", std::string(200'000, 'b'));
  WebSocket all(server.port(), kEvents);
  CHECK(all.head.status == 101);
  CHECK(all.head.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  CHECK_FALSE(all.head.header("request-id").empty());
  auto after = std::make_unique<WebSocket>(server.port(), kEvents + "?after=1");
  admit(client, "c");
  const auto page = client.get(kEvents);
  for (int i = 0; i < 3; ++i) {
    const auto event = all.next();
    REQUIRE(event);
    CHECK((event->at("") == page.at("/items/" + std::to_string(i))));
  }
  CHECK(listed(*after, 2) == std::vector<std::string>{"2 message.queued", "3 message.queued"});

  // It only listens: what a client says is dropped, a ping is answered, its close is too.
  all.send(0x1, "hello");
  all.send(0x9, "are you there");
  CHECK_FALSE(all.next());
  CHECK(all.pong == "are you there");
  admit(client, "d");
  CHECK(listed(all, 1) == std::vector<std::string>{"4 message.queued"});
  all.send(0x8, std::string("\x03\xE8", 2));
  CHECK_FALSE(all.next());
  CHECK(all.close_code == 1000);
  CHECK(all.closed());

  // A frame without a mask ends the connection (RFC 6455 5.1), and nobody else's.
  {
    Client rude(server.port());
    REQUIRE(rude.get(kEvents, kUpgrade).status == 101);
    rude.send("\x81\x05hello");
    CHECK(rude.closed());
  }
  CHECK(listed(*after, 1) == std::vector<std::string>{"4 message.queued"});

  int code = -1;
  std::thread stopping([&] { code = server.terminate(); });
  CHECK_FALSE(after->next());
  CHECK(after->close_code == 1001);
  after.reset();
  stopping.join();
  CHECK(code == 0);
}

TEST_CASE("an upgrade behind a pipelined request comes after its answer") {
  const Server server;
  Client client(server.port());
  admit(client, "a");
  Client both(server.port());
  both.send("GET /livez HTTP/1.1\r\nHost: t\r\n\r\n" + upgrade_text(kEvents));
  const auto first = both.receive();
  CHECK(first.status == 200);
  CHECK(first.at("/status") == "live");
  CHECK(both.receive().status == 101);
  CHECK(both.until("\"message\":\"a\""));
  admit(client, "b");
  CHECK(both.until("\"message\":\"b\""));
}

TEST_CASE("an upgrade behind an answer that a client takes slowly does not cut it") {
  const Server server;
  Client client(server.port());
  const std::string big(100'000, 'x');
  for (int i = 0; i < 60; ++i) REQUIRE(client.post("/v1/sessions/big/messages", prompt(big)).status == 202);
  admit(client, "a");
  constexpr int kSmall = 4'096;
  Client slow(server.port(), 10'000, kSmall);
  slow.send("GET /v1/sessions/big/messages?limit=60 HTTP/1.1\r\nHost: t\r\n\r\n" + upgrade_text(kEvents));
  const auto page = slow.receive();
  CHECK(page.status == 200);
  CHECK(page.count("/items") == 60);
  CHECK(slow.receive().status == 101);
  CHECK(slow.until("\"message\":\"a\""));
}

TEST_CASE("what is no handshake of RFC 6455 is refused") {
  const Server server;
  Client client(server.port());
  admit(client, "a");
  const auto changed = [&](const std::string& name, const std::string& value) {
    auto headers = kUpgrade;
    if (value.empty()) headers.erase(name);
    else headers[name] = value;
    return client.get(kEvents, headers).status;
  };
  CHECK(changed("Sec-WebSocket-Key", "") == 400);
  CHECK(changed("Sec-WebSocket-Key", "short") == 400);
  CHECK(changed("Connection", "") == 400);
  CHECK(changed("Sec-WebSocket-Version", "") / 100 == 4);
  CHECK(changed("Sec-WebSocket-Version", "12") / 100 == 4);
  CHECK(client.request("POST", kEvents, "{}", kUpgrade).problem() == "405 method_not_allowed");
  CHECK(client.get(kEvents, {{"Upgrade", "h2c"}, {"Connection", "Upgrade"}}).status == 200);
  CHECK(client.get("/livez", kUpgrade).status == 200);
}

TEST_CASE("a deletion ends the streams of its session, a stop ends all of them") {
  Server server;
  Client client(server.port());
  admit(client, "a");
  auto stream = std::make_unique<EventSource>(server.port(), kEvents + "?after=1");
  auto socket = std::make_unique<WebSocket>(server.port(), kEvents + "?after=1");
  client.post("/v1/sessions/other/messages", prompt("x"));
  EventSource other(server.port(), "/v1/sessions/other/events");
  CHECK(listed(other, 1).size() == 1);
  CHECK(client.request("DELETE", "/v1/sessions/s").status == 204);
  while (stream->next()) {
  }
  CHECK(stream->ended());
  while (socket->next()) {
  }
  CHECK(socket->close_code == 1000);
  stream.reset();
  socket.reset();
  CHECK(client.get(kEvents, with(kStream, {{"Last-Event-ID", "1"}})).problem() == "410 gone");
  CHECK(client.get(kEvents, kUpgrade).problem() == "410 gone");
  CHECK(server.terminate() == 0);
  CHECK_FALSE(other.next());
  CHECK(other.ended());
}

TEST_CASE("a ticket opens one stream of its session, once, for a while") {
  const Server server({"--auth", "required", "--ticket-ttl-ms", "1000"}, {"HOLDFAST_OPERATOR_KEY=k"});
  const Headers operator_key{{"x-api-key", "k"}};
  Client client(server.port());
  for (const std::string session : {"s", "other"})
    REQUIRE(client.post("/v1/sessions/" + session + "/messages", prompt("x"), operator_key).status == 202);
  const auto minted = client.post("/v1/sessions/s/tickets", "{}", operator_key);
  CHECK(minted.status == 201);
  CHECK(minted.header("cache-control").find("no-store") != std::string::npos);
  const auto ticket = [&] { return client.post("/v1/sessions/s/tickets", "{}", operator_key).at("/ticket"); };
  CHECK(client.post("/v1/sessions/nobody/tickets", "{}", operator_key).problem() == "404 not_found");
  CHECK(client.post("/v1/sessions/s/tickets", "{}").problem() == "401 unauthorized");

  const auto for_sse = ticket();
  EventSource sse(server.port(), kEvents + "?ticket=" + for_sse);
  CHECK(listed(sse, 1).size() == 1);
  CHECK(client.get(kEvents + "?ticket=" + for_sse, kStream).problem() == "401 unauthorized");
  CHECK(client.get(kEvents + "?ticket=" + for_sse, kUpgrade).problem() == "401 unauthorized");
  const auto for_socket = ticket();
  WebSocket socket(server.port(), kEvents + "?types=message.queued&ticket=" + for_socket);
  CHECK(listed(socket, 1).size() == 1);
  CHECK(client.get(kEvents + "?ticket=" + for_socket).problem() == "401 unauthorized");

  CHECK(client.get("/v1/sessions/other/events?ticket=" + ticket()).problem() == "401 unauthorized");
  CHECK(client.get(kMessages + "?ticket=" + ticket()).status / 100 == 4);
  CHECK(client.post(kMessages + "?ticket=" + ticket(), prompt("x")).status / 100 == 4);
  CHECK(client.get(kEvents, {{"Authorization", "Bearer " + ticket()}}).problem() == "401 unauthorized");
  CHECK(client.get(kEvents + "?ticket=tkt_nonsense").problem() == "401 unauthorized");
  CHECK(client.get(kEvents + "?ticket=").problem() == "401 unauthorized");

  const auto late = ticket();
  std::this_thread::sleep_for(std::chrono::milliseconds(1'100));
  CHECK(client.get(kEvents + "?ticket=" + late).problem() == "401 unauthorized");
  // The stream that was opened in time goes on.
  client.post(kMessages, prompt("y"), operator_key);
  CHECK(listed(sse, 1) == std::vector<std::string>{"2 message.queued"});
}

TEST_CASE("one ticket, many at once: one of them gets in") {
  const Server server({"--auth", "required", "--io-threads", "4"}, {"HOLDFAST_OPERATOR_KEY=k"});
  const Headers operator_key{{"x-api-key", "k"}};
  Client client(server.port());
  client.post(kMessages, prompt("x"), operator_key);
  for (int round = 0; round < 10; ++round) {
    const auto ticket = client.post("/v1/sessions/s/tickets", "{}", operator_key).at("/ticket");
    std::atomic<int> in{0};
    std::atomic<int> out{0};
    std::vector<std::thread> racers;
    for (int i = 0; i < 8; ++i)
      racers.emplace_back([&] {
        const auto status = Client(server.port()).get(kEvents + "?ticket=" + ticket).status;
        if (status == 200) ++in;
        if (status == 401) ++out;
      });
    for (auto& racer : racers) racer.join();
    CHECK(in == 1);
    CHECK(out == 7);
  }
}

TEST_CASE("a ticket and a key in one request are two credentials") {
  const Server server({"--auth", "required"}, {"HOLDFAST_OPERATOR_KEY=k"});
  const Headers operator_key{{"x-api-key", "k"}};
  Client client(server.port());
  client.post(kMessages, prompt("x"), operator_key);
  const auto ticket = client.post("/v1/sessions/s/tickets", "{}", operator_key).at("/ticket");
  CHECK(client.get(kEvents + "?ticket=" + ticket, operator_key).problem() == "400 ambiguous_credentials");
}

TEST_CASE("pages of events: limit, next, Link") {
  const Server server;
  Client client(server.port());
  for (int i = 0; i < 7; ++i) admit(client, "m" + std::to_string(i));
  auto page = client.get(kEvents + "?limit=3");
  CHECK(page.header("content-type").starts_with("application/json"));
  CHECK(ids_of(page) == from_to(1, 3));
  std::vector<std::uint64_t> walked = ids_of(page);
  while (page.at("/next") != "null" && walked.size() < 20) {
    // The Link is the next request as it is.
    const auto link = page.header("link");
    REQUIRE(link.starts_with("</v1/"));
    CHECK(link.ends_with(">; rel=\"next\""));
    const auto by_next = client.get(kEvents + "?limit=3&cursor=" + page.at("/next"));
    page = client.get(link.substr(1, link.find('>') - 1));
    CHECK(page.body == by_next.body);
    for (const auto id : ids_of(page)) walked.push_back(id);
  }
  CHECK(walked == from_to(1, 7));
  CHECK(page.header("link").empty());
  CHECK(client.get(kEvents + "?after=7").at("/items") == "[]");
  CHECK(client.get(kEvents + "?after=7").at("/next") == "null");
  CHECK(client.get(kEvents + "?limit=0").problem() == "400 invalid_request");
  CHECK(client.get(kEvents + "?limit=1001").problem() == "400 invalid_request");
  CHECK(client.get(kEvents + "?limit=x").problem() == "400 invalid_request");
  CHECK(client.get(kEvents + "?after=1&cursor=1").problem() == "400 invalid_request");
  CHECK(client.request("HEAD", kEvents).status == 200);
}

TEST_CASE("every event above the cursor comes once and in order while four writers go on") {
  constexpr int kWriters = 4;
  constexpr int kEach = 150;
  constexpr std::uint64_t kFirst = 3;
  const Server server({"--queue-capacity", "10000", "--io-threads", "4"});
  Client client(server.port());
  admit(client, "turn");
  const auto turn = claim(client);
  admit(client, "c");  // 1 queued, 2 dispatched, 3 queued

  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int w = 0; w < kWriters; ++w)
    threads.emplace_back([&, w] {
      Client writer(server.port());
      for (int i = 0; i < kEach; ++i) {
        const bool admits = (i + w) % 3 != 0;
        const auto status = admits ? admit(writer, std::to_string(w) + "-" + std::to_string(i)).status
                                   : report(writer, turn, 1 + i % 5).status;
        if (status / 100 != 2) ++refused;
      }
    });
  // Each reader stops at the last event of all, by its type.
  const std::string end = "end";
  std::map<std::string, std::vector<std::uint64_t>> seen;
  for (const std::string reader : {"sse", "reconnecting", "socket", "pages"}) seen[reader];
  std::vector<std::thread> readers;
  readers.emplace_back([&, &ids = seen["sse"]] {
    EventSource stream(server.port(), kEvents, {{"Last-Event-ID", std::to_string(kFirst)}}, 20'000);
    while (const auto event = stream.next()) {
      ids.push_back(event->id);
      if (event->type == end) return;
    }
  });
  readers.emplace_back([&, &ids = seen["reconnecting"]] {
    for (std::uint64_t at = kFirst;;) {
      EventSource stream(server.port(), kEvents, {{"Last-Event-ID", std::to_string(at)}}, 20'000);
      for (int i = 0; i < 40; ++i) {
        const auto event = stream.next();
        if (!event) return;
        ids.push_back(at = event->id);
        if (event->type == end) return;
      }
    }
  });
  readers.emplace_back([&, &ids = seen["socket"]] {
    WebSocket socket(server.port(), kEvents + "?after=" + std::to_string(kFirst));
    while (const auto event = socket.next()) {
      ids.push_back(event->id);
      if (event->type == end) return;
    }
  });
  readers.emplace_back([&, &ids = seen["pages"]] {
    Client paging(server.port());
    for (std::uint64_t at = kFirst;;) {
      const auto page = paging.get(kEvents + "?limit=7&after=" + std::to_string(at));
      if (page.status != 200) return;
      for (const auto id : ids_of(page)) ids.push_back(at = id);
      if (page.body.find("\"type\":\"end\"") != std::string::npos) return;
    }
  });
  for (auto& thread : threads) thread.join();
  CHECK(refused == 0);
  CHECK(report(client, turn, 1, end).status == 200);
  for (auto& reader : readers) reader.join();

  const auto all = ids_after(client, kFirst);
  std::uint64_t written = 1;
  for (int w = 0; w < kWriters; ++w)
    for (int i = 0; i < kEach; ++i) written += (i + w) % 3 != 0 ? 1 : 1 + i % 5;
  CHECK(all.size() == written);
  CHECK(std::set<std::uint64_t>(all.begin(), all.end()).size() == all.size());
  for (const auto& [reader, ids] : seen) {
    INFO(reader);
    CHECK(ids == all);
  }
}

}  // namespace holdfast::test
