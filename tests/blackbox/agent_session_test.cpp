// The example `agent_session`: an agent whose turns stream, are steered and interrupted, and outlive their process.
#include <csignal>
#include <vector>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"
#include "tests/support/streams.hpp"

namespace holdfast::test {
namespace {

const std::string kChat = "/v1/sessions/chat";
const std::string kMessages = kChat + "/messages";
const Server::Example kAgent{"agent_session"};
constexpr int kPatienceMs = 70'000;

// A message whose id is also what it is called here.
Reply say(Client& client, const std::string& id, const std::string& text, const std::string& on_busy = "enqueue") {
  client.request("PUT", kChat, R"({"labels":{"class":"agent"}})");
  return client.post(kMessages, prompt(text, R"("id":")" + id + R"(","on_busy":")" + on_busy + "\""));
}

// The message once it has ended.
Reply ended(Client& client, const std::string& id) { return client.get(kMessages + "/" + id, {{"Prefer", "wait=60"}}); }
std::string answer(Client& client, const std::string& id) {
  const auto message = ended(client, id);
  INFO(message.body);
  CHECK(message.at("/state") == "completed");
  return message.at("/result/answer");
}
std::string notes(Client& client) { return client.get("/v1/objects/tool_log/chat/notes").at("/notes"); }

std::string numbers_to(int n) {
  std::string list = "[";
  for (int i = 1; i <= n; ++i) list += (i == 1 ? "\"" : ",\"") + std::to_string(i) + "\"";
  return list + "]";
}

// The session's stream, read as far as a test needs.
class Stream {
 public:
  explicit Stream(const Server& server) : source_(server.port(), kChat + "/events", {}, kPatienceMs) {}
  // The `n`th next event of that type; those before it are in `seen`.
  StreamEvent until(const std::string& type, int n = 1) {
    while (auto event = source_.next()) {
      seen.push_back(event->type);
      if (event->type == type && --n == 0) return *event;
    }
    FAIL("the stream ended before " << type);
    return {};
  }
  std::vector<std::string> seen;

 private:
  EventSource source_;
};

}  // namespace

TEST_CASE("agent: follow-ups are answered in order, and know what came before") {
  const Server server(kAgent);
  Client client(server.port(), kPatienceMs);
  say(client, "m1", "add 2 3");
  say(client, "m2", "note \"milk\"\n");
  say(client, "m3", "recall");
  CHECK(answer(client, "m1") == "2 + 3 = 5");
  CHECK(answer(client, "m2") == "noted as number 1");
  CHECK(answer(client, "m3") == "you said: add 2 3; note \"milk\"\n");
  CHECK(ended(client, "m1").at("/result/steps") == "2");
  CHECK(notes(client) == R"(["\"milk\"\n"])");
  say(client, "m4", "now");
  CHECK(answer(client, "m4").find("ms after the epoch") != std::string::npos);
}

TEST_CASE("agent: the answer streams before the turn has ended") {
  const Server server(kAgent);
  Client client(server.port(), kPatienceMs);
  say(client, "m1", "a b c");
  Stream stream(server);
  stream.until("message.completed");
  const std::vector<std::string> expected{"message.queued", "message.dispatched", "message.running", "agent.started",
                                          "agent.delta",    "agent.delta",        "agent.delta",     "agent.delta",
                                          "agent.delta",    "message.completed"};
  std::vector<std::string> turn;
  for (const auto& type : stream.seen)
    if (!type.starts_with("session.")) turn.push_back(type);
  CHECK(turn == expected);
  CHECK(answer(client, "m1") == "you said: a b c");
}

TEST_CASE("agent: a steer changes the running turn") {
  const Server server(kAgent);
  Client client(server.port(), kPatienceMs);
  say(client, "m1", "count to 90");
  Stream stream(server);
  stream.until("agent.tool");
  CHECK(say(client, "m2", "add 20 22", "steer").at("/outcome") == "steered");
  CHECK(stream.until("agent.steered").at("/data/message") == "m2");
  CHECK(answer(client, "m1") == "20 + 22 = 42");
  CHECK(ended(client, "m2").at("/steered_into") == "m1");
  CHECK(ended(client, "m2").at("/state") == "completed");
  say(client, "m3", "recall");
  CHECK(answer(client, "m3") == "you said: count to 90; add 20 22");
}

TEST_CASE("agent: an interrupt ends the turn, and the next one runs") {
  const Server server(kAgent);
  Client client(server.port(), kPatienceMs);
  say(client, "m1", "count to 90");
  Stream(server).until("agent.tool");
  CHECK(client.post(kChat + "/interrupt", "{}").at("/running") == "m1");
  CHECK(ended(client, "m1").at("/state") == "interrupted");
  say(client, "m2", "add 1 1");
  CHECK(answer(client, "m2") == "1 + 1 = 2");
}

TEST_CASE("agent: after kill -9 the turn goes on where it was, and its tools have run once") {
  Server server(kAgent);
  {
    Client client(server.port(), kPatienceMs);
    say(client, "m0", "add 2 3");
    CHECK(answer(client, "m0") == "2 + 3 = 5");
    say(client, "m1", "count to 70");
    Stream(server).until("agent.tool", 5);
  }
  server.kill9();
  server.start();
  {
    Client client(server.port(), kPatienceMs);
    Stream(server).until("agent.tool", 10);
    CHECK(say(client, "m2", "count to 25", "steer").at("/outcome") == "steered");
    Stream stream(server);
    stream.until("agent.steered");
    stream.until("agent.tool", 3);
  }
  server.kill9();
  server.start();
  Client client(server.port(), kPatienceMs);
  CHECK(answer(client, "m1") == "counted to 25");
  CHECK(ended(client, "m1").at("/attempt") == "3");
  CHECK(ended(client, "m2").at("/steered_into") == "m1");
  CHECK(ended(client, "m0").at("/attempt") == "1");
  const auto all = notes(client);
  const auto second = numbers_to(25).substr(1);
  REQUIRE(all.ends_with(second));  // each number of the second count once
  const auto first = all.substr(0, all.size() - second.size() - 1) + "]";
  CHECK(numbers_to(70).starts_with(first.substr(0, first.size() - 1)));  // and of the first, as far as it came
  say(client, "m3", "recall");
  CHECK(answer(client, "m3") == "you said: add 2 3; count to 70; count to 25");
}

TEST_CASE("agent: when the model dies the turn is retried, and says so") {
  const Server server(kAgent, {"--retry-default-ms", "10,10"});
  Client client(server.port(), kPatienceMs);
  say(client, "m1", "count to 60");
  Stream stream(server);
  const auto pid = std::stoi(stream.until("agent.started").at("/data/model_pid"));
  stream.until("agent.tool", 3);
  REQUIRE(::kill(pid, SIGKILL) == 0);
  CHECK(stream.until("agent.model_gone").at("/data/detail").find("the model ended") != std::string::npos);
  CHECK(stream.until("agent.started").at("/data/attempt") == "2");
  CHECK(answer(client, "m1") == "counted to 60");
  CHECK(notes(client) == numbers_to(60));
}

TEST_CASE("agent: a session of another class is left to others") {
  const Server server(kAgent);
  Client client(server.port(), kPatienceMs);
  client.request("PUT", kChat, R"({"labels":{"class":"person"}})");
  client.post(kMessages, prompt("hello", R"("id":"m1")"));
  CHECK(client.post("/v1/claims", R"({"labels":{"class":"person"},"wait_ms":10000})")
            .at("/deliveries/0/message/message") == "m1");
}

}  // namespace holdfast::test
