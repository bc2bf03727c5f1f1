// Secrets are sealed in the vault and shown to the runtime that has the turn; to nobody and nothing else.
#include <sys/stat.h>

#include <filesystem>
#include <map>

#include "src/core/crypto.hpp"
#include "src/core/log.hpp"
#include "src/core/random.hpp"
#include "storage/open.hpp"
#include "storage/vault.hpp"
#include "tests/support/client.hpp"
#include "tests/support/server.hpp"
#include "tests/support/streams.hpp"

namespace holdfast::test {
namespace {

const std::string kSession = "/v1/sessions/s";
const std::string kMessages = kSession + "/messages";

// A secret as it is, in hex, and in base64 at each of the three places it can begin at.
std::vector<std::string> forms(const std::string& secret) {
  std::vector<std::string> all{secret, to_hex(secret)};
  for (std::size_t shift = 0; shift < 3; ++shift) {
    const auto text = to_base64url(std::string(shift, 'x') + secret);
    all.push_back(text.substr(4, text.size() - 8));
  }
  return all;
}
bool holds(const std::string& text, const std::string& secret) {
  for (const auto& form : forms(secret))
    if (text.find(form) != std::string::npos) return true;
  return false;
}
// The files below `directory` that hold these bytes.
std::vector<std::string> files_with(const std::string& directory, const std::string& bytes) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    if (read_file(entry.path().string()).find(bytes) != std::string::npos)
      found.push_back(entry.path().filename().string());
  }
  return found;
}
std::vector<std::string> files_showing(const std::string& directory, const std::string& secret) {
  std::vector<std::string> found;
  for (const auto& form : forms(secret))
    for (const auto& file : files_with(directory, form)) found.push_back(file);
  return found;
}

// Sends requests and keeps whatever came back, so that all of it can be searched.
class Recorder {
 public:
  explicit Recorder(int port) : port_(port) {}
  Reply request(const std::string& method, const std::string& path, const std::string& body = {},
                const Headers& headers = {}) {
    const auto reply = Client(port_).request(method, path, body, headers);
    note(method + " " + path, reply);
    return reply;
  }
  Reply get(const std::string& path, const Headers& headers = {}) { return request("GET", path, {}, headers); }
  Reply post(const std::string& path, const std::string& body, const Headers& headers = {}) {
    return request("POST", path, body, headers);
  }
  void note(const std::string& what, const Reply& reply) {
    std::string text = reply.body;
    for (const auto& [name, value] : reply.headers) text += "\n" + name + ": " + value;
    note(what, text);
  }
  void note(const std::string& what, const std::string& text) { answers_.emplace_back(what, text); }
  // The answers that show it.
  [[nodiscard]] std::vector<std::string> showing(const std::string& secret) const {
    std::vector<std::string> found;
    for (const auto& [what, text] : answers_)
      if (holds(text, secret)) found.push_back(what);
    return found;
  }

 private:
  int port_;
  std::vector<std::pair<std::string, std::string>> answers_;
};

using Nowhere = std::vector<std::string>;

std::string git(const std::string& token, const std::string& more = {}) {
  return R"({"repository":{"kind":"git","url":"https://example.com/r.git","git_token":")" + token + "\"}" + more + "}";
}
std::string callback(const std::string& header) {
  return R"("callback":{"url":"http://127.0.0.1:9/hook","headers":{"Authorization":"Bearer )" + header + "\"}}";
}

// The rows of a session in the vault of a store that no server has open.
std::vector<std::string> sealed_rows(const std::string& data, const std::string& session) {
  SystemRandom random;
  const auto logger = make_logger(LogLevel::off, LogFormat::text);
  auto opened = open_rocks(data, 1, random, *logger);
  REQUIRE(opened);
  std::vector<std::string> rows;
  const auto range = Vault::session_range({std::string(kDefaultProject), session});
  const auto scanned = opened->store->scan(Family::vault, range, [&](std::string_view, std::string_view value) {
    rows.emplace_back(value);
    return Visit::next;
  });
  REQUIRE(scanned);
  return rows;
}

// The files below `data` that hold one of the rows, when that is still so after a while.
std::vector<std::string> left_of(const std::vector<std::string>& rows, const std::string& data) {
  std::vector<std::string> left;
  for (int i = 0; i < 40; ++i) {
    left.clear();
    for (const auto& row : rows)
      for (const auto& file : files_with(data, row)) left.push_back(file);
    if (left.empty()) return left;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return left;
}

}  // namespace

TEST_CASE("no read, no error, no log and no file shows a git token or a callback header") {
  const std::string session_token = "canary-4be1d0c97a3f5628";
  const std::string message_token = "canary-91c7e2ab30d6f485";
  const std::string session_header = "canary-e05d6b18f4729ac3";
  const std::string message_header = "canary-27fa93c60eb1d854";
  const std::string mistaken = "canary-d83b5f7a1c49e260";  // in bodies that are refused
  const std::vector<std::string> secrets{session_token, message_token, session_header, message_header, mistaken};

  Server server({"--log-level", "debug", "--queue-capacity", "4"});
  Recorder api(server.port());
  REQUIRE(api.request("PUT", kSession, git("first", "," + callback("first"))).status == 201);
  auto events = std::make_unique<EventSource>(server.port(), kSession + "/events");
  auto socket = std::make_unique<WebSocket>(server.port(), kSession + "/events");
  REQUIRE(api.request("PATCH", kSession, git(session_token, "," + callback(session_header))).status == 200);
  const auto first = prompt("a", R"("id":"a","git_token":")" + message_token + "\"," + callback(message_header));
  CHECK(api.post(kMessages, first).at("/credential") == "stored");
  CHECK(api.post(kMessages, first).header("idempotency-replayed") == "true");
  CHECK(api.post(kMessages, prompt("other", R"("id":"a","git_token":")" + message_token + "\"")).status == 422);
  CHECK(api.post(kMessages + "/batch", "{\"messages\":[" + prompt("b", R"("id":"b",)" + callback(message_header)) +
                                           "," + prompt("c", R"("id":"c","git_token":")" + message_token + "\"") + "]}")
            .status == 202);
  CHECK(api.post(kMessages, prompt("d", R"("id":"d","if_seq":0,"git_token":")" + message_token + "\"")).status == 412);
  CHECK(
      api.post(kMessages, prompt("d", R"("id":"d","on_busy":"reject","git_token":")" + message_token + "\"")).status ==
      409);
  CHECK(api.post(kMessages, prompt("d", R"("id":"d")")).status == 202);
  CHECK(api.post(kMessages, prompt("e", R"("id":"e","git_token":")" + message_token + "\"")).status == 429);

  // Bodies that are refused show where, and not what.
  for (const auto& body :
       {prompt("x", "\"git_tokn\":\"" + mistaken + "\""), prompt("x", "\"git_token\":{\"token\":\"" + mistaken + "\"}"),
        prompt("x", "\"git_token\":[\"" + mistaken + "\"]"),
        prompt("x", "\"git_token\":\"" + mistaken + "\",\"git_token\":\"" + mistaken + "\""),
        prompt("x", "\"git_token\":\"" + mistaken + std::string(20'000, 'x') + "\""),
        prompt("x", "\"git_token\":\"" + mistaken + "\"") + mistaken,
        prompt("x", "\"git_token\":\"" + mistaken + "\",\"surprise\":1"), prompt("x", "\"git_token\":\"" + mistaken),
        prompt("x", "\"git_token\":\"" + mistaken + "\\x\""),
        prompt("x", R"("callback":{"url":"http://e.org","headers":{"X":")" + mistaken + "\\n\"}}"),
        prompt("x", R"("callback":{"url":"http://e.org","headers":{"X":[")" + mistaken + "\"]}}"),
        prompt("x", R"("callback":{"url":"ftp://e.org","headers":{"X":")" + mistaken + "\"}}"),
        prompt("x", R"("callback":{"url":"http://e.org","header":{"X":")" + mistaken + "\"}}")}) {
    INFO(body.substr(0, 200));
    CHECK(api.post("/v1/sessions/bad/messages", body).status / 100 == 4);
    CHECK(api.post("/v1/sessions/bad/messages/batch", "{\"messages\":[" + body + "]}").status / 100 == 4);
  }
  for (const auto& body :
       {R"({"repository":{"kind":"git","git_token":[")" + mistaken + "\"]}}",
        R"({"repository":{"kind":"svn","git_token":")" + mistaken + "\"}}",
        R"({"repository":{"kind":"git","token":")" + mistaken + "\"}}", R"({"git_token":")" + mistaken + "\"}",
        R"({"callback":{"url":"http://e.org","headers":{"Bad Name":")" + mistaken + "\"}}}"}) {
    INFO(body);
    CHECK(api.request("PUT", "/v1/sessions/bad", body).status == 400);
    CHECK(api.request("PATCH", kSession, body).status == 400);
    CHECK(api.post("/v1/sessions", body).status == 400);
  }
  CHECK(api.post("/v1/sessions/bad/messages", prompt(mistaken), {{"Content-Type", "text/plain"}}).status / 100 == 4);
  CHECK(api.get(kSession, {{"Authorization", "Bearer " + mistaken}, {"x-api-key", mistaken}}).status / 100 == 4);

  const auto claimed = Client(server.port()).post("/v1/claims", R"({"lease_ms":60000})");
  CHECK(claimed.at("/deliveries/0/credential/token") == message_token);
  auto around = claimed.body;
  around.replace(around.find(message_token), message_token.size(), "the token");
  api.note("around the credential of a claim", around);
  const Turn turn(claimed);
  api.post(turn.path("accept"), "{}", turn.lease);
  api.post(turn.path("heartbeat"), "{}", turn.lease);
  api.post(turn.path("fail"), R"({"code":"boom","retryable":false})", turn.lease);

  REQUIRE(api.post(kSession + "/fork", R"({"name":"f"})").status == 201);
  for (const auto& session : {kSession, std::string("/v1/sessions/f")}) {
    for (const std::string below : {"", "/messages", "/events?limit=1000", "/export"})
      CHECK(api.get(session + below).status == 200);
    CHECK(api.get(session, {{"Accept", "text/html"}}).status == 200);
  }
  for (const std::string id : {"a", "b", "c", "d"}) {
    CHECK(api.get(kMessages + "/" + id).status == 200);
    CHECK(api.get(kMessages + "/" + id + "/receipt").status == 200);
  }
  CHECK(api.request("PATCH", kMessages + "/b", R"({"priority":3})").status == 200);
  CHECK(api.request("DELETE", kMessages + "/d").status / 100 == 2);
  for (const std::string path : {"/v1/sessions", "/v1/dead-letters", "/metrics", "/v1/limits", "/v1/keys/receipts"})
    CHECK(api.get(path).status == 200);
  CHECK(api.post("/v1/sessions/import?name=copy", api.get(kSession + "/export").body).status == 201);
  CHECK(api.get("/v1/sessions/copy").at("/repository/credential") == "null");
  CHECK(api.post(kSession + "/queue", R"({"action":"pause"})").at("/status") == "paused");
  while (const auto event = events->next()) {
    api.note("SSE", event->envelope);
    if (event->type == "session.paused") break;
  }
  while (const auto event = socket->next()) {
    api.note("WebSocket", event->envelope);
    if (event->type == "session.paused") break;
  }
  events.reset();
  socket.reset();

  for (const auto& secret : secrets) {
    INFO(secret);
    CHECK(api.showing(secret) == Nowhere{});
    CHECK(files_showing(server.data(), secret) == Nowhere{});  // the log of the store among them
  }
  CHECK(server.terminate() == 0);
  server.start();  // the log of the store is read again, and tables are made of it
  CHECK(Client(server.port()).post(kSession + "/queue", R"({"action":"resume"})").status == 200);
  const auto again = Client(server.port()).post("/v1/claims", R"({"sessions":["s"]})");
  CHECK(again.at("/deliveries/0/credential/token") == message_token);
  CHECK(server.terminate() == 0);
  for (const auto& secret : secrets) {
    INFO(secret);
    CHECK_FALSE(holds(server.log(), secret));
    CHECK(files_showing(server.data(), secret) == Nowhere{});
  }
}

TEST_CASE("the operator's key and tickets are in no answer, log or file") {
  const std::string key = "canary-0f6c1e9d83ba2745";
  Server server({"--log-level", "debug", "--access-log", "all", "--auth", "required"},
                {"HOLDFAST_OPERATOR_KEY=" + key});
  Recorder api(server.port());
  const Headers with_key{{"Authorization", "Bearer " + key}};
  CHECK(api.post(kMessages, prompt("x"), with_key).status == 202);
  const auto ticket = Client(server.port()).post(kSession + "/tickets", "{}", with_key).at("/ticket");
  CHECK(api.get(kSession + "/events?ticket=" + ticket).status == 200);
  CHECK(api.get(kSession + "/events?ticket=" + ticket).status == 401);
  CHECK(api.get(kSession, {{"Authorization", "Basic " + key}}).status == 401);
  CHECK(api.get(kSession, {{"Authorization", "Bearer " + key + "x"}}).status == 401);
  CHECK(api.get(kSession, {{"Authorization", "Bearer " + key}, {"x-api-key", key}}).status == 400);
  for (const std::string path : {"/metrics", "/v1/limits", "/v1/sessions", "/nothing"}) api.get(path, with_key);
  CHECK(server.terminate() == 0);
  for (const auto& secret : {key, ticket}) {
    CHECK(api.showing(secret) == Nowhere{});
    CHECK_FALSE(holds(server.log(), secret));
    CHECK(files_showing(server.data(), secret) == Nowhere{});
  }
}

TEST_CASE("an older message that is sent again does not bring its older token back") {
  Server server;
  Client client(server.port());
  REQUIRE(client.request("PUT", kSession, git("zero")).status == 201);
  const auto a = prompt("a", R"("id":"a","git_token":"one")");
  CHECK(client.post(kMessages, a).at("/credential") == "stored");
  CHECK(client.post(kMessages, prompt("b", R"("id":"b","git_token":"two")")).at("/credential") == "stored");
  CHECK(client.post(kMessages, a).header("idempotency-replayed") == "true");
  server.kill9();
  server.start();
  Client after(server.port());
  const auto first = after.post("/v1/claims", "{}");
  CHECK(first.at("/deliveries/0/message/message") == "a");
  CHECK(first.at("/deliveries/0/credential/token") == "two");  // the current one at hand-out
  CHECK(first.at("/deliveries/0/credential/version") == "3");
}

TEST_CASE("a refused message leaves the credential as it was") {
  const Server server({"--queue-capacity", "1"});
  Client client(server.port());
  REQUIRE(client.request("PUT", kSession, git("kept")).status == 201);
  CHECK(client.post(kMessages, prompt("a")).status == 202);
  const auto token = [](const std::string& more) { return prompt("b", more + R"(,"git_token":"lost")"); };
  CHECK(client.post(kMessages, token(R"("id":"b")")).problem() == "429 queue_full");
  CHECK(client.post(kMessages, token(R"("if_seq":0)")).problem() == "412 conflict");
  CHECK(client.post(kMessages, token(R"("on_busy":"reject")")).problem() == "409 session_busy");
  CHECK(client.get(kSession).at("/repository/credential/version") == "1");
  CHECK(client.post("/v1/claims", "{}").at("/deliveries/0/credential/token") == "kept");
}

TEST_CASE("after a deletion a secret cannot be read again, by any way") {
  Server server;
  std::string exported;
  {
    Client client(server.port());
    REQUIRE(client.request("PUT", kSession, git("canary", "," + callback("canary"))).status == 201);
    for (const std::string id : {"a", "b"}) client.post(kMessages, prompt(id, "\"id\":\"" + id + "\""));
    const auto claimed = client.post("/v1/claims", R"({"lease_ms":60000})");
    CHECK(claimed.at("/deliveries/0/credential/token") == "canary");
    const Turn turn(claimed);
    exported = client.get(kSession + "/export").body;
    CHECK(client.request("DELETE", kSession).status == 204);
    CHECK(client.post(turn.path("heartbeat"), "{}", turn.lease).status / 100 == 4);
  }
  const auto check = [&] {
    Client client(server.port());
    CHECK(client.post("/v1/claims", "{}").status == 204);
    for (const std::string below : {"", "/messages", "/messages/a", "/events", "/export", "/messages/a/receipt"})
      CHECK(client.get(kSession + below).problem() == "410 gone");
    CHECK(client.post(kSession + "/fork", R"({"name":"f"})").problem() == "410 gone");
    CHECK(client.post(kSession + "/interrupt", "{}").problem() == "410 gone");
    CHECK(client.post(kMessages, prompt("x")).problem() == "410 gone");
    CHECK(client.request("PUT", kSession, "{}").problem() == "410 gone");
    CHECK(client.post("/v1/sessions/import", exported).status / 100 == 4);
  };
  check();
  server.kill9();
  server.start();
  check();
  Client client(server.port());
  CHECK(client.post("/v1/sessions/import?name=copy", exported).status == 201);
  CHECK(client.get("/v1/sessions/copy").at("/repository/credential") == "null");
  const auto copied = client.post("/v1/claims", "{}");
  CHECK(copied.status == 200);
  CHECK(copied.body.find("canary") == std::string::npos);
  CHECK(copied.at("/deliveries/0/credential") == "(none)");
}

TEST_CASE("a deletion takes the session's keys out of the vault, and leaves those of others") {
  Server server;
  {
    Client client(server.port());
    for (const std::string session : {"s", "other"})
      REQUIRE(client.request("PUT", "/v1/sessions/" + session, git("canary", "," + callback("canary"))).status == 201);
    client.post("/v1/sessions/other/messages", prompt("x"));
  }
  CHECK(server.terminate() == 0);
  CHECK(sealed_rows(server.data(), "s").size() >= 3);  // the session's key, the token, the headers
  server.start();
  CHECK(Client(server.port()).request("DELETE", kSession).status == 204);
  server.kill9();
  CHECK(sealed_rows(server.data(), "s").empty());
  CHECK(sealed_rows(server.data(), "other").size() >= 3);
  server.start();
  const auto claimed = Client(server.port()).post("/v1/claims", "{}");
  CHECK(claimed.at("/deliveries/0/session/session") == "other");
  CHECK(claimed.at("/deliveries/0/credential/token") == "canary");
}

TEST_CASE("after a deletion the sealed values leave the tables soon") {
  Server server;
  REQUIRE(Client(server.port()).request("PUT", kSession, git("canary")).status == 201);
  CHECK(server.terminate() == 0);
  const auto rows = sealed_rows(server.data(), "s");
  REQUIRE(rows.size() >= 2);
  server.start();  // makes a table of the log
  CHECK(Client(server.port()).request("DELETE", kSession).status == 204);
  CHECK(left_of(rows, server.data()) == Nowhere{});
}

TEST_CASE("after a deletion the sealed values leave the log of the store soon") {
  Server server;
  REQUIRE(Client(server.port()).request("PUT", kSession, git("canary")).status == 201);
  // The master key lies beside the store: whoever copies the disk can open what is there.
  const TemporaryDirectory directory;
  std::filesystem::copy(server.data(), directory / "copy", std::filesystem::copy_options::recursive);
  const auto rows = sealed_rows(directory / "copy", "s");
  REQUIRE(rows.size() >= 2);
  CHECK(Client(server.port()).request("DELETE", kSession).status == 204);
  CHECK(left_of(rows, server.data()) == Nowhere{});
}

TEST_CASE("the data directory is closed to others") {
  const Server server;
  struct stat info {};
  REQUIRE(::stat(server.data().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  REQUIRE(::stat((server.data() + "/master.key").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

}  // namespace holdfast::test
