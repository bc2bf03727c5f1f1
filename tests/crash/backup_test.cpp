// Backups with the real binary: made under load, restored elsewhere, interrupted, damaged.
#include <atomic>
#include <map>
#include <mutex>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

constexpr int kConnections = 16;

std::string message_body(const std::string& id) { return prompt("text of " + id, "\"id\":\"" + id + "\""); }

// Makes a store in `data` with `count` messages, which no server uses when this returns.
void fill(Server& server, int count) {
  Client client(server.port());
  for (int i = 0; i < count; ++i) {
    const auto id = "m" + std::to_string(i);
    REQUIRE(client.post("/v1/sessions/s" + std::to_string(i % 5) + "/messages", message_body(id)).status == 202);
  }
}

// Flips a byte in the middle of the largest file below `directory` whose name ends so. False: there is none.
bool flip_a_byte(const fs::path& directory, const std::string& ending) {
  fs::path largest;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file() && entry.path().string().ends_with(ending) &&
        (largest.empty() || entry.file_size() > fs::file_size(largest)))
      largest = entry.path();
  }
  if (largest.empty()) return false;
  std::fstream file(largest, std::ios::in | std::ios::out | std::ios::binary);
  const auto middle = static_cast<std::streamoff>(fs::file_size(largest) / 2);
  file.seekg(middle);
  const auto byte = static_cast<char>(file.get() ^ 1);
  file.seekp(middle);
  file.put(byte);
  return true;
}

std::uint64_t bytes_below(const fs::path& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) bytes += entry.file_size();
  return bytes;
}

struct Acknowledged {
  std::mutex mutex;
  std::map<std::string, std::string> sessions;  // by message id
  [[nodiscard]] std::map<std::string, std::string> now() {
    const std::lock_guard lock(mutex);
    return sessions;
  }
};

void post_until_cut(int port, int connection, Acknowledged& acknowledged) {
  Client client(port, 5'000);
  for (int i = 0;; ++i) {
    const auto session = "s" + std::to_string((connection * 31 + i * 7) % 50);
    const auto id = "m" + std::to_string(connection) + "-" + std::to_string(i);
    if (client.post("/v1/sessions/" + session + "/messages", message_body(id)).status != 202) return;
    const std::lock_guard lock(acknowledged.mutex);
    acknowledged.sessions[id] = session;
  }
}

}  // namespace

TEST_CASE("a backup under load has every message that was acknowledged before it began") {
  const TemporaryDirectory place;
  Server server({"--queue-capacity", "1000000", "--log-level", "error", "--backup-directory", place / "backups"});
  Acknowledged acknowledged;
  std::vector<std::thread> connections;
  for (int c = 0; c < kConnections; ++c)
    connections.emplace_back([&, c] { post_until_cut(server.port(), c, acknowledged); });
  std::vector<std::map<std::string, std::string>> before;
  for (int n = 0; n < 3; ++n) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    before.push_back(acknowledged.now());
    const auto made = run({"backup", "--to", "nightly", "--url", server.url(), "--with-master-key", "--json"});
    INFO(made.errors);
    REQUIRE(made.code == 0);
  }
  server.kill9();
  for (auto& connection : connections) connection.join();

  for (int n = 0; n < 3; ++n) {
    const auto data = place / ("restored-" + std::to_string(n));
    const auto restored =
        run({"restore", "--from", place / "backups/nightly", "--data", data, "--at", std::to_string(n + 1)});
    INFO(restored.errors);
    REQUIRE(restored.code == 0);
    const auto checked = run({"check", "--data", data, "--deep"});
    INFO(checked.output << checked.errors);
    REQUIRE(checked.code == 0);
    fs::remove_all(server.data());
    fs::rename(data, server.data());
    server.start();
    Client client(server.port());
    const auto& had = before[static_cast<std::size_t>(n)];
    for (const auto& [id, session] : had)
      REQUIRE(client.get("/v1/sessions/" + session + "/messages/" + id).status == 200);
    std::printf("backup %d: all %zu messages acknowledged before it began\n", n + 1, had.size());
    server.kill9();
  }
}

TEST_CASE("a backup that is interrupted by kill -9 leaves the earlier ones whole, and the next cleans up") {
  const TemporaryDirectory place;
  Server server({"--log-level", "error"});
  fill(server, 500);
  REQUIRE(server.terminate() == 0);
  const auto backups = place / "backups";
  REQUIRE(run({"backup", "--to", backups, "--data", server.data()}).code == 0);
  server.start();
  fill(server, 10);  // the same ids: nothing new, but for what follows
  for (int i = 0; i < 200; ++i)
    REQUIRE(Client(server.port()).post("/v1/sessions/new/messages", message_body("n" + std::to_string(i))).status ==
            202);
  REQUIRE(server.terminate() == 0);
  for (int delay_ms : {5, 20, 40, 80, 160}) {
    Process process({HOLDFAST_BINARY, "backup", "--to", backups, "--data", server.data()}, place / "errors");
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
    process.signal(SIGKILL);
    (void)process.wait();
    const auto verified = run({"backup", "--to", backups, "--verify"});
    INFO(verified.errors);
    REQUIRE(verified.code == 0);
  }
  // What a killed backup leaves, for sure: a table that no backup knows, and the folder of a backup that is not there.
  fs::create_directories(fs::path(backups) / "private" / "999");
  std::ofstream(fs::path(backups) / "private" / "999" / "MANIFEST-1.tmp") << "half";
  std::ofstream(fs::path(backups) / "shared_checksum" / "000999_sABC_4.sst") << "half";
  REQUIRE(run({"backup", "--to", backups, "--data", server.data()}).code == 0);
  CHECK_FALSE(fs::exists(fs::path(backups) / "private" / "999"));
  CHECK_FALSE(fs::exists(fs::path(backups) / "shared_checksum" / "000999_sABC_4.sst"));
  CHECK(run({"backup", "--to", backups, "--verify"}).code == 0);
  CHECK(run({"restore", "--from", backups, "--data", place / "first", "--at", "1"}).code == 0);
  CHECK(run({"restore", "--from", backups, "--data", place / "last"}).code == 0);
  CHECK(run({"check", "--data", place / "first", "--deep"}).code == 0);
  CHECK(run({"check", "--data", place / "last", "--deep"}).code == 0);
}

TEST_CASE("a second backup copies only what is new, and --keep removes the oldest") {
  const TemporaryDirectory place;
  Server server({"--log-level", "error"});
  fill(server, 2'000);
  REQUIRE(server.terminate() == 0);
  const auto backups = place / "backups";
  REQUIRE(run({"backup", "--to", backups, "--data", server.data()}).code == 0);
  const auto first = bytes_below(backups);
  REQUIRE(run({"backup", "--to", backups, "--data", server.data(), "--keep", "2"}).code == 0);
  CHECK(bytes_below(backups) - first < first / 4);
  const auto third = run({"backup", "--to", backups, "--data", server.data(), "--keep", "2", "--json"});
  REQUIRE(third.code == 0);
  const auto listed = run({"restore", "--from", backups, "--list"});
  CHECK(listed.output.find("\n     1  ") == std::string::npos);
  CHECK(listed.output.find("\n     2  ") != std::string::npos);
  CHECK(listed.output.find("\n     3  ") != std::string::npos);
  const auto gone = run({"restore", "--from", backups, "--data", place / "x", "--at", "1"});
  CHECK(gone.code == 2);
  CHECK(gone.errors.find("--list") != std::string::npos);
}

TEST_CASE("restore --at TIME takes the newest backup that had begun by then") {
  const TemporaryDirectory place;
  Server server({"--log-level", "error"});
  const auto backups = place / "backups";
  const auto admit_and_back_up = [&](const std::string& session) {
    REQUIRE(Client(server.port()).post("/v1/sessions/" + session + "/messages", message_body("m")).status == 202);
    REQUIRE(server.terminate() == 0);
    const auto made = run({"backup", "--to", backups, "--data", server.data(), "--with-master-key", "--json"});
    REQUIRE(made.code == 0);
    server.start();
    return Reply{200, {}, made.output}.at("/began_at");
  };
  const auto early = admit_and_back_up("early");
  const auto later = admit_and_back_up("later");
  REQUIRE(early < later);
  for (const auto& at : {early, later}) {
    INFO(at);
    const auto data = place / ("of-" + at);
    REQUIRE(run({"restore", "--from", backups, "--data", data, "--at", at}).code == 0);
    server.kill9();
    fs::remove_all(server.data());
    fs::rename(data, server.data());
    server.start();
    Client client(server.port());
    CHECK(client.get("/v1/sessions/early").status == 200);
    CHECK(client.get("/v1/sessions/later").status == (at == early ? 404 : 200));
  }
}

TEST_CASE("a byte that was flipped in a backup is found, by --verify and by a restore") {
  const TemporaryDirectory place;
  Server server({"--log-level", "error"});
  fill(server, 200);
  REQUIRE(server.terminate() == 0);
  const std::string ending = GENERATE(".sst", "CURRENT");
  const auto backups = place / "backups";
  REQUIRE(run({"backup", "--to", backups, "--data", server.data()}).code == 0);
  REQUIRE(run({"backup", "--to", backups, "--verify"}).code == 0);
  REQUIRE(flip_a_byte(backups, ending));
  const auto verified = run({"backup", "--to", backups, "--verify"});
  CHECK(verified.code == 3);
  CHECK(verified.errors.find("damaged") != std::string::npos);
  const auto restored = run({"restore", "--from", backups, "--data", place / "restored"});
  CHECK(restored.code == 3);
  CHECK(restored.errors.find("damaged") != std::string::npos);
  CHECK((!fs::exists(place / "restored") || fs::is_empty(place / "restored")));
}

TEST_CASE("a restore takes an empty directory only, and one that was interrupted is begun anew") {
  const TemporaryDirectory place;
  Server server({"--log-level", "error"});
  fill(server, 50);
  REQUIRE(server.terminate() == 0);
  const auto backups = place / "backups";
  REQUIRE(run({"backup", "--to", backups, "--data", server.data(), "--with-master-key"}).code == 0);

  const auto refused = run({"restore", "--from", backups, "--data", server.data()});
  CHECK(refused.code == 2);
  CHECK(refused.errors.find("not empty") != std::string::npos);
  CHECK(run({"check", "--data", server.data(), "--deep"}).code == 0);

  // Killed in the middle: nobody takes what is there for a store.
  const fs::path half = place / "half";
  fs::create_directories(half / ".restoring");
  std::ofstream(half / "000012.sst") << "half";
  const auto start = run({"check", "--data", half, "--deep"});
  CHECK(start.code == 3);
  CHECK(start.errors.find("interrupted") != std::string::npos);
  CHECK(run({"restore", "--from", backups, "--data", half}).code == 0);
  CHECK_FALSE(fs::exists(half / ".restoring"));
  CHECK(run({"check", "--data", half, "--deep"}).code == 0);
  CHECK((fs::status(half / "master.key").permissions() & fs::perms::all) ==
        (fs::perms::owner_read | fs::perms::owner_write));
  fs::create_directories(place / "empty");
  CHECK(run({"restore", "--from", backups, "--data", place / "empty", "--at", "2999-01-01T00:00:00Z"}).code == 0);
  const auto early = run({"restore", "--from", backups, "--data", place / "x", "--at", "1999-01-01T00:00:00Z"});
  CHECK(early.code == 2);
  CHECK(run({"restore", "--from", backups, "--data", place / "x", "--at", "yesterday"}).code == 2);
  CHECK(run({"restore", "--from", place / "nothing", "--list"}).code == 2);
}

TEST_CASE("a backup without the master key is no store that starts, until its key is put back") {
  const TemporaryDirectory place;
  Server server({"--log-level", "error"});
  fill(server, 5);
  REQUIRE(server.terminate() == 0);
  REQUIRE(run({"backup", "--to", place / "backups", "--data", server.data()}).code == 0);
  CHECK_FALSE(fs::exists(place / "backups/master.key"));
  const auto restored = run({"restore", "--from", place / "backups", "--data", place / "restored"});
  REQUIRE(restored.code == 0);
  CHECK(restored.output.find("master key") != std::string::npos);
  const auto refused = run({"check", "--data", place / "restored"});
  CHECK(refused.code == 2);
  CHECK_FALSE(fs::exists(place / "restored/master.key"));
  fs::copy(server.data() + "/master.key", place / "restored/master.key");
  CHECK(run({"check", "--data", place / "restored"}).code == 0);
}

TEST_CASE("backups by HTTP stay below the directory that the server was given") {
  const TemporaryDirectory place;
  Server server({"--backup-directory", place / "backups", "--log-level", "error"});
  fill(server, 5);
  Client client(server.port());
  const auto ask = [&](const std::string& directory) {
    return client.post("/v1/backups", "{\"directory\":\"" + directory + "\"}").problem();
  };
  CHECK(ask("../elsewhere") == "403 forbidden /directory");
  CHECK(ask("/etc") == "403 forbidden /directory");
  CHECK(ask(place / "backups-not") == "403 forbidden /directory");
  fs::create_directories(place / "backups");
  fs::create_directory_symlink(place / "elsewhere", place / "backups/link");
  fs::create_directories(place / "elsewhere");
  CHECK(ask("link/b") == "403 forbidden /directory");
  CHECK(client.post("/v1/backups", "{}").problem() == "400 invalid_body /directory");
  CHECK(client.post("/v1/backups", R"({"directory":"b","keep":0})").problem() == "400 invalid_body /keep");
  CHECK(client.get("/v1/backups?directory=none").problem() == "400 invalid_request");

  const auto started = client.post("/v1/backups", R"({"directory":"b","keep":1})");
  REQUIRE(started.status == 202);
  CHECK(becomes([&] { return client.get("/v1/backups").at("/status/state") == "done"; }));
  const auto listed = client.get("/v1/backups?directory=b");
  CHECK(listed.count("/items") == 1);
  CHECK(listed.at("/items/0/id") == "1");
  CHECK(client.get("/v1/backups").at("/status/backup/id") == "1");

  Server without({"--log-level", "error"});
  Client other(without.port());
  CHECK(other.post("/v1/backups", R"({"directory":"b"})").problem() == "403 forbidden");
  // Another store has no place among these backups.
  const auto foreign = run({"backup", "--to", place / "backups/b", "--data", without.data()});
  CHECK(foreign.code == 3);  // it is in use
  REQUIRE(without.terminate() == 0);
  CHECK(run({"backup", "--to", place / "backups/b", "--data", without.data()}).code == 2);
}

}  // namespace holdfast::test
