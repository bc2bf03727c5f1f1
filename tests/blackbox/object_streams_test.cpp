// Replies of objects in parts, on the host `streams_host`.
#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

const std::string kOne = "/v1/objects/download/one";
const Server::Example kHost{"streams_host"};

// The body of a chunked answer; nothing when its last chunk is missing.
std::optional<std::string> unchunked(std::string raw) {
  std::string body;
  for (;;) {
    const auto line = raw.find("\r\n");
    if (line == std::string::npos) return std::nullopt;
    const auto size = std::strtoull(raw.c_str(), nullptr, 16);
    if (raw.size() < line + 2 + size + 2) return std::nullopt;
    if (size == 0) return body;
    body += raw.substr(line + 2, size);
    raw.erase(0, line + 2 + size + 2);
  }
}

std::string all_of(Client& client) {
  std::string all;
  for (auto more = client.take(); !more.empty(); more = client.take()) all += more;
  return all;
}

std::string body_of(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

std::string get(const std::string& target, const std::string& version = "1.1") {
  return "GET " + target + " HTTP/" + version + "\r\nHost: t\r\n\r\n";
}

}  // namespace

TEST_CASE("a reply in parts: status and headers first, then each part, then what the handler returned") {
  const Server server(kHost);
  {
    Client client(server.port());
    client.send(get(kOne + "?parts=3&bytes=5"));
    const auto answer = all_of(client);
    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(answer.find("x-parts: 3\r\n") != std::string::npos);
    CHECK(unchunked(body_of(answer)) == "bbbbbcccccdddddend");
  }
  {
    Client old(server.port());
    old.send(get(kOne + "?parts=2&bytes=2", "1.0"));
    CHECK(body_of(all_of(old)) == "bbccend");
  }
  Client client(server.port());
  const auto head = client.request("HEAD", kOne + "?parts=2&bytes=2");
  CHECK(head.status == 200);
  CHECK(head.header("x-parts") == "2");
  CHECK(becomes([&] { return client.get(kOne + "/sent").body == "2"; }));  // the connection goes on
}

TEST_CASE("a handler that throws in the middle of its reply ends the connection without the last chunk") {
  const Server server(kHost);
  Client client(server.port());
  client.send(get(kOne + "?parts=3&bytes=5&fail=2"));
  const auto answer = all_of(client);
  CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK_FALSE(unchunked(body_of(answer)));
  CHECK(answer.find("ccccc") != std::string::npos);
  CHECK(Client(server.port()).get(kOne + "/sent").body == "2");
}

TEST_CASE("a slow reader slows its own reply: the server holds little of it, and it arrives whole") {
  const Server server(kHost, {"--stream-buffer-bytes-max", "65536"});
  constexpr std::uint64_t kParts = 1'024;
  Client slow(server.port(), 10'000, 4'096);
  const auto before = server.resident_kib();
  slow.send(get(kOne + "?parts=" + std::to_string(kParts) + "&bytes=65536"));
  Client other(server.port());
  REQUIRE(other.get(kOne + "/sent").status == 200);  // other events enter
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(std::stoull(other.get(kOne + "/sent").body) < kParts);
  constexpr std::uint64_t kGrowthKib = 48 << 10;
  CHECK(server.resident_kib() < before + kGrowthKib);
  const auto body = unchunked(body_of(all_of(slow)));
  REQUIRE(body);
  CHECK(body->size() == kParts * 65'536 + 3);
}

TEST_CASE("a client that leaves in the middle ends the handler, and the object goes on") {
  const Server server(kHost, {"--stream-buffer-bytes-max", "65536"});
  {
    Client leaving(server.port(), 10'000, 4'096);
    leaving.send(get(kOne + "?parts=100000&bytes=65536"));
    REQUIRE_FALSE(leaving.take().empty());
  }
  Client client(server.port());
  REQUIRE(becomes([&] {
    const auto sent = client.get(kOne + "/sent").body;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return client.get(kOne + "/sent").body == sent;
  }));
  CHECK(std::stoull(client.get(kOne + "/sent").body) < 100'000);
  Client again(server.port());
  again.send(get(kOne + "?parts=1&bytes=1"));
  CHECK(unchunked(body_of(all_of(again))) == "bend");
}

TEST_CASE("an object of a streamed class answers each part of a body before the next one is sent") {
  const Server server(kHost);
  Client client(server.port());
  client.send("POST /v1/objects/echo/one HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n");
  std::string answer;
  for (const auto* const part : {"abc", "def", "ghi"}) {
    client.send(part);
    while (answer.find(part) == std::string::npos) {
      const auto more = client.take();
      REQUIRE_FALSE(more.empty());
      answer += more;
    }
  }
  answer += all_of(client);
  CHECK(unchunked(body_of(answer)) == "abcdefghi 9");
}

TEST_CASE("a body in parts may be of any size and in chunks, and the server holds little of it") {
  const Server server(kHost, {"--body-bytes-max", "65536"});
  constexpr std::uint64_t kBytes = 64 << 20;
  constexpr std::uint64_t kPart = 1 << 20;
  constexpr std::uint64_t kGrowthKib = 24 << 10;
  Client client(server.port());
  const auto before = server.resident_kib();
  client.send("POST /v1/objects/upload/one HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (std::uint64_t sent = 0; sent < kBytes; sent += kPart)
    REQUIRE(client.send("100000\r\n" + std::string(kPart, 'x') + "\r\n"));
  client.send("0\r\n\r\n");
  CHECK(client.receive().body == std::to_string(kBytes));
  CHECK(server.resident_kib() < before + kGrowthKib);
  // The connection goes on, with a small body that is there at once, and behind it the next request.
  client.send("POST /v1/objects/upload/one HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello" +
              get("/v1/objects/upload/one/bytes"));
  CHECK(client.receive().body == "5");
  CHECK(client.receive().body == "5");
}

TEST_CASE("an object that leaves a body unread answers, and the connection ends") {
  const Server server(kHost);
  Client client(server.port());
  client.send("POST /v1/objects/upload/one?stop=3 HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\nabcd");
  const auto reply = client.receive();
  CHECK(reply.body == "4");
  CHECK(reply.header("connection") == "close");
  Client refused(server.port());
  refused.send("POST /v1/objects/upload/!! HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n");
  CHECK(refused.receive().status == 400);
}

TEST_CASE("a body in parts that breaks off, is malformed or does not come ends its handler") {
  const Server server(kHost, {"--body-timeout-ms", "300"});
  const std::string head = "POST /v1/objects/upload/one HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
  Client malformed(server.port());
  malformed.send(head + "3\r\nabc\r\nnonsense\r\n");
  CHECK(malformed.receive().problem() == "400 invalid_request");
  Client silent(server.port());
  silent.send(head + "3\r\nabc\r\n");
  CHECK(silent.receive().problem() == "408 request_timeout");
  Client half(server.port());
  half.send(head + "3\r\nabc\r\n");
  half.finish_sending();
  CHECK(half.receive().problem() == "410 gone");
  Client whole(server.port());
  whole.send(head + "3\r\nabc\r\n0\r\n\r\n");
  whole.finish_sending();
  CHECK(whole.receive().body == "3");
  {
    Client leaving(server.port());
    leaving.send(head + "7\r\nabcdefg\r\n");
    REQUIRE(becomes([&] { return Client(server.port()).get("/v1/objects/upload/one/bytes").body == "7"; }));
  }
  CHECK(Client(server.port()).get("/v1/objects/upload/one/bytes").body == "7");
}

TEST_CASE("a class whose name is percent-encoded in the path gets its body in parts, too") {
  const Server server(kHost, {"--body-bytes-max", "1000"});
  Client client(server.port());
  const std::string body(5'000, 'x');
  client.send("POST /v1/objects/%75pload/one HTTP/1.1\r\nHost: t\r\nContent-Length: 5000\r\n\r\n" + body);
  CHECK(client.receive().body == "5000");
}

TEST_CASE("after the head of a reply to HEAD an object reads nothing of the next request") {
  const Server server(kHost);
  Client client(server.port());
  client.send(
      "HEAD /v1/objects/echo/one HTTP/1.1\r\nHost: t\r\n\r\n"
      "POST /v1/objects/upload/one HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
  CHECK(client.receive(true).status == 200);
  CHECK(client.receive().body == "5");
}

TEST_CASE("a server that stops lets a reply in parts come to its end") {
  Server server(kHost);
  Client client(server.port());
  client.send("POST /v1/objects/echo/one HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nabc");
  std::string answer;
  while (answer.find("abc") == std::string::npos) answer += client.take();
  int code = -1;
  std::thread stopping([&] { code = server.terminate(); });
  CHECK(becomes([&] { return Client(server.port()).get("/livez").status == 0; }));  // nobody new is let in
  client.send("defghi");
  answer += all_of(client);
  stopping.join();
  CHECK(code == 0);
  CHECK(unchunked(body_of(answer)) == "abcdefghi 9");
}

TEST_CASE("a handshake of a WebSocket has no body") {
  const Server server(kHost);
  Client client(server.port());
  client.send(
      "GET /v1/objects/echo/one HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 3\r\n\r\nabc");
  CHECK(client.receive().problem() == "400 invalid_request");
}

TEST_CASE("a client may ask whether to send its body in parts") {
  const Server server(kHost);
  Client client(server.port());
  client.send("POST /v1/objects/upload/one HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  CHECK(client.receive().status == 100);
  client.send("abc");
  CHECK(client.receive().body == "3");
}

}  // namespace holdfast::test
