// Contract sections 1 and 3 over HTTP: every row with its exact status and code.
#include <filesystem>

#include "src/core/crypto.hpp"
#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

const std::string kMessages = "/v1/sessions/s/messages";

std::string nested(int depth) {
  // The body, `turn` and `content` are three levels; the rest are arrays.
  const auto arrays = static_cast<std::size_t>(depth - 2);
  return "{\"turn\":{\"kind\":\"prompt\",\"content\":" + std::string(arrays, '[') + std::string(arrays, ']') + "}}";
}

}  // namespace

TEST_CASE("bad bodies are refused with the place, and nothing is written") {
  const Server server;
  Client client(server.port());
  const auto post = [&](const std::string& body) { return client.post(kMessages, body).problem(); };
  CHECK(post("{") == "400 invalid_body");
  CHECK(post("[]") == "400 invalid_body");
  CHECK(post(prompt("x") + " garbage") == "400 invalid_body");
  CHECK(post(prompt("x", "\"surprise\":1")) == "400 invalid_body /surprise");
  CHECK(post(prompt("x", "\"priority\":\"9\"")) == "400 invalid_body /priority");
  CHECK(post(prompt("x", "\"priority\":10")) == "400 invalid_body /priority");
  CHECK(post(prompt("x", "\"author\":\"a\",\"author\":\"b\"")) == "400 invalid_body /author");
  CHECK(post(R"({"turn":{"kind":"prompt","content":"x","kind":"prompt"}})") == "400 invalid_body /turn/kind");
  CHECK(post(R"({"turn":{"kind":"shout","content":"x"}})") == "400 invalid_body /turn/kind");
  CHECK(post(R"({"turn":{"kind":"prompt","content":""}})").substr(0, 16) == "400 invalid_body");
  CHECK(
      post(
          R"({"turn":{"kind":"command","content":"x","attachments":[{"name":"a","url":"https://e.org","media_type":"t/x"}]}})")
          .substr(0, 16) == "400 invalid_body");
  CHECK(post("{}").substr(0, 16) == "400 invalid_body");
  CHECK(post("{\"turn\":{\"kind\":\"prompt\",\"content\":\"\xff\"}}") == "400 invalid_body");
  CHECK(post(prompt("x", "\"on_busy\":\"maybe\"")) == "400 invalid_body /on_busy");
  CHECK(post(prompt("x", "\"id\":\"no spaces\"")).substr(0, 4) == "400 ");
  CHECK(client.post(kMessages, nested(64)).status == 202);
  CHECK(post(nested(65)).substr(0, 16) == "400 invalid_body");
  CHECK(client.get("/v1/sessions/s").at("/last_seq") == "1");
}

TEST_CASE("problems have one shape") {
  const Server server;
  Client client(server.port());
  const auto reply = client.post(kMessages, "{");
  CHECK(reply.header("content-type").starts_with("application/problem+json"));
  CHECK(reply.at("/type") == "/errors/invalid_body");
  CHECK(reply.at("/status") == "400");
  CHECK(reply.at("/retryable") == "false");
  CHECK_FALSE(reply.header("request-id").empty());
  CHECK(client.get("/errors/invalid_body").status == 200);
  CHECK(client.get("/errors/nothing").status == 404);
}

TEST_CASE("names") {
  const Server server;
  Client client(server.port());
  const std::string longest(128, 'a');
  CHECK(client.post("/v1/sessions/" + longest + "/messages", prompt("x")).status == 202);
  for (const auto& name : {longest + "a", std::string("_a"), std::string("a%20b"), std::string("-")})
    CHECK(client.post("/v1/sessions/" + name + "/messages", prompt("x")).problem() == "400 invalid_name");
}

TEST_CASE("limits, at their edge") {
  const Server server({"--queue-capacity", "2"});
  Client client(server.port());
  const std::string fits(256 * 1024, 'x');
  CHECK(client.post("/v1/sessions/a/messages", prompt(fits)).status == 202);
  CHECK(client.post("/v1/sessions/a/messages", prompt(fits + "x")).problem() == "413 too_large /turn/content");
  const std::string metadata = "\"metadata\":{\"a\":\"" + std::string(64 * 1024 - 8, 'x') + "\"}";
  CHECK(client.post("/v1/sessions/b/messages", prompt("x", metadata)).status == 202);
  const std::string over = "\"metadata\":{\"a\":\"" + std::string(64 * 1024 - 7, 'x') + "\"}";
  CHECK(client.post("/v1/sessions/b/messages", prompt("x", over)).problem() == "413 too_large /metadata");
  CHECK(client.post("/v1/sessions/c/messages", prompt("1")).status == 202);
  CHECK(client.post("/v1/sessions/c/messages", prompt("2")).status == 202);
  const auto full = client.post("/v1/sessions/c/messages", prompt("3"));
  CHECK(full.problem() == "429 queue_full");
  CHECK_FALSE(full.header("retry-after").empty());
  CHECK(Client(server.port()).post("/v1/sessions/d/messages", std::string(1 << 20, ' ')).status == 400);
  CHECK(Client(server.port()).post("/v1/sessions/d/messages", std::string((1 << 20) + 1, ' ')).problem() ==
        "413 too_large");
  CHECK(Client(server.port()).get("/v1/limits", {{"X-Long", std::string(17'000, 'x')}}).problem() ==
        "431 headers_too_large");
  CHECK(Client(server.port()).get("/v1/limits").at("/queue_capacity") == "2");
}

TEST_CASE("the 202, and its replay") {
  const Server server({"--queue-capacity", "1"});
  Client client(server.port());
  const auto body = prompt("hello", "\"id\":\"m-1\"");
  const auto first = client.post(kMessages, body);
  CHECK(first.status == 202);
  CHECK(first.at("/message") == "m-1");
  CHECK(first.at("/session") == "s");
  CHECK(first.at("/seq") == "1");
  CHECK(first.at("/delivery") == "queued");
  CHECK(first.at("/outcome") == "enqueued");
  CHECK(first.at("/position") == "1");
  CHECK(first.at("/body_hash") ==
        "sha256:" + to_hex(sha256(R"({"id":"m-1","turn":{"content":"hello","kind":"prompt"}})")));
  CHECK(first.header("idempotency-replayed").empty());

  // The same again: also with other white space and member order, with a new token, and on a full queue.
  const auto again =
      client.post(kMessages, R"( {"git_token":"t", "id":"m-1","turn":{"content":"hello", "kind":"prompt"}} )");
  CHECK(again.status == 202);
  CHECK(again.header("idempotency-replayed") == "true");
  CHECK(again.at("/seq") == "1");
  CHECK(again.at("/admitted_at") == first.at("/admitted_at"));
  CHECK(client.post(kMessages, prompt("other", "\"id\":\"m-1\"")).problem() == "422 idempotency_mismatch");
  CHECK(client.post(kMessages, prompt("next")).problem() == "429 queue_full");

  const auto keyed = client.post("/v1/sessions/k/messages", prompt("x"), {{"Idempotency-Key", "key-1"}});
  CHECK(keyed.at("/message") == "key-1");
  CHECK(client.post("/v1/sessions/k/messages", prompt("x"), {{"Idempotency-Key", "key-1"}})
            .header("idempotency-replayed") == "true");
  const auto minted = client.post("/v1/sessions/n/messages", prompt("x"));
  CHECK(minted.at("/message").size() == 36);
  CHECK(minted.at("/message").starts_with("msg_"));
}

TEST_CASE("checks come in their order: idempotency, if_seq, overlap, capacity") {
  const Server server({"--queue-capacity", "1"});
  Client client(server.port());
  CHECK(client.post(kMessages, prompt("a", "\"id\":\"a\"")).status == 202);
  CHECK(client.post(kMessages, prompt("b", "\"id\":\"a\",\"if_seq\":9,\"on_busy\":\"reject\"")).problem() ==
        "422 idempotency_mismatch");
  const auto conflict = client.post(kMessages, prompt("b", "\"if_seq\":0,\"on_busy\":\"reject\""));
  CHECK(conflict.problem() == "412 conflict");
  CHECK(conflict.at("/markers/0/message") == "a");
  CHECK(conflict.at("/markers/0/seq") == "1");
  CHECK(conflict.at("/markers/0/body_hash").starts_with("sha256:"));
  CHECK(client.post(kMessages, prompt("b", "\"if_seq\":1,\"on_busy\":\"reject\"")).problem() == "409 session_busy");
  CHECK(client.post(kMessages, prompt("b", "\"if_seq\":1")).problem() == "429 queue_full");
  CHECK(client.post(kMessages, prompt("b", "\"if_seq\":1,\"on_busy\":\"replace\"")).at("/outcome") == "replaced");
  CHECK(client.get(kMessages + "/a").at("/state") == "replaced");
}

TEST_CASE("If-Match: * asks for a session that exists") {
  const Server server;
  Client client(server.port());
  CHECK(client.post(kMessages, prompt("x"), {{"If-Match", "*"}}).problem() == "412 precondition_failed");
  CHECK(client.get("/v1/sessions/s").status == 404);
  client.post(kMessages, prompt("x"));
  CHECK(client.post(kMessages, prompt("x"), {{"If-Match", "*"}}).status == 202);
}

TEST_CASE("merge joins the last queued message of the same author") {
  const Server server;
  Client client(server.port());
  client.post(kMessages, prompt("one", R"("id":"a","author":"ann")"));
  client.post(kMessages, prompt("two", R"("id":"b","author":"bob")"));
  const auto merged = client.post(kMessages, prompt("three", R"("id":"c","author":"ann","on_busy":"merge")"));
  CHECK(merged.at("/outcome") == "merged");
  CHECK(merged.at("/merged_into") == "a");
  CHECK(client.get(kMessages + "/a").at("/turn/content") == "one\n\nthree");
  CHECK(client.get(kMessages + "/c").at("/state") == "merged");
  CHECK(client.get(kMessages + "/c").at("/merged_into") == "a");
}

TEST_CASE("a batch is admitted whole, in order, or not at all") {
  const Server server({"--queue-capacity", "3"});
  Client client(server.port());
  const auto batch = [](int n) {
    std::string list;
    for (int i = 0; i < n; ++i) list += (i == 0 ? "" : ",") + prompt("m" + std::to_string(i));
    return "{\"messages\":[" + list + "]}";
  };
  CHECK(client.post(kMessages + "/batch", batch(4)).problem() == "429 queue_full /messages/3");
  CHECK(client.get("/v1/sessions/s").status == 404);
  const auto all = client.post(kMessages + "/batch", batch(3));
  CHECK(all.status == 202);
  CHECK(all.count("/messages") == 3);
  CHECK(all.at("/messages/2/seq") == "3");
  CHECK(client.post(kMessages + "/batch", "{\"messages\":[]}").problem() == "400 invalid_body /messages");
  CHECK(client.post(kMessages + "/batch", batch(101)).status == 413);
}

TEST_CASE("git tokens: stored, server_managed, ignored; and in no file but the sealed vault, nor in any log") {
  const std::string canary = "canary-7f3a9c51e2";
  Server server({"--log-level", "debug"});
  {
    Client client(server.port());
    for (const std::string kind : {"git", "github", "gitlab", "bitbucket", "none"})
      REQUIRE(client.request("PUT", "/v1/sessions/" + kind, "{\"repository\":{\"kind\":\"" + kind + "\"}}").status ==
              201);
    const auto send = [&](const std::string& session, const std::string& token) {
      return client.post("/v1/sessions/" + session + "/messages", prompt("x", "\"git_token\":\"" + token + "\""))
          .at("/credential");
    };
    CHECK(send("git", canary) == "stored");
    CHECK(send("git", "") == "ignored");
    CHECK(send("github", canary) == "server_managed");
    CHECK(send("gitlab", canary) == "server_managed");
    CHECK(send("bitbucket", canary) == "server_managed");
    CHECK(send("none", canary) == "ignored");
    CHECK(client.get("/v1/sessions/git").at("/repository/credential/version") == "1");
    CHECK(client.get("/v1/sessions/github").at("/repository/credential") == "null");
    for (const std::string path : {"/v1/sessions/git", "/v1/sessions/git/messages", "/v1/sessions/git/events",
                                   "/v1/sessions/git/export", "/metrics"})
      CHECK(client.get(path).body.find(canary) == std::string::npos);
    const auto claimed = client.post("/v1/claims", R"({"sessions":["git"]})");
    CHECK(claimed.at("/deliveries/0/credential/token") == canary);
    CHECK(claimed.at("/deliveries/0/credential/version") == "1");
  }
  CHECK(server.terminate() == 0);
  CHECK(server.log().find(canary) == std::string::npos);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(server.data())) {
    if (entry.is_regular_file()) CHECK(read_file(entry.path().string()).find(canary) == std::string::npos);
  }
}

TEST_CASE("edit, cancel, pause, resume, reorder, clear") {
  const Server server;
  Client client(server.port());
  for (const std::string id : {"a", "b", "c", "d"}) client.post(kMessages, prompt(id, "\"id\":\"" + id + "\""));
  const auto a = client.get(kMessages + "/a");
  const auto edited = client.request("PATCH", kMessages + "/a", R"({"turn":{"kind":"prompt","content":"new"}})",
                                     {{"If-Match", a.header("etag")}});
  CHECK(edited.status == 200);
  CHECK(edited.at("/turn/content") == "new");
  CHECK(edited.at("/body_hash") == a.at("/body_hash"));
  CHECK(client.request("PATCH", kMessages + "/a", R"({"priority":3})", {{"If-Match", a.header("etag")}}).problem() ==
        "412 precondition_failed");
  CHECK(client.request("DELETE", kMessages + "/b").status / 100 == 2);
  CHECK(client.request("DELETE", kMessages + "/b").status / 100 == 2);
  CHECK(client.get(kMessages + "/b").at("/state") == "cancelled");
  CHECK(client.request("PATCH", kMessages + "/b", R"({"priority":3})").problem() == "409 not_queued");

  const auto queue = [&](const std::string& body) { return client.post("/v1/sessions/s/queue", body); };
  CHECK(queue(R"({"action":"pause"})").at("/status") == "paused");
  CHECK(client.post("/v1/claims", "{}").status == 204);
  CHECK(client.get(kMessages + "/a").at("/waiting_for/kind") == "paused");
  CHECK(queue(R"({"action":"reorder","order":["d","c"]})").at("/queue/head") == "d");
  CHECK(queue(R"({"action":"reorder","order":["b"]})").problem() == "409 not_queued");
  CHECK(queue(R"({"action":"dance"})").status == 400);
  CHECK(queue(R"({"action":"resume"})").at("/status") == "queued");
  const auto turn = client.post("/v1/claims", "{}");
  CHECK(turn.at("/deliveries/0/message/message") == "d");
  CHECK(client.request("DELETE", kMessages + "/d").problem() == "409 not_queued");
  CHECK(client.get(kMessages + "/c").at("/waiting_for/message") == "d");
  CHECK(queue(R"({"action":"clear"})").at("/queue/queued") == "0");
  CHECK(client.get(kMessages + "/a").at("/state") == "cancelled");
  CHECK(client.get(kMessages + "/d").at("/state") == "dispatched");
}

TEST_CASE("a receipt is verified offline, and the key outlives a restart") {
  Server server;
  std::string receipt;
  std::string signature;
  std::string key;
  {
    Client client(server.port());
    client.post(kMessages, prompt("x", "\"id\":\"a\""));
    const auto reply = client.get(kMessages + "/a/receipt");
    receipt = reply.at("/receipt");
    signature = reply.at("/signature");
    key = client.get("/v1/keys/receipts").at("/keys/0/public_key");
    CHECK(client.get("/v1/keys/receipts").at("/keys/0/key") == reply.at("/key"));
    CHECK(client.get("/v1/keys/receipts").at("/keys/0/alg") == "Ed25519");
    CHECK(reply.at("/receipt/durability") == "synced");
    CHECK(client.get(kMessages + "/nobody/receipt").status == 404);
  }
  CHECK(verify(*from_base64url(key), receipt, *from_base64url(signature)));
  CHECK_FALSE(verify(*from_base64url(key), receipt + " ", *from_base64url(signature)));
  server.kill9();
  server.start();
  CHECK(Client(server.port()).get("/v1/keys/receipts").at("/keys/0/public_key") == key);
}

}  // namespace holdfast::test
