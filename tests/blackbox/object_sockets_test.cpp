// WebSockets to objects (contract section 6), on the example `chat_room`.
#include "tests/support/client.hpp"
#include "tests/support/server.hpp"
#include "tests/support/streams.hpp"

namespace holdfast::test {
namespace {

const std::string kRoom = "/v1/objects/chat_room/lobby";
const Server::Example kChatRoom{"chat_room"};
constexpr int kText = 0x1;
constexpr int kBinary = 0x2;
constexpr int kClose = 0x8;
constexpr int kPing = 0x9;

Headers upgrade(const std::string& version = "13") {
  return {{"Upgrade", "websocket"},
          {"Connection", "Upgrade"},
          {"Sec-WebSocket-Version", version},
          {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
}

// "3 ann: hello"
std::string said(WebSocket& socket) {
  const auto event = socket.next();
  if (!event) return "nothing";
  return event->at("/n") + " " + event->at("/from") + ": " + event->at("/text");
}

}  // namespace

TEST_CASE("a room: everybody hears everything once, in one order, and the history survives kill -9") {
  Server server(kChatRoom);
  {
    WebSocket ann(server.port(), kRoom + "?name=ann");
    WebSocket bob(server.port(), kRoom + "?name=bob");
    WebSocket elsewhere(server.port(), "/v1/objects/chat_room/other");
    REQUIRE(ann.head.status == 101);
    CHECK(ann.head.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    ann.send(kText, "hello");
    CHECK(said(ann) == "1 ann: hello");
    bob.send(kText, "\"quoted\"\n");
    for (auto* one : {&ann, &bob}) {
      if (one == &bob) CHECK(said(*one) == "1 ann: hello");
      CHECK(said(*one) == "2 bob: \"quoted\"\n");
    }
    elsewhere.send(kText, "alone");
    CHECK(said(elsewhere) == "1 somebody: alone");
    CHECK(Client(server.port()).get(kRoom + "/who").body == R"({"names":["ann","bob"]})");
  }
  server.kill9();
  server.start();
  Client client(server.port());
  const auto history = client.get(kRoom + "/history");
  CHECK(history.count("/messages") == 2);
  CHECK(history.at("/messages/0/text") == "hello");
  CHECK(history.at("/messages/1/from") == "bob");
  CHECK(client.get(kRoom + "/history?limit=1").at("/messages/0/n") == "2");
  CHECK(client.get(kRoom + "/history?before=2").at("/messages/0/n") == "1");
  CHECK(client.get(kRoom + "/who").body == R"({"names":[]})");
}

TEST_CASE("a connection stays open while its room is out of memory, and knows its name afterwards") {
  const Server server(kChatRoom, {"--idle-evict-ms", "100"});
  Client client(server.port());
  WebSocket ann(server.port(), kRoom + "?name=ann");
  for (std::uint64_t round = 1; round <= 3; ++round) {
    REQUIRE(becomes([&] { return metric(client, "holdfast_live_objects") == 0; }));
    CHECK(metric(client, "holdfast_evictions_total") == round);
    ann.send(kText, "ping");  // answered without the room
    CHECK(ann.text() == "pong");
    CHECK(metric(client, "holdfast_live_objects") == 0);
    ann.send(kText, "again");
    CHECK(said(ann) == std::to_string(round) + " ann: again");
  }
}

TEST_CASE("what one client says without waiting arrives in order, and none of it twice") {
  const Server server(kChatRoom);
  WebSocket ann(server.port(), kRoom + "?name=ann");
  WebSocket bob(server.port(), kRoom + "?name=bob");
  constexpr int kMessages = 1'000;
  for (int i = 1; i <= kMessages; ++i) ann.send(kText, std::to_string(i));
  for (int i = 1; i <= kMessages; ++i) {
    const auto n = std::to_string(i);
    REQUIRE(said(bob) == n + " ann: " + n);
  }
}

TEST_CASE("handshakes that an object or RFC 6455 refuses") {
  const Server server(kChatRoom);
  Client client(server.port());
  CHECK(client.get(kRoom, upgrade("12")).problem() == "400 invalid_request");
  CHECK(client.get("/v1/objects/ghost/lobby", upgrade()).problem() == "404 not_found");
  CHECK(client.get("/v1/objects/chat_room/no%20name", upgrade()).problem() == "400 invalid_name");
  CHECK(client.request("POST", kRoom, "", upgrade()).problem() == "400 invalid_request");
  CHECK(client.get(kRoom + "/history").status == 200);  // the connection is still good
  const Server counter(Server::Example{"counter"});
  CHECK(Client(counter.port()).get("/v1/objects/counter/one", upgrade()).problem() == "400 invalid_request");
}

TEST_CASE("every end of a connection: too much, not text, the client's close, the server's") {
  Server server(kChatRoom, {"--websocket-message-bytes-max", "1000"});
  Client client(server.port());
  WebSocket ann(server.port(), kRoom + "?name=ann");
  ann.send(kText, std::string(1'000, 'x'));
  CHECK(said(ann) == "1 ann: " + std::string(1'000, 'x'));
  ann.send(kText, std::string(1'001, 'x'));
  CHECK_FALSE(ann.next());
  CHECK(ann.close_code == 1009);

  WebSocket bob(server.port(), kRoom + "?name=bob");
  bob.send(kPing, "are you there");
  CHECK_FALSE(bob.next());
  CHECK(bob.pong == "are you there");
  bob.send(kBinary, "\x01\x02");
  CHECK_FALSE(bob.next());
  CHECK(bob.close_code == 1003);

  WebSocket cyd(server.port(), kRoom + "?name=cyd");
  REQUIRE(becomes([&] { return client.get(kRoom + "/who").body == R"({"names":["cyd"]})"; }));
  cyd.send(kClose, std::string("\x03\xE8", 2));
  CHECK_FALSE(cyd.next());
  CHECK(cyd.close_code == 1000);
  CHECK(becomes([&] { return client.get(kRoom + "/who").body == R"({"names":[]})"; }));

  {
    WebSocket gone(server.port(), kRoom + "?name=gone");
    REQUIRE(client.get(kRoom + "/who").body == R"({"names":["gone"]})");
  }
  CHECK(becomes([&] { return client.get(kRoom + "/who").body == R"({"names":[]})"; }));

  WebSocket last(server.port(), kRoom);
  int code = -1;
  std::thread stopping([&] { code = server.terminate(); });
  CHECK_FALSE(last.next());
  CHECK(last.close_code == 1001);
  stopping.join();
  CHECK(code == 0);
}

TEST_CASE("a client that reads nothing is cut, and nobody waits for it") {
  const Server server(kChatRoom, {"--write-timeout-ms", "2000", "--stream-buffer-bytes-max", "262144"});
  Client client(server.port());
  WebSocket slow(server.port(), kRoom + "?name=slow", {}, 4'096);
  WebSocket ann(server.port(), kRoom + "?name=ann");
  const std::string big(100'000, 'x');
  for (int i = 1; i <= 100; ++i) {
    ann.send(kText, big);
    REQUIRE(said(ann) == std::to_string(i) + " ann: " + big);
  }
  CHECK(becomes([&] { return client.get(kRoom + "/who").body == R"({"names":["ann"]})"; }));
}

}  // namespace holdfast::test
