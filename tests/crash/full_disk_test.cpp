// A disk that takes no more: every file ends at a size that the kernel refuses to pass (RLIMIT_FSIZE), in the middle of
// a write. Nothing is acknowledged that is not there, and the next start has all of it.
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

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

// A disk of `bytes` at `path`, seen by this thread and its children only.
class SmallDisk {
 public:
  SmallDisk(std::string path, std::uint64_t bytes) : path_(std::move(path)) {
    if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return;
    (void)::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    const auto size = "size=" + std::to_string(bytes);
    there_ = ::mount("none", path_.c_str(), "tmpfs", 0, size.c_str()) == 0;
  }
  ~SmallDisk() {
    if (there_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  [[nodiscard]] bool there() const noexcept { return there_; }
  // Somebody else uses all but `bytes`.
  void leave(std::uint64_t bytes) const {
    empty();
    struct statvfs about {};
    REQUIRE(::statvfs(path_.c_str(), &about) == 0);
    const auto free = about.f_bavail * about.f_frsize;
    REQUIRE(free > bytes);
    const int file = ::open(filler().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(::posix_fallocate(file, 0, static_cast<off_t>(free - bytes)) == 0);
    ::close(file);
  }
  void empty() const { std::filesystem::remove(filler()); }

 private:
  [[nodiscard]] std::string filler() const { return path_ + "/filler"; }
  const std::string path_;
  bool there_ = false;
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
        CHECK((answer == "503 commit_unknown" || answer == "503 shutting_down" || answer == "cut off"));
      }
      CHECK(ledger.answers.contains("503 commit_unknown"));
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

TEST_CASE(
    "a disk that fills up: what is new is refused, the rest goes on, and with space again service resumes by itself") {
  constexpr std::uint64_t kMiB = 1 << 20;
  Server server({"--disk-reserve-bytes", std::to_string(32 * kMiB), "--log-level", "info"});
  REQUIRE(server.terminate() == 0);
  const SmallDisk disk(server.data(), 256 * kMiB);
  if (!disk.there()) {
    WARN("not run: this needs the right to mount a file system");
    return;
  }
  server.start();
  Client client(server.port());
  std::set<std::string> acknowledged;
  int next = 0;
  const auto admit = [&] {
    const auto id = "m" + std::to_string(next++);
    auto reply = client.post("/v1/sessions/s/messages", body_of(id, 1'000));
    if (reply.status == 202) acknowledged.insert(id);
    return reply;
  };
  const auto metric = [&](const std::string& line) {
    return client.get("/metrics").body.find("\n" + line + "\n") != std::string::npos;
  };
  for (int i = 0; i < 50; ++i) REQUIRE(admit().status == 202);
  for (const auto* other : {"a", "b"})
    REQUIRE(client.post("/v1/sessions/" + std::string(other) + "/messages", body_of("x", 10)).status == 202);

  // Less than the reserve: what ends or deletes is still written.
  disk.leave(16 * kMiB);
  REQUIRE(becomes([&] { return metric("holdfast_disk_full 1"); }));
  const auto refused = admit();
  CHECK(refused.problem() == "503 insufficient_storage");
  CHECK(!refused.header("retry-after").empty());
  CHECK(client.get("/readyz").at("/disk") == "full");
  CHECK(client.get("/v1/sessions/s/messages").status == 200);
  CHECK(client.request("DELETE", "/v1/sessions/a").status == 204);
  CHECK(client.get("/v1/sessions/a").status == 410);
  disk.empty();
  REQUIRE(becomes([&] { return admit().status == 202; }));
  CHECK(client.get("/readyz").at("/disk") == "(none)");

  // Nothing: no write at all, and the process goes on.
  disk.leave(kMiB / 2);
  REQUIRE(becomes([&] { return metric("holdfast_disk_full 1"); }));
  CHECK(admit().problem() == "503 insufficient_storage");
  CHECK(client.request("DELETE", "/v1/sessions/b").problem() == "503 insufficient_storage");
  CHECK(client.get("/v1/sessions/b").status == 200);
  CHECK(client.get("/v1/sessions/s/messages").status == 200);
  disk.empty();
  REQUIRE(becomes([&] { return admit().status == 202; }));
  CHECK(client.request("DELETE", "/v1/sessions/b").status == 204);
  CHECK_FALSE(metric("holdfast_disk_refusals_total 0"));
  INFO("the server's log: " << server.log());
  CHECK(server.log().find("the disk is full") != std::string::npos);
  CHECK(server.log().find("the disk has space again") != std::string::npos);

  server.kill9();
  server.start();
  Client again(server.port());
  const auto there = messages_of(again, "s");
  CHECK(there.size() == acknowledged.size());
  for (const auto& id : acknowledged) CHECK(there.contains(id));
  server.kill9();
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
