// A disk that takes no more: every file ends at a size that the kernel refuses to pass (RLIMIT_FSIZE), in the middle of
// a write. Nothing is acknowledged that is not there, and the next start has all of it.
#include <sys/resource.h>

#include <csignal>
#include <map>
#include <mutex>
#include <set>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

// Children that are started meanwhile cannot make a file longer than this; they are told so by an error.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);  // inherited by what is executed
    const rlimit limit{bytes, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  sighandler_t handler_ = SIG_DFL;
};

struct Ledger {
  std::mutex mutex;
  std::map<std::string, std::uint64_t> acknowledged;  // id -> seq
  std::set<std::string> refused;
  std::set<std::string> answers;  // what refused them
};

std::string body_of(const std::string& id, std::size_t bytes) {
  return prompt(id + std::string(bytes, 'x'), "\"id\":\"" + id + "\"");
}

// Posts with ids of its own until the server refuses or is gone.
void post_until_refused(int port, const std::string& session, int connection, std::size_t bytes, Ledger& ledger) {
  Client client(port, 20'000);
  for (int i = 0;; ++i) {
    const auto id = "m" + std::to_string(connection) + "-" + std::to_string(i);
    const auto reply = client.post("/v1/sessions/" + session + "/messages", body_of(id, bytes));
    const std::lock_guard lock(ledger.mutex);
    if (reply.status == 202) {
      ledger.acknowledged[id] = std::stoull(reply.at("/seq"));
      continue;
    }
    ledger.refused.insert(id);
    ledger.answers.insert(reply.status == 0 ? "cut off" : reply.problem());
    return;
  }
}

std::map<std::string, std::uint64_t> messages_of(Client& client, const std::string& session) {
  std::map<std::string, std::uint64_t> there;
  std::string cursor;
  do {
    const auto page =
        client.get("/v1/sessions/" + session + "/messages?limit=1000" + (cursor.empty() ? "" : "&cursor=" + cursor));
    REQUIRE(page.status == 200);
    json::Parser parser;
    const auto parsed = parser.parse(page.body);
    REQUIRE(parsed);
    json::Array items;
    REQUIRE(parsed->at_key("items").get(items) == simdjson::SUCCESS);
    for (const auto item : items)
      REQUIRE(there.emplace(std::string(std::string_view(item.at_key("message"))), std::uint64_t(item.at_key("seq")))
                  .second);
    cursor = page.at("/next");
  } while (cursor != "null");
  return there;
}

}  // namespace

TEST_CASE("a full disk: no false 202, and after a restart with room everything acknowledged is there") {
  // Where the log ends in the middle of a record, of its header, of a block, of one write set among many.
  for (const rlim_t room : {262'144 + 3, 400'000, 1'000'001}) {
    for (const std::size_t bytes : {10, 3'000}) {
      const std::string durability = room == 400'000 ? "buffered" : "synced";
      INFO("files of at most " << room << " bytes, content of " << bytes << ", " << durability);
      Server server({"--queue-capacity", "1000000", "--log-level", "error", "--durability", durability});
      REQUIRE(server.terminate() == 0);
      {
        const FullDisk full(room);
        server.start();
      }
      Ledger ledger;
      std::vector<std::thread> connections;
      for (int c = 0; c < 8; ++c)
        connections.emplace_back([&, c] { post_until_refused(server.port(), "s", c, bytes, ledger); });
      for (auto& connection : connections) connection.join();
      REQUIRE_FALSE(ledger.acknowledged.empty());
      for (const auto& answer : ledger.answers) {
        INFO(answer);
        CHECK((answer == "503 commit_unknown" || answer == "503 shutting_down" || answer == "cut off" ||
               answer == "507 insufficient_storage"));
      }
      CHECK((ledger.answers.contains("503 commit_unknown") || ledger.answers.contains("507 insufficient_storage")));
      // It says that it cannot go on, and does not pretend.
      CHECK(server.wait() == 3);
      INFO("the server's log: " << server.log());

      server.start();
      Client client(server.port());
      const auto there = messages_of(client, "s");
      for (const auto& [id, seq] : ledger.acknowledged) {
        const auto found = there.find(id);
        REQUIRE(found != there.end());
        CHECK(found->second == seq);
      }
      for (const auto& [id, seq] : there) CHECK((ledger.acknowledged.contains(id) || ledger.refused.contains(id)));
      // What was not answered is all or nothing; sent again it is admitted once, whichever it was.
      for (const auto& id : ledger.refused) {
        const auto reply = client.post("/v1/sessions/s/messages", body_of(id, bytes));
        CHECK(reply.status == 202);
        CHECK(reply.header("idempotency-replayed") == (there.contains(id) ? "true" : ""));
      }
      CHECK(messages_of(client, "s").size() == ledger.acknowledged.size() + ledger.refused.size());
      CHECK(client.get("/v1/sessions/s").at("/last_seq") ==
            std::to_string(ledger.acknowledged.size() + ledger.refused.size()));
    }
  }
}

TEST_CASE("a start on a full disk loses nothing, whether it is refused or serves") {
  Server server({"--queue-capacity", "1000000", "--log-level", "error"});
  std::size_t admitted = 0;
  {
    Client client(server.port());
    for (; admitted < 200; ++admitted)
      REQUIRE(client.post("/v1/sessions/s/messages", body_of("m" + std::to_string(admitted), 3'000)).status == 202);
  }
  server.kill9();
  {
    const FullDisk full(100'000);  // less than the log that is to be read
    const auto log = server.data() + "/../refused";
    Process process({HOLDFAST_BINARY, "serve", "--data", server.data(), "--listen", "127.0.0.1:0"}, log);
    const bool serves = process.line().starts_with("listening on ");
    if (serves) process.signal(SIGTERM);
    const auto code = process.wait();
    INFO(read_file(log));
    CHECK(code == (serves ? 0 : 3));
  }
  server.start();
  Client client(server.port());
  CHECK(messages_of(client, "s").size() == admitted);
  CHECK(client.post("/v1/sessions/s/messages", body_of("after", 10)).at("/seq") == std::to_string(admitted + 1));
}

}  // namespace holdfast::test
