// The HTTP front as clients, proxies and operators meet it: contract sections 1 and 9, RFC 9110 and RFC 9112.
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <set>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"
#include "tests/support/streams.hpp"

namespace holdfast::test {
namespace {

const std::string kMessages = "/v1/sessions/s/messages";

std::string hex(std::size_t n) {
  std::array<char, 20> text{};
  std::snprintf(text.data(), text.size(), "%zx", n);
  return text.data();
}
// The whole of a POST with a body in chunks of `piece` bytes.
std::string chunked(const std::string& path, const std::string& body, std::size_t piece) {
  std::string text =
      "POST " + path + " HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (std::size_t at = 0; at < body.size(); at += piece) {
    const auto part = body.substr(at, piece);
    text += hex(part.size()) + "\r\n" + part + "\r\n";
  }
  return text + "0\r\n\r\n";
}
std::string post_text(const std::string& path, const std::string& body, const std::string& more = {}) {
  return "POST " + path + " HTTP/1.1\r\nHost: t\r\n" + more +
         "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
// A body that admits one message, padded to this many bytes.
std::string padded(std::size_t bytes) {
  const auto body = prompt("x");
  return body + std::string(bytes - body.size(), ' ');
}

std::set<std::string> methods(const std::string& allow) {
  std::set<std::string> all;
  for (std::size_t from = 0; from < allow.size();) {
    const auto comma = std::min(allow.find(", ", from), allow.size());
    all.insert(allow.substr(from, comma - from));
    from = comma + 2;
  }
  return all;
}
using Methods = std::set<std::string>;

}  // namespace

TEST_CASE("a connection is kept, unless one side says otherwise") {
  const Server server;
  Client kept(server.port());
  for (int i = 0; i < 5; ++i) CHECK(kept.get("/livez").status == 200);
  const auto last = kept.get("/livez", {{"Connection", "close"}});
  CHECK(last.status == 200);
  CHECK(last.header("connection") == "close");
  CHECK(kept.closed());

  Client old(server.port());
  old.send("GET /livez HTTP/1.0\r\n\r\n");
  CHECK(old.receive().status == 200);
  CHECK(old.closed());
  Client old_kept(server.port());
  for (int i = 0; i < 2; ++i) {
    old_kept.send("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(old_kept.receive().header("connection") == "keep-alive");
  }
  // An empty line before a request is nothing (RFC 9112 2.2), the absolute form of a target is a path (3.2.2).
  Client odd(server.port());
  odd.send("\r\nGET http://example.org/livez HTTP/1.1\r\nHost: example.org\r\n\r\n");
  CHECK(odd.receive().status == 200);
}

TEST_CASE("pipelined requests are answered in order, errors and waits among them") {
  const Server server({"--io-threads", "2"});
  Client client(server.port());
  std::string many;
  std::vector<int> expected;
  for (int i = 0; i < 20; ++i) {
    const auto id = "p" + std::to_string(i);
    switch (i % 5) {
      case 0: many += post_text(kMessages, prompt(id, "\"id\":\"" + id + "\""), "Request-Id: " + id + "\r\n"); break;
      case 1: many += "GET /nothing HTTP/1.1\r\nHost: t\r\nRequest-Id: " + id + "\r\n\r\n"; break;
      case 2: many += "HEAD /v1/limits HTTP/1.1\r\nHost: t\r\nRequest-Id: " + id + "\r\n\r\n"; break;
      case 3: many += post_text(kMessages, "{", "Request-Id: " + id + "\r\n"); break;
      default: many += post_text("/v1/claims", R"({"wait_ms":20,"sessions":["nobody"]})", "Request-Id: " + id + "\r\n");
    }
    constexpr std::array kStatus{202, 404, 200, 400, 204};
    expected.push_back(kStatus[static_cast<std::size_t>(i % 5)]);
  }
  client.send(many);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto reply = client.receive(i % 5 == 2);
    CHECK(reply.status == expected[i]);
    CHECK(reply.header("request-id") == "p" + std::to_string(i));
  }
  CHECK(Client(server.port()).get("/v1/sessions/s").at("/last_seq") == "4");

  // Byte by byte is the same as all at once.
  Client slow(server.port());
  for (const char c : post_text(kMessages, prompt("slow"), {}) + "GET /livez HTTP/1.1\r\nHost: t\r\n\r\n")
    slow.send(std::string_view(&c, 1));
  CHECK(slow.receive().at("/seq") == "5");
  CHECK(slow.receive().status == 200);
}

TEST_CASE("a request behind a pipelined wait is read as it was sent, once") {
  const Server server;
  Client client(server.port(), 3'000);
  // The second request is in the server's buffer while the first one waits; the third comes when both are answered.
  const auto second = post_text(kMessages, prompt("once"));
  client.send(post_text("/v1/claims", R"({"wait_ms":20,"sessions":["nobody"]})") + second);
  CHECK(client.receive().status == 204);
  CHECK(client.receive().at("/seq") == "1");
  const auto third = client.get("/livez", {{"X-Padding", std::string(second.size(), 'x')}});
  CHECK(third.status == 200);
  CHECK(third.at("/status") == "live");
  CHECK(Client(server.port()).get("/v1/sessions/s").at("/last_seq") == "1");
}

TEST_CASE("pipelined requests behind an answer of megabytes are answered too") {
  const Server server;
  Client client(server.port());
  const std::string big(100'000, 'x');
  for (int i = 0; i < 20; ++i) REQUIRE(client.post(kMessages, prompt(big)).status == 202);
  constexpr int kRequests = 5;
  Client late(server.port(), 3'000, 4'096);
  std::string many;
  for (int i = 0; i < kRequests; ++i) many += "GET " + kMessages + "?limit=20 HTTP/1.1\r\nHost: t\r\n\r\n";
  late.send(many);
  CHECK(client.post(kMessages, prompt("meanwhile")).status == 202);
  for (int i = 0; i < kRequests; ++i) {
    const auto reply = late.receive();
    REQUIRE(reply.status == 200);
    CHECK(reply.body.size() > 2'000'000);
  }
}

TEST_CASE("Expect: 100-continue is answered before the body, or refused in its place") {
  const Server server({"--body-bytes-max", "1000"});
  const std::string expect = "Expect: 100-continue\r\n";
  Client client(server.port());
  const auto body = prompt("x");
  const auto text = post_text(kMessages, body, expect);
  client.send(text.substr(0, text.size() - body.size()));
  CHECK(client.receive().status == 100);
  client.send(body);
  CHECK(client.receive().status == 202);
  // A body that comes along needs no 100.
  client.send(text);
  CHECK(client.receive().status == 202);
  client.send(text.substr(0, text.size() - body.size()));
  CHECK(client.receive().status == 100);
  client.send(body);
  CHECK(client.receive().status == 202);
  // The answer is known from the head: no 100 comes first.
  const auto over = post_text(kMessages, padded(1'001), expect);
  client.send(over.substr(0, over.size() - 1'001));
  CHECK(client.receive().problem() == "413 too_large");
}

TEST_CASE("the body limit, at its edge, with a length and in chunks") {
  const Server server({"--body-bytes-max", "1000"});
  Client client(server.port());
  CHECK(client.post(kMessages, padded(1'000)).status == 202);
  CHECK(Client(server.port()).post(kMessages, padded(1'001)).problem() == "413 too_large");
  for (const std::size_t piece : {1, 7, 999, 1'000}) {
    Client chunks(server.port());
    chunks.send(chunked(kMessages, padded(1'000), piece));
    CHECK(chunks.receive().status == 202);
    chunks.send(chunked(kMessages, padded(1'001), piece));
    const auto over = chunks.receive();
    CHECK(over.problem() == "413 too_large");
    CHECK(over.header("connection") == "close");
    CHECK(chunks.closed());
  }
  // The length alone is enough to refuse; nothing of that size is waited for, or kept.
  for (const std::string length : {"1001", "99999999999", "18446744073709551615"}) {
    Client promised(server.port());
    promised.send("POST " + kMessages + " HTTP/1.1\r\nHost: t\r\nContent-Length: " + length + "\r\n\r\n");
    CHECK(promised.receive().problem() == "413 too_large");
  }
  CHECK(client.get("/v1/sessions/s").at("/last_seq") == "5");
}

TEST_CASE("chunked bodies: extensions and trailers are dropped, nonsense is 400") {
  const Server server;
  const std::string head =
      "POST " + kMessages + " HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
  const auto body = prompt("x");
  const auto size = hex(body.size());
  const auto answer = [&](const std::string& text) {
    Client client(server.port(), 3'000);
    client.send(text);
    return client.receive();
  };
  CHECK(answer(head + "\r\n" + size + ";name=value\r\n" + body + "\r\n0\r\nX-Trailer: 1\r\n\r\n").status == 202);
  CHECK(answer(head + "\r\nzz\r\n" + body + "\r\n0\r\n\r\n").status == 400);
  CHECK(answer(head + "\r\n" + size + "\r\n" + body + "garbage\r\n0\r\n\r\n").status == 400);
  CHECK(answer(head + "\r\n-1\r\n" + body + "\r\n0\r\n\r\n").status == 400);
  CHECK(answer(head + "\r\nffffffffffffffffff\r\n" + body + "\r\n0\r\n\r\n").status / 100 == 4);
  // What two readers could read as two different requests is refused (RFC 9112 6.3).
  CHECK(answer(head + "Content-Length: 5\r\n\r\n" + size + "\r\n" + body + "\r\n0\r\n\r\n").status == 400);
  CHECK(answer("POST /livez HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab").status == 400);
  CHECK(answer("POST /livez HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n").status == 400);
  CHECK(answer("GET /livez HTTP/1.1\r\n\r\n").status == 400);
  CHECK(answer("GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").status == 400);
  CHECK(answer("GET /livez HTTP/1.1\r\nHost : a\r\n\r\n").status == 400);
  CHECK(answer("GET /livez HTTP/2.0\r\nHost: a\r\n\r\n").status / 100 != 2);
  const auto trailers =
      answer(head + "\r\n" + size + "\r\n" + body + "\r\n0\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n");
  CHECK(trailers.problem() == "431 headers_too_large");
}

TEST_CASE("a head over 16 KiB is 431, in one long line or many short ones") {
  const Server server;
  CHECK(Client(server.port()).get("/livez", {{"X-Long", std::string(15'000, 'x')}}).status == 200);
  CHECK(Client(server.port()).get("/livez", {{"X-Long", std::string(16'500, 'x')}}).problem() ==
        "431 headers_too_large");
  CHECK(Client(server.port()).get("/livez?" + std::string(17'000, 'x')).problem() == "431 headers_too_large");
  Headers many;
  for (int i = 0; i < 1'000; ++i) many["X-" + std::to_string(i)] = "0123456789";
  const auto refused = Client(server.port()).get("/livez", many);
  CHECK(refused.problem() == "431 headers_too_large");
  CHECK(refused.header("connection") == "close");
  Client endless(server.port());
  endless.send("GET /livez HTTP/1.1\r\nX: " + std::string(100'000, 'x'));  // a line that never ends
  CHECK(endless.receive().problem() == "431 headers_too_large");
}

TEST_CASE("slow and silent clients are timed out") {
  const Server server({"--header-timeout-ms", "300", "--body-timeout-ms", "300", "--keep-alive-timeout-ms", "300"});
  Client silent(server.port());
  CHECK(silent.closed());
  CHECK(silent.buffer().empty());
  Client idle(server.port());
  CHECK(idle.get("/livez").status == 200);
  CHECK(idle.closed());
  CHECK(idle.buffer().empty());
  Client head(server.port());
  head.send("GET /livez HTTP/1.1\r\nHost: t\r\nX-Slow: ");
  CHECK(head.receive().problem() == "408 request_timeout");
  // A byte now and then does not help.
  Client dripping(server.port());
  dripping.send("GET /livez HTTP/1.1\r\nHost: t\r\nX-Slow: ");
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    dripping.send("x");
  }
  CHECK(dripping.receive().problem() == "408 request_timeout");
  Client body(server.port());
  body.send("POST " + kMessages + " HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n{");
  CHECK(body.receive().problem() == "408 request_timeout");
  // A request that waits for its answer is not idle.
  Client waiting(server.port());
  CHECK(waiting.post("/v1/claims", R"({"wait_ms":900})").status == 204);
}

TEST_CASE("a client that takes no answer is cut off") {
  const Server server({"--write-timeout-ms", "300"});
  Client client(server.port());
  for (int i = 0; i < 40; ++i) REQUIRE(client.post(kMessages, prompt(std::string(200'000, 'x'))).status == 202);
  Client deaf(server.port(), 10'000, 4'096);
  std::string many;
  for (int i = 0; i < 4; ++i) many += "GET " + kMessages + "?limit=40 HTTP/1.1\r\nHost: t\r\n\r\n";
  deaf.send(many);
  bool cut = false;
  for (int i = 0; i < 500 && !cut; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cut = client.get("/metrics").body.find("\nholdfast_http_connections 1\n") != std::string::npos;
  }
  CHECK(cut);
  CHECK(deaf.closed());
  CHECK(deaf.buffer().size() < 4 * 8'000'000);
}

TEST_CASE("HEAD answers as GET does, without the body") {
  const Server server;
  Client client(server.port());
  client.post(kMessages, prompt("x", "\"id\":\"a\""));
  for (const std::string path : {"/livez", "/v1/limits", "/v1/sessions/s", "/v1/sessions", "/v1/sessions/s/messages/a",
                                 "/v1/sessions/s/events", "/errors/gone", "/openapi.json", "/nothing"}) {
    INFO(path);
    const auto get = client.get(path);
    const auto head = client.request("HEAD", path);
    CHECK(head.status == get.status);
    CHECK(head.body.empty());
    CHECK(head.header("content-length") == get.header("content-length"));
    CHECK(head.header("content-type") == get.header("content-type"));
    CHECK(head.header("etag") == get.header("etag"));
  }
  const auto refused = client.request("HEAD", "/v1/claims");
  CHECK(refused.status == 405);
  CHECK(client.get("/livez").status == 200);  // the connection is still in step
}

TEST_CASE("404, and 405 with the methods that there are") {
  const Server server;
  Client client(server.port());
  for (const std::string path :
       {"/", "/v1", "/v1/", "/livez/", "//livez", "/LIVEZ", "/v1/sessions/s/x", "/a/b/c/d/e/f/g/h/i/j", "/errors"})
    CHECK(client.get(path).problem() == "404 not_found");
  const auto refused = [&](const std::string& method, const std::string& path) {
    const auto reply = client.request(method, path, method == "POST" ? "{}" : "");
    CHECK(reply.problem() == "405 method_not_allowed");
    return methods(reply.header("allow"));
  };
  CHECK(refused("POST", "/v1/sessions/s") == Methods{"GET", "HEAD", "PUT", "PATCH", "DELETE"});
  CHECK(refused("DELETE", "/v1/sessions") == Methods{"GET", "HEAD", "POST"});
  CHECK(refused("GET", "/v1/claims") == Methods{"POST"});
  CHECK(refused("DELETE", "/livez") == Methods{"GET", "HEAD"});
  CHECK(refused("PUT", "/v1/sessions/s/messages/m") == Methods{"GET", "HEAD", "PATCH", "DELETE"});
  CHECK(refused("POST", "/v1/sessions/s/events") == Methods{"GET", "HEAD"});
  for (const std::string method : {"TRACE", "PROPFIND"}) CHECK(refused(method, "/livez") == Methods{"GET", "HEAD"});
  Client connecting(server.port());
  CHECK(connecting.request("CONNECT", "example.org:443").status / 100 == 4);
  Client unknown(server.port());
  CHECK(unknown.request("BREW", "/livez").status / 100 == 4);
  CHECK(client.request("OPTIONS", "/nothing").problem() == "404 not_found");
}

TEST_CASE("OPTIONS and CORS: listed origins may call, others see nothing of it") {
  const Server server({"--cors-origins", "https://app.example,http://localhost:3000", "--auth", "required"},
                      {"HOLDFAST_OPERATOR_KEY=k"});
  Client client(server.port());
  const auto preflight = [&](const std::string& origin, const std::string& method) {
    return client.request("OPTIONS", "/v1/sessions/s", "",
                          {{"Origin", origin},
                           {"Access-Control-Request-Method", method},
                           {"Access-Control-Request-Headers", "content-type,idempotency-key,authorization"}});
  };
  for (const std::string origin : {"https://app.example", "http://localhost:3000"}) {
    const auto allowed = preflight(origin, "PUT");
    CHECK(allowed.status == 204);
    CHECK(allowed.header("access-control-allow-origin") == origin);
    CHECK(methods(allowed.header("access-control-allow-methods")).contains("PUT"));
    const auto headers = allowed.header("access-control-allow-headers");
    for (const std::string header : {"Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Holdfast-Lease"})
      CHECK(headers.find(header) != std::string::npos);
    CHECK(allowed.header("vary").find("Origin") != std::string::npos);
  }
  for (const std::string origin : {"https://evil.example", "https://app.example.evil", "http://app.example", "null"}) {
    const auto other = preflight(origin, "PUT");
    CHECK(other.header("access-control-allow-origin").empty());
    CHECK(other.header("access-control-allow-methods").empty());
    CHECK(other.header("vary").find("Origin") != std::string::npos);
  }
  const auto plain = client.request("OPTIONS", "/v1/sessions/s");
  CHECK(plain.status == 204);
  CHECK(methods(plain.header("allow")) == Methods{"GET", "HEAD", "PUT", "PATCH", "DELETE"});

  // Answers, errors among them, can be read by the page that asked.
  const Headers from_page{{"Origin", "https://app.example"}, {"x-api-key", "k"}};
  const auto made = client.post(kMessages, prompt("x"), from_page);
  CHECK(made.status == 202);
  CHECK(made.header("access-control-allow-origin") == "https://app.example");
  CHECK(made.header("access-control-expose-headers").find("Request-Id") != std::string::npos);
  CHECK(client.get("/nothing", from_page).header("access-control-allow-origin") == "https://app.example");
  CHECK(client.get("/v1/sessions", {{"Origin", "https://app.example"}}).status == 401);
  CHECK(client.get("/v1/sessions", {{"Origin", "https://app.example"}}).header("access-control-allow-origin") ==
        "https://app.example");
  EventSource stream(server.port(), "/v1/sessions/s/events", from_page);
  CHECK(stream.head.header("access-control-allow-origin") == "https://app.example");

  const Server none;
  Client to_none(none.port());
  const auto ignored = to_none.get("/livez", {{"Origin", "https://app.example"}});
  CHECK(ignored.header("access-control-allow-origin").empty());
  const Server any({"--cors-origins", "*"});
  CHECK_FALSE(Client(any.port())
                  .get("/livez", {{"Origin", "https://x.example"}})
                  .header("access-control-allow-origin")
                  .empty());
}

TEST_CASE("Request-Id is on every answer, and each is another") {
  const Server server({"--body-bytes-max", "1000", "--header-timeout-ms", "200", "--io-threads", "3"});
  std::set<std::string> ids;
  std::size_t answers = 0;
  const auto note = [&](const Reply& reply, int status) {
    CHECK(reply.status == status);
    const auto id = reply.header("request-id");
    CHECK_FALSE(id.empty());
    ids.insert(id);
    ++answers;
  };
  const auto on_new = [&] { return std::make_unique<Client>(server.port()); };
  note(on_new()->get("/livez"), 200);
  note(on_new()->post(kMessages, prompt("x")), 202);
  note(on_new()->post("/v1/claims", R"({"sessions":["nobody"]})"), 204);
  note(on_new()->post(kMessages, "{"), 400);
  note(on_new()->get("/nothing"), 404);
  note(on_new()->request("DELETE", "/livez"), 405);
  note(on_new()->post(kMessages, padded(1'001)), 413);
  note(on_new()->get("/livez", {{"X", std::string(20'000, 'x')}}), 431);
  note(on_new()->request("OPTIONS", "/livez"), 204);
  note(on_new()->request("HEAD", "/livez"), 200);
  for (const std::string text : {"nonsense\r\n\r\n", "GET /livez"}) {
    const auto client = on_new();
    client->send(text);
    note(client->receive(), text == "GET /livez" ? 408 : 400);
  }
  note(EventSource(server.port(), "/v1/sessions/s/events").head, 200);
  note(WebSocket(server.port(), "/v1/sessions/s/events").head, 101);
  CHECK(ids.size() == answers);
  // A client's own is kept, when it is a name.
  CHECK(on_new()->get("/nothing", {{"Request-Id", "trace-7"}}).header("request-id") == "trace-7");
  CHECK(on_new()->get("/nothing", {{"Request-Id", "a b<script>"}}).header("request-id").starts_with("req_"));
  CHECK(on_new()->get("/nothing", {{"Request-Id", std::string(129, 'a')}}).header("request-id").starts_with("req_"));
}

TEST_CASE("connections over the limit are told so, and there is room again when one ends") {
  const Server server({"--connections-max", "4"});
  {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(std::make_unique<Client>(server.port()));
      CHECK(clients.back()->get("/livez").status == 200);
    }
    Client over(server.port());
    const auto refused = over.receive();
    CHECK(refused.problem() == "503 overloaded");
    CHECK_FALSE(refused.header("retry-after").empty());
    CHECK(over.closed());
    for (auto& client : clients) CHECK(client->get("/livez").status == 200);
  }
  bool room = false;
  for (int i = 0; i < 250 && !room; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    room = Client(server.port()).get("/livez").status == 200;
  }
  CHECK(room);
}

TEST_CASE("probes, metrics, limits and pages of errors") {
  const Server server({"--queue-capacity", "1"});
  Client client(server.port());
  CHECK(client.get("/livez").at("/status") == "live");
  CHECK(client.get("/readyz").at("/status") == "ready");
  CHECK(client.get("/readyz").header("content-type").starts_with("application/json"));
  client.post(kMessages, prompt("x"));
  client.post(kMessages, prompt("y"));
  const auto metrics = client.get("/metrics");
  CHECK(metrics.header("content-type").starts_with("text/plain"));
  CHECK(metrics.body.find("# TYPE ") != std::string::npos);
  CHECK(metrics.body.find("{route=\"POST /v1/sessions/{s}/messages\",status=\"2xx\"} 1\n") != std::string::npos);
  CHECK(metrics.body.find("{route=\"POST /v1/sessions/{s}/messages\",status=\"4xx\"} 1\n") != std::string::npos);
  CHECK(metrics.body.ends_with("\n"));

  const auto limits = client.get("/v1/limits");
  for (const std::string name : {"body_bytes_max", "header_bytes_max", "metadata_bytes_max", "content_bytes_max",
                                 "queue_capacity", "batch_events_max", "keep_alive_timeout_ms", "events_retain_count"})
    CHECK(limits.at("/" + name) != "(none)");

  // Whatever problem a client meets, its type is a page, for people and for programs.
  for (int code = 0; code < kErrorCodes; ++code) {
    const auto name = std::string(name_of(static_cast<ErrorCode>(code)));
    INFO(name);
    const auto page = client.get("/errors/" + name);
    CHECK(page.status == 200);
    CHECK(page.body.size() > 100);
  }
  CHECK(client.get("/errors/queue_full").header("content-type").starts_with("text/markdown"));
  const auto html = client.get("/errors/queue_full", {{"Accept", "text/html,*/*"}});
  CHECK(html.header("content-type").starts_with("text/html"));
  CHECK(html.body.starts_with("<!doctype html>"));
  CHECK(client.get("/errors/queue_full").header("x-content-type-options") == "nosniff");
  const auto full = client.post(kMessages, prompt("z"));
  CHECK(client.get(full.at("/type")).status == 200);
  CHECK(client.get("/errors/%3Cscript%3E").problem() == "404 not_found");
  CHECK(client.get("/errors/..%2F..%2Fetc%2Fpasswd").problem() == "404 not_found");
}

TEST_CASE("the OpenAPI document describes what the server answers to") {
  const Server server;
  Client client(server.port());
  const auto document = client.get("/openapi.json");
  REQUIRE(document.status == 200);
  for (const std::string path : {"/v1/sessions", "/v1/sessions/{s}", "/v1/sessions/{s}/messages", "/v1/claims",
                                 "/v1/sessions/{s}/events", "/v1/deliveries/{d}/complete"}) {
    std::string escaped;
    for (const char c : path) escaped += c == '/' ? std::string("~1") : std::string(1, c);
    CHECK(document.at("/paths/" + escaped) != "(none)");
  }
}

TEST_CASE("several I/O threads under load: every answer to its asker, every queue dense") {
  constexpr int kClients = 16;
  constexpr int kEach = 60;
  constexpr int kSessions = 5;
  const Server server({"--io-threads", "4"});
  std::atomic<int> wrong{0};
  std::array<std::array<std::atomic<int>, kClients * kEach + 1>, kSessions> seqs{};
  std::vector<std::thread> threads;
  for (int c = 0; c < kClients; ++c)
    threads.emplace_back([&, c] {
      Client client(server.port());
      for (int i = 0; i < kEach; ++i) {
        const auto session = (c + i) % kSessions;
        const auto path = "/v1/sessions/s" + std::to_string(session) + "/messages";
        const auto id = "m" + std::to_string(c) + "-" + std::to_string(i);
        const auto admitted = client.post(path, prompt(id, "\"id\":\"" + id + "\""), {{"Request-Id", "r-" + id}});
        if (admitted.status != 202 || admitted.at("/message") != id ||
            admitted.at("/session") != "s" + std::to_string(session) || admitted.header("request-id") != "r-" + id) {
          ++wrong;
          continue;
        }
        const auto seq = std::strtoull(admitted.at("/seq").c_str(), nullptr, 10);
        if (seq == 0 || seq > kClients * kEach) ++wrong;
        else ++seqs[static_cast<std::size_t>(session)][seq];
        if (i % 4 == 0 && client.get(path + "/" + id).at("/turn/content") != id) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  Client client(server.port());
  int total = 0;
  for (int s = 0; s < kSessions; ++s) {
    const auto last = std::atoi(client.get("/v1/sessions/s" + std::to_string(s)).at("/last_seq").c_str());
    for (int seq = 1; seq <= last; ++seq) CHECK(seqs[static_cast<std::size_t>(s)][static_cast<std::size_t>(seq)] == 1);
    total += last;
  }
  CHECK(total == kClients * kEach);
  CHECK(client.get("/metrics")
            .body.find("{route=\"POST /v1/sessions/{s}/messages\",status=\"2xx\"} " + std::to_string(total) + "\n") !=
        std::string::npos);
}

TEST_CASE("SIGTERM: what was begun is answered, waits end 503, nothing new gets in, and the exit code is 0") {
  Server server({"--io-threads", "2"});
  const auto port = server.port();
  Client begun(port);
  const auto body = prompt("in flight", "\"id\":\"a\"");
  const auto text = post_text(kMessages, body);
  begun.send(text.substr(0, text.size() - 5));
  Client probing(port);
  probing.send("GET /readyz HTTP/1.1\r\nHost: t\r\nX-Begun: ");
  Client waiting(port);
  waiting.send(post_text("/v1/claims", R"({"wait_ms":30000})"));
  Client idle(port);
  CHECK(idle.get("/livez").status == 200);
  int code = -1;
  std::thread stopping([&] { code = server.terminate(); });
  const auto woken = waiting.receive();
  CHECK(woken.problem() == "503 shutting_down");
  CHECK(woken.header("connection") == "close");
  CHECK_FALSE(woken.header("retry-after").empty());
  CHECK(idle.closed());
  CHECK(idle.buffer().empty());
  CHECK_FALSE(Client(port).connected());
  probing.send("1\r\n\r\n");
  const auto not_ready = probing.receive();
  CHECK(not_ready.problem() == "503 shutting_down");
  CHECK(not_ready.at("/status") == "draining");
  CHECK_FALSE(not_ready.header("retry-after").empty());
  begun.send(text.substr(text.size() - 5));
  const auto answered = begun.receive();
  CHECK(answered.status == 202);
  CHECK(answered.header("connection") == "close");
  stopping.join();
  CHECK(code == 0);

  server.start();
  Client after(server.port());
  CHECK(after.get(kMessages + "/a").at("/turn/content") == "in flight");
  CHECK(after.get("/readyz").status == 200);
}

TEST_CASE("SIGTERM under load: what was acknowledged is there after a clean start") {
  Server server({"--io-threads", "2", "--queue-capacity", "100000"});
  std::array<std::set<std::string>, 8> acknowledged;
  std::array<int, 8> refused{};
  std::vector<std::thread> threads;
  for (std::size_t c = 0; c < acknowledged.size(); ++c)
    threads.emplace_back([&, c] {
      Client client(server.port());
      for (int i = 0;; ++i) {
        const auto id = "m" + std::to_string(c) + "-" + std::to_string(i);
        const auto reply = client.post(kMessages, prompt(id, "\"id\":\"" + id + "\""));
        if (reply.status == 202) acknowledged[c].insert(id);
        else if (reply.status != 0 && reply.status != 503) ++refused[c];
        if (reply.status != 202 || reply.header("connection") == "close") return;
      }
    });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(server.terminate() == 0);
  for (auto& thread : threads) thread.join();
  for (const auto n : refused) CHECK(n == 0);
  server.start();
  Client client(server.port());
  std::set<std::string> there;
  std::string cursor;
  do {
    const auto page = client.get(kMessages + "?limit=1000" + (cursor.empty() ? "" : "&cursor=" + cursor));
    json::Parser parser;
    const auto parsed = parser.parse(page.body);
    json::Array items;
    REQUIRE(parsed);
    REQUIRE(parsed->at_key("items").get(items) == simdjson::SUCCESS);
    for (const auto item : items) there.emplace(std::string_view(item.at_key("message")));
    cursor = page.at("/next");
  } while (cursor != "null" && cursor != "(none)");
  std::size_t all = 0;
  for (const auto& ids : acknowledged) {
    all += ids.size();
    CHECK(std::includes(there.begin(), there.end(), ids.begin(), ids.end()));
  }
  CHECK(all > 0);
}

TEST_CASE("a stop does not wait for clients that keep their side open") {
  Server server;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<Client>(server.port()));
    CHECK(clients.back()->get("/livez").status == 200);
  }
  const auto begin = std::chrono::steady_clock::now();
  CHECK(server.terminate() == 0);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(8));
}

TEST_CASE("what cannot be configured is exit 2, with what to do; a locked store is exit 3") {
  const TemporaryDirectory directory;
  const auto serve = [&](std::vector<std::string> options, const std::vector<std::string>& environment = {}) {
    std::vector<std::string> words{"serve", "--data", directory / "data"};
    words.insert(words.end(), options.begin(), options.end());
    return run(std::move(words), environment);
  };
  const auto refused = [&](const std::vector<std::string>& options, const std::string& says,
                           const std::vector<std::string>& environment = {}) {
    const auto ended = serve(options, environment);
    INFO(ended.errors);
    CHECK(ended.code == 2);
    CHECK(ended.errors.find(says) != std::string::npos);
    CHECK(ended.output.empty());
  };
  const std::string free_port = "127.0.0.1:0";
  refused({"--surprise", "1"}, "surprise");
  refused({"--io-threads", "many"}, "--io-threads");
  refused({"--io-threads", "257"}, "--io-threads");
  refused({"--durability", "perhaps"}, "--durability");
  refused({"--retry-default-ms", "1,x"}, "--retry-default-ms");
  refused({"--queue-capacity", "-1"}, "--queue-capacity");
  refused({"--queue-capacity", "99999999999999999999999"}, "--queue-capacity");
  refused({}, "HOLDFAST_QUEUE_CAPACITY", {"HOLDFAST_QUEUE_CAPACITY=lots"});
  for (const std::string listen : {"nonsense", "127.0.0.1", "127.0.0.1:", ":8080", "127.0.0.1:65536", "127.0.0.1:x"})
    refused({"--listen", listen}, "--listen");
  for (const std::string listen : {"0.0.0.0:0", "[::]:0", "192.0.2.1:0"})
    refused({"--listen", listen}, "--auth required");
  refused({"--auth", "required", "--listen", free_port}, "HOLDFAST_OPERATOR_KEY");

  const auto file = directory / "c.toml";
  const auto config = [&](const std::string& text, const std::string& says) {
    std::ofstream(file) << text;
    refused({"--config", file}, says);
  };
  config("queue_capacity = 5\nsurprise = 1\n", "surprise");
  config("[table]\nqueue_capacity = 5\n", "table");
  config("queue_capacity = \n", "c.toml:1");
  config("queue_capacity = \"lots\"\n", "queue_capacity");
  refused({"--config", directory / "missing.toml"}, "missing.toml");

  const auto secret = [&](const std::string& name, const std::string& text, mode_t mode) {
    const auto path = directory / name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  };
  const std::string key(32, 'k');
  refused({"--master-key-file", secret("k1", key, 0640), "--listen", free_port}, "chmod 600");
  refused({"--master-key-file", secret("k2", key, 0604), "--listen", free_port}, "chmod 600");
  refused({"--master-key-file", secret("k3", "short", 0600), "--listen", free_port}, "32 bytes");
  refused({"--master-key-file", directory / "none", "--listen", free_port}, "none");
  refused({"--auth", "required", "--listen", free_port}, "chmod 600",
          {"HOLDFAST_OPERATOR_KEY_FILE=" + secret("k4", "operator\n", 0644)});

  Server server;
  const auto key_file = server.data() + "/master.key";
  struct stat info {};
  REQUIRE(::stat(key_file.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK(info.st_size == 32);
  const auto locked = run({"serve", "--data", server.data(), "--listen", free_port});
  CHECK(locked.code == 3);
  CHECK(locked.output.empty());
  INFO(locked.errors);
  CHECK(locked.errors.find("another data directory") != std::string::npos);
  const auto taken = serve({"--listen", server.url().substr(7)});
  CHECK(taken.code == 2);
  CHECK(taken.errors.find("cannot listen") != std::string::npos);
  CHECK(Client(server.port()).get("/livez").status == 200);
  CHECK(server.terminate() == 0);
  ::chmod(key_file.c_str(), 0644);
  const auto open_key = run({"serve", "--data", server.data(), "--listen", free_port});
  CHECK(open_key.code == 2);
  CHECK(open_key.errors.find("chmod 600") != std::string::npos);
  ::chmod(key_file.c_str(), 0600);
  server.start();
  CHECK(server.terminate() == 0);
}

TEST_CASE("a store refuses a master key that is not its own, and loses nothing by it") {
  Server server;
  const auto key = read_file(server.data() + "/master.key");
  Client(server.port()).request("PUT", "/v1/sessions/s", R"({"repository":{"kind":"git","git_token":"t"}})");
  Client(server.port()).post(kMessages, prompt("x"));
  CHECK(server.terminate() == 0);
  std::ofstream(server.data() + "/master.key", std::ios::binary) << std::string(32, 'z');
  const auto refused = run({"serve", "--data", server.data(), "--listen", "127.0.0.1:0"});
  CHECK(refused.code == 2);
  CHECK(refused.errors.find("does not belong to the store") != std::string::npos);
  std::ofstream(server.data() + "/master.key", std::ios::binary) << key;
  server.start();
  CHECK(Client(server.port()).post("/v1/claims", "{}").at("/deliveries/0/credential/token") == "t");
}

}  // namespace holdfast::test
