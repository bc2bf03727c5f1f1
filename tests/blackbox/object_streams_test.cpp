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

TEST_CASE("an object of a streamed class reads its body") {
  const Server server(kHost);
  Client client(server.port());
  const std::string body(100'000, 'x');
  client.send("POST /v1/objects/echo/one HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n" + body);
  CHECK(unchunked(body_of(all_of(client))) == body + " 100000");
}

}  // namespace holdfast::test
