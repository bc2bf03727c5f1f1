// holdfast claim --runtime: how a worker registers, keeps its token, and stops when the token is worth nothing.
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <thread>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

const std::string kRuntime = "/v1/runtimes/gpu-1";
const std::string kKey = "operator-key-0123456789";
const Headers kOperator{{"Authorization", "Bearer " + kKey}};
const std::string kShowsKey = "HOLDFAST_API_KEY=" + kKey;

// Servers with auth and without: what the operator shows at each.
struct Door {
  std::string auth;
  std::vector<std::string> worker;  // environment of a worker that has no token yet

  [[nodiscard]] Server server(std::vector<std::string> options = {}) const {
    options.insert(options.end(), {"--auth", auth});
    return Server(std::move(options), {"HOLDFAST_OPERATOR_KEY=" + kKey});
  }
};
const std::vector<Door> kDoors{{"none", {}}, {"required", {kShowsKey}}};

mode_t mode_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 500; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

std::vector<std::string> words(const Server& server, const std::string& credentials, const std::string& command,
                               const std::vector<std::string>& more) {
  std::vector<std::string> all{"claim",         "--url",     server.url(), "--runtime", "gpu-1",
                               "--credentials", credentials, "--exec",     command};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

Ended claim_once(const Server& server, const std::string& credentials, const std::vector<std::string>& environment = {},
                 const std::string& command = "true") {
  return run(words(server, credentials, command, {"--once"}), environment);
}

std::string admit(const Server& server, const std::string& id) {
  Client client(server.port());
  const auto path = "/v1/sessions/s/messages";
  CHECK(client.post(path, prompt("x", "\"id\":\"" + id + "\""), kOperator).status == 202);
  return std::string(path) + "/" + id;
}

void put_file(const std::string& path, const std::string& text) { std::ofstream(path) << text << "\n"; }

// A worker in the middle of a turn, which ends when the file `go` is there.
class Working {
 public:
  explicit Working(const Door& door, std::vector<std::string> options = {})
      : server(door.server(std::move(options))),
        process_(start(door)),
        first_token(read_file(credentials() + "/gpu-1.token")) {}

  [[nodiscard]] std::string credentials() const { return directory_ / "runtimes"; }
  [[nodiscard]] std::string token_file() const { return credentials() + "/gpu-1.token"; }
  [[nodiscard]] std::string state() { return Client(server.port()).get(message_, kOperator).at("/state"); }
  void go() const { put_file(directory_ / "go", ""); }
  // Something happens between two calls of the worker.
  void meanwhile(const std::function<void()>& what) const {
    process_->signal(SIGSTOP);
    what();
    process_->signal(SIGCONT);
  }
  [[nodiscard]] std::string rotate() const {
    Headers proof{{"Authorization", "Bearer " + first_token.substr(0, first_token.find('\n'))}};
    return Client(server.port()).post(kRuntime + "/rotate", "", proof).at("/auth_token");
  }
  int wait() { return process_->wait(); }
  [[nodiscard]] std::string errors() const { return read_file(directory_ / "errors"); }
  [[nodiscard]] bool child_is_gone() const {
    const auto pid = std::atoi(read_file(directory_ / "pid").c_str());
    return pid > 0 && eventually([pid] { return ::kill(pid, 0) != 0 && errno == ESRCH; });
  }

 private:
  TemporaryDirectory directory_;

 public:
  Server server;

 private:
  std::unique_ptr<Process> start(const Door& door) {
    message_ = admit(server, "m");
    const auto command = "echo $$ > " + (directory_ / "pid") + "; while [ ! -e " + (directory_ / "go") +
                         " ]; do sleep 0.05; done; echo done";
    auto all = words(server, credentials(), command, {"--lease-ms", "3000", "--max-turns", "1"});
    all.insert(all.begin(), HOLDFAST_BINARY);
    auto process = std::make_unique<Process>(std::move(all), directory_ / "errors", door.worker);
    REQUIRE(eventually([&] { return !read_file(directory_ / "pid").empty(); }));
    return process;
  }

  std::string message_;
  std::unique_ptr<Process> process_;

 public:
  const std::string first_token;
};

}  // namespace

TEST_CASE("a worker registers at its first start, and shows its token at the next") {
  for (const auto& door : kDoors) {
    CAPTURE(door.auth);
    const auto server = door.server();
    const TemporaryDirectory directory;
    const auto dir = directory / "a/b/runtimes";
    const auto token_file = dir + "/gpu-1.token";
    const auto secret_file = dir + "/gpu-1.secret";
    const auto first = admit(server, "m1");
    const auto began = claim_once(server, dir, door.worker);
    INFO(began.errors);
    REQUIRE(began.code == 0);
    CHECK(mode_of(dir) == 0700);
    CHECK(mode_of(token_file) == 0600);
    CHECK(mode_of(secret_file) == 0600);
    const auto token = read_file(token_file);
    const auto secret = read_file(secret_file);
    CHECK(token.starts_with("hfr_gpu-1."));
    CHECK(secret.starts_with("whsec_"));
    CHECK(!contains(began.output + began.errors, token.substr(10, 20)));
    Client client(server.port());
    CHECK(client.get(first, kOperator).at("/state") == "completed");

    // The token is the only credential from now on, whatever else is there.
    admit(server, "m2");
    fs::remove(secret_file);
    const auto again =
        claim_once(server, dir, {"HOLDFAST_API_KEY=worthless", "HOLDFAST_PROVISIONING_TICKET=worthless"});
    INFO(again.errors);
    CHECK(again.code == 0);
    CHECK(client.get("/v1/sessions/s/messages/m2", kOperator).at("/state") == "completed");
    CHECK(read_file(token_file) == token);
    CHECK(read_file(secret_file) == secret);
    put_file(secret_file, "whsec_another");
    CHECK(claim_once(server, dir).code == 0);
    CHECK(read_file(secret_file) == secret);
    CHECK(mode_of(secret_file) == 0600);
    CHECK(std::distance(fs::directory_iterator(dir), fs::directory_iterator()) == 2);
    CHECK(client.get("/v1/runtimes", kOperator).at("/items/0/state") == "online");
  }
}

TEST_CASE("a ticket is enough to register a worker, once") {
  const auto server = kDoors[1].server();
  const TemporaryDirectory directory;
  const auto ticket = Client(server.port()).post(kRuntime + "/tickets", "", kOperator).at("/ticket");
  const auto none = claim_once(server, directory / "none");
  CHECK(none.code == 2);
  CHECK(contains(none.errors, "HOLDFAST_PROVISIONING_TICKET"));
  const std::vector<std::string> environment{"HOLDFAST_PROVISIONING_TICKET=" + ticket,
                                             "XDG_STATE_HOME=" + (directory / "state")};
  CHECK(run({"claim", "--url", server.url(), "--runtime", "gpu-1", "--exec", "true", "--once"}, environment).code == 0);
  CHECK(mode_of(directory / "state/holdfast/runtimes") == 0700);
  CHECK(mode_of(directory / "state/holdfast/runtimes/gpu-1.token") == 0600);
  const auto second = claim_once(server, directory / "second", environment);
  CHECK(second.code == 2);
  CHECK(contains(second.errors, "another --runtime name"));
}

TEST_CASE("of two workers that race for a name, one gets it and the other stops") {
  for (const auto& door : kDoors) {
    CAPTURE(door.auth);
    const auto server = door.server();
    const TemporaryDirectory directory;
    const std::vector<std::string> directories{directory / "one", directory / "two"};
    std::vector<Ended> ended(2);
    std::vector<std::thread> racers;
    for (std::size_t i = 0; i < 2; ++i)
      racers.emplace_back([&, i] { ended[i] = claim_once(server, directories[i], door.worker); });
    for (auto& racer : racers) racer.join();
    const std::size_t winner = ended[0].code == 0 ? 0 : 1;
    INFO(ended[0].errors << ended[1].errors);
    CHECK(ended[winner].code == 0);
    CHECK(fs::exists(directories[winner] + "/gpu-1.token"));
    CHECK(ended[1 - winner].code == 2);
    CHECK(contains(ended[1 - winner].errors, "another --runtime name"));
    CHECK(fs::is_empty(directories[1 - winner]));
  }
}

TEST_CASE("workers that share their directory are one runtime") {
  const auto server = kDoors[1].server();
  const TemporaryDirectory directory;
  std::atomic<int> refused{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i)
    workers.emplace_back([&] { refused += claim_once(server, directory / "all", {kShowsKey}).code == 0 ? 0 : 1; });
  for (auto& worker : workers) worker.join();
  CHECK(refused == 0);
  CHECK(Client(server.port()).get("/v1/runtimes", kOperator).count("/items") == 1);
}

TEST_CASE("a worker goes on with the token that another process put into its file") {
  Working worker(kDoors[1]);
  worker.meanwhile([&] { put_file(worker.token_file(), worker.rotate()); });
  worker.go();
  const int code = worker.wait();
  INFO(worker.errors());
  CHECK(code == 0);
  CHECK(worker.state() == "completed");
}

TEST_CASE("a worker whose token is worth nothing stops, and its command with it") {
  for (const auto& door : kDoors) {
    CAPTURE(door.auth);
    {
      Working worker(door);
      worker.meanwhile([&] {
        fs::remove(worker.token_file());
        REQUIRE(worker.rotate().starts_with("hfr_"));
      });
      CHECK(worker.wait() == 2);
      CHECK(contains(worker.errors(), "gpu-1.token is gone"));
      CHECK(worker.child_is_gone());
      CHECK(worker.state() != "completed");
      CHECK_FALSE(fs::exists(worker.token_file()));
    }
    Working worker(door);
    REQUIRE(worker.rotate().starts_with("hfr_"));
    CHECK(worker.wait() == 2);
    CHECK(contains(worker.errors(), "does not take the token"));
    CHECK(contains(worker.errors(), "/rotate"));
    CHECK(worker.child_is_gone());
    const auto next = claim_once(worker.server, worker.credentials(), door.worker);  // the key does not stand in for it
    CHECK(next.code == 2);
    CHECK(read_file(worker.token_file()) == worker.first_token);
  }
}

TEST_CASE("a token file that cannot be trusted is refused") {
  const auto server = kDoors[0].server();
  const TemporaryDirectory directory;
  const auto dir = directory / "runtimes";
  REQUIRE(claim_once(server, dir).code == 0);
  const auto file = dir + "/gpu-1.token";
  const auto token = read_file(file);
  const auto message = admit(server, "m");
  const auto refused = [&](const std::string& says) {
    const auto ended = claim_once(server, dir);
    INFO(ended.errors);
    CHECK(ended.code == 2);
    CHECK(contains(ended.errors, says));
    CHECK(contains(ended.errors, file));
  };
  for (const mode_t mode : {0640, 0604, 0620}) {
    ::chmod(file.c_str(), mode);
    refused("chmod 600");
  }
  ::chmod(file.c_str(), 0600);
  for (const std::string text : {"", "nonsense", "hfr_gpu-2.", "hfr_gpu-1.zz"}) {
    put_file(file, text == "" || text == "nonsense" ? text : text + token.substr(text.size(), 64 + 10 - text.size()));
    refused("no auth token of runtime gpu-1");
  }
  CHECK(Client(server.port()).get(message).at("/state") == "queued");
  put_file(file, token);
  CHECK(claim_once(server, dir).code == 0);
  put_file(directory / "a-file", "");
  CHECK(claim_once(server, directory / "a-file").code == 2);
  CHECK(run({"claim", "--url", server.url(), "--runtime", "../x", "--credentials", dir, "--exec", "true"}).code == 2);
}

TEST_CASE("a token of another server registers nobody") {
  const auto one = kDoors[0].server();
  const auto other = kDoors[0].server();
  const TemporaryDirectory directory;
  REQUIRE(claim_once(one, directory / "runtimes").code == 0);
  const auto token = read_file(directory / "runtimes/gpu-1.token");
  CHECK(claim_once(other, directory / "runtimes").code == 2);
  CHECK(read_file(directory / "runtimes/gpu-1.token") == token);
  CHECK(Client(other.port()).get("/v1/runtimes").count("/items") == 0);
}

TEST_CASE("a worker whose runtime is removed stops, and cannot start again") {
  for (const auto& door : kDoors) {
    CAPTURE(door.auth);
    Working worker(door);
    CHECK(Client(worker.server.port()).request("DELETE", kRuntime, {}, kOperator).status == 204);
    CHECK(worker.wait() == 2);
    CHECK(contains(worker.errors(), "removed"));
    CHECK(worker.child_is_gone());
    CHECK(eventually([&] { return worker.state() == "queued"; }));
    const auto again = claim_once(worker.server, worker.credentials(), door.worker);
    CHECK(again.code == 2);
    CHECK(contains(again.errors, "removed"));
    fs::remove(worker.token_file());
    const auto anew = claim_once(worker.server, worker.credentials(), door.worker);
    CHECK(anew.code == 2);
    CHECK(contains(anew.errors, "was removed, and its name is not used again"));
    CHECK_FALSE(fs::exists(worker.token_file()));
  }
}

TEST_CASE("a turn that takes long does not make its runtime degraded") {
  for (const auto& door : kDoors) {
    CAPTURE(door.auth);
    Working worker(door, {"--runtime-degraded-ms", "2000", "--reconcile-interval-ms", "50"});
    Client client(worker.server.port());
    for (int i = 0; i < 80; ++i) {
      REQUIRE(client.get("/v1/runtimes", kOperator).at("/items/0/state") == "online");
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    worker.go();
    CHECK(worker.wait() == 0);
  }
}

TEST_CASE("a claim is a sign of life of the runtime whose token it shows") {
  for (const auto& door : kDoors) {
    CAPTURE(door.auth);
    const auto server = door.server({"--runtime-degraded-ms", "100", "--reconcile-interval-ms", "20"});
    Client client(server.port());
    const auto token = client.post(kRuntime + "/register", "{}", kOperator).at("/auth_token");
    const auto state = [&] { return client.get("/v1/runtimes", kOperator).at("/items/0/state"); };
    REQUIRE(eventually([&] { return state() == "degraded"; }));
    const auto before = client.get("/v1/runtimes", kOperator).at("/items/0/seen_at");
    client.post("/v1/claims", R"({"runtime":"gpu-1"})", kOperator);  // the operator's, not the runtime's
    CHECK(client.get("/v1/runtimes", kOperator).at("/items/0/seen_at") == before);
    client.post("/v1/claims", R"({"runtime":"gpu-1"})", {{"Authorization", "Bearer " + token}});
    CHECK(eventually([&] { return client.get("/v1/runtimes", kOperator).at("/items/0/seen_at") != before; }));
  }
}

TEST_CASE("a command that closes its output keeps its lease") {
  const auto server = kDoors[0].server();
  const TemporaryDirectory directory;
  const auto message = admit(server, "m");
  const auto ended =
      run(words(server, directory / "runtimes", "exec >&-; sleep 2.5", {"--once", "--lease-ms", "1000"}));
  INFO(ended.errors);
  const auto done = Client(server.port()).get(message);
  CHECK(done.at("/state") == "completed");
  CHECK(done.at("/attempt") == "1");
}

}  // namespace holdfast::test
