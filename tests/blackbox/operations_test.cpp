// What whoever runs the server sees: probes while it recovers, metrics, alerts and dashboards, logs, overload.
#include <sys/stat.h>

#include <atomic>
#include <regex>
#include <set>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

const std::string kMessages = "/v1/sessions/s/messages";

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

// A file whose readers wait until they are let through: what a store that takes long to open looks like from outside.
class Gate {
 public:
  explicit Gate(std::string path) : path_(std::move(path)), content_(read_file(path_)) {
    REQUIRE_FALSE(content_.empty());
    REQUIRE(::unlink(path_.c_str()) == 0);
    REQUIRE(::mkfifo(path_.c_str(), 0600) == 0);
  }
  ~Gate() {
    done_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // Gives every reader the content, until the object goes.
  void open() {
    thread_ = std::thread([this] {
      while (!done_) {
        const int fd = ::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);  // fails until there is a reader
        struct stat info {};
        if (fd >= 0 && ::fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode))
          CHECK(::write(fd, content_.data(), content_.size()) == static_cast<ssize_t>(content_.size()));
        if (fd >= 0) ::close(fd);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
  }

 private:
  const std::string path_;
  const std::string content_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

// The names of metrics in a text: ours, and those of the process.
std::set<std::string> names_in(const std::string& text) {
  static const std::regex kName("\\b(holdfast|process)_[a-z0-9_]+");
  std::set<std::string> names;
  for (std::sregex_iterator at(text.begin(), text.end(), kName), end; at != end; ++at) names.insert(at->str());
  return names;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::string in_tree(const std::string& path) { return std::string(HOLDFAST_SOURCE_DIR) + "/" + path; }

// A line of the log in JSON; its member as text, "(none)" when absent.
std::string member(const std::string& line, const std::string& name) { return Reply{0, {}, line}.at("/" + name); }

}  // namespace

TEST_CASE("while the store is being read /livez is 200, /readyz is 503 recovering, and nothing else is served") {
  const TemporaryDirectory directory;
  const auto start = [&](int port) {
    return std::make_unique<Process>(std::vector<std::string>{HOLDFAST_BINARY, "serve", "--data", directory / "data",
                                                              "--listen", "127.0.0.1:" + std::to_string(port)},
                                     directory / "log");
  };
  auto process = start(0);
  const auto first = process->line();
  REQUIRE(first.starts_with("listening on "));
  Client(std::atoi(first.substr(first.rfind(':') + 1).c_str())).post(kMessages, prompt("kept", R"("id":"a")"));
  process->signal(SIGKILL);
  CHECK(process->wait() == 128 + SIGKILL);

  std::optional<Gate> gate(directory / "data/CURRENT");  // RocksDB reads it first
  const int port = free_port();
  process = start(port);
  REQUIRE(becomes([&] { return Client(port).get("/livez").status == 200; }));
  REQUIRE(becomes([&] { return Client(port).get("/readyz").at("/phase") == "replaying"; }));
  Client client(port);
  const auto ready = client.get("/readyz");
  CHECK(ready.status == 503);
  CHECK(ready.at("/status") == "recovering");
  CHECK(ready.at("/retryable") == "true");
  CHECK_FALSE(ready.header("retry-after").empty());
  CHECK(ready.header("content-type").starts_with("application/json"));
  CHECK(std::stoull(ready.at("/log_bytes")) > 0);
  for (const std::string path : {"/v1/sessions/s/messages", "/v1/sessions", "/metrics", "/none"}) {
    INFO(path);
    const auto refused = client.get(path);
    CHECK(refused.problem() == "503 shutting_down");
    CHECK_FALSE(refused.header("retry-after").empty());
  }
  CHECK(client.post(kMessages, prompt("too early")).problem() == "503 shutting_down");

  gate->open();
  const auto line = process->line();
  gate.reset();
  CHECK(line == "listening on http://127.0.0.1:" + std::to_string(port));
  CHECK(client.get("/readyz").at("/status") == "ready");  // over the same connection
  CHECK(client.get(kMessages).count("/items") == 1);
  process->signal(SIGTERM);
  CHECK(process->wait() == 0);
}

TEST_CASE("every metric of the alerts, the dashboard and the manual is exported, and none is left out of the manual") {
  const Server server;
  Client client(server.port());
  client.post(kMessages, prompt("x"));
  const auto page = client.get("/metrics");
  std::set<std::string> exported;
  std::set<std::string> families;
  for (const auto& line : lines_of(page.body)) {
    if (line.starts_with("# TYPE ")) families.insert(line.substr(7, line.find(' ', 7) - 7));
    if (!line.starts_with("#")) exported.insert(line.substr(0, line.find_first_of(" {")));
  }
  CHECK(families.size() > 50);
  const auto dashboard = names_in(read_file(in_tree("packaging/grafana/holdfast.json")));
  std::set<std::string> alerts;
  const auto rules = read_file(in_tree("packaging/prometheus/holdfast.rules.yml"));
  for (const auto& line : lines_of(rules))
    if (line.find(" expr: ") != std::string::npos) alerts.merge(names_in(line));
  CHECK(alerts.size() > 10);
  CHECK(dashboard.size() > 40);
  for (const auto& names : {alerts, dashboard}) {
    for (const auto& name : names) {
      INFO(name);
      CHECK(exported.contains(name));
    }
  }
  for (const auto& name : names_in(rules)) {  // prose names a histogram as a whole
    INFO("packaging/prometheus/holdfast.rules.yml: " << name);
    CHECK((exported.contains(name) || families.contains(name)));
  }
  const auto manual = names_in(read_file(in_tree("docs/OPERATIONS.md")));
  for (const auto& name : manual) {
    INFO("docs/OPERATIONS.md: " << name);
    CHECK((exported.contains(name) || families.contains(name)));
  }
  for (const auto& name : families) {
    INFO("not in docs/OPERATIONS.md: " << name);
    CHECK(manual.contains(name));
  }
}

TEST_CASE("the dashboard is JSON, and every alert says what it means and what to do") {
  json::Parser parser;
  const auto text = read_file(in_tree("packaging/grafana/holdfast.json"));
  const auto dashboard = parser.parse(text);
  REQUIRE(dashboard);
  json::Array panels;
  REQUIRE(dashboard->at_key("panels").get(panels) == simdjson::SUCCESS);
  CHECK(panels.size() > 20);
  const auto rules = read_file(in_tree("packaging/prometheus/holdfast.rules.yml"));
  const auto count = [&](const std::string& key) {
    std::size_t n = 0;
    for (const auto& line : lines_of(rules))
      n += line.find_first_not_of(' ') == line.find(key) && line.find(key) != std::string::npos;
    return n;
  };
  CHECK(rules.find('\t') == std::string::npos);
  const auto alerts = count("- alert: ");
  CHECK(alerts > 10);
  for (const std::string key : {"expr: ", "labels: ", "summary: ", "meaning: ", "action: "}) {
    INFO(key);
    CHECK(count(key) == alerts);
  }
}

TEST_CASE("with few permits an overloaded server answers 503 overloaded with Retry-After, and loses nothing") {
  const Server server({"--in-flight-max", "1"});
  constexpr int kClients = 8;
  constexpr int kEach = 40;
  std::atomic<int> refused{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int c = 0; c < kClients; ++c)
    threads.emplace_back([&, c] {
      Client client(server.port());
      for (int i = 0; i < kEach; ++i) {
        const auto id = "m" + std::to_string(c) + "-" + std::to_string(i);
        for (;;) {
          const auto reply =
              client.post("/v1/sessions/s" + std::to_string(c) + "/messages", prompt(id, "\"id\":\"" + id + "\""));
          if (reply.status == 202) break;
          ++refused;
          if (reply.problem() != "503 overloaded" || reply.at("/retryable") != "true" ||
              reply.header("retry-after").empty()) {
            ++wrong;
            return;
          }
        }
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(refused > 0);
  Client client(server.port());
  CHECK(metric(client, "holdfast_admitted_total") == kClients * kEach);
  CHECK(metric(client, "holdfast_refused_total{reason=\"in_flight\"}") == static_cast<std::uint64_t>(refused));
  for (int c = 0; c < kClients; ++c) {
    const auto page = client.get("/v1/sessions/s" + std::to_string(c) + "/messages?limit=1000");
    CHECK(page.count("/items") == kEach);
    CHECK(page.at("/items/0/message") == "m" + std::to_string(c) + "-0");
  }
}

TEST_CASE("a slow disk is told in the log and in the metrics") {
  const Server server({"--sync-slow-ms", "0"});  // every sync is slower than that
  Client client(server.port());
  CHECK(client.post(kMessages, prompt("x")).status == 202);
  CHECK(metric(client, "holdfast_slow_syncs_total") > 0);
  CHECK(metric(client, "holdfast_disk_slow") == 1);
  CHECK(becomes([&] { return server.log().find("the disk is slow: ") != std::string::npos; }));
}

TEST_CASE("the age of the oldest ready message, retries and dead letters are in the metrics") {
  const Server server({"--retry-default-ms", "1"});
  Client client(server.port());
  CHECK(metric(client, "holdfast_ready_sessions") == 0);
  client.post(kMessages, prompt("x"));
  CHECK(becomes([&] { return metric(client, "holdfast_ready_oldest_age_seconds") > 0; }));  // whole seconds here
  for (int i = 0; i < 2; ++i) {
    const Turn turn(client.post("/v1/claims", R"({"wait_ms":5000})"));
    REQUIRE(client.post(turn.path("fail"), R"({"code":"broken","retryable":true})", turn.lease).status == 204);
  }
  CHECK(metric(client, "holdfast_retries_total") == 1);
  CHECK(metric(client, "holdfast_dead_letters_total") == 1);
  CHECK(becomes([&] { return metric(client, "holdfast_mailbox_envelopes") == 0; }));
}

TEST_CASE("streams and WebSockets are counted while they are open") {
  const Server server;
  Client client(server.port());
  client.post(kMessages, prompt("x"));
  {
    Client stream(server.port());
    stream.send("GET /v1/sessions/s/events HTTP/1.1\r\nHost: t\r\nAccept: text/event-stream\r\n\r\n");
    CHECK(stream.until("message.queued"));
    CHECK(metric(client, "holdfast_http_streams") == 1);
  }
  CHECK(becomes([&] { return metric(client, "holdfast_http_streams") == 0; }));
}

TEST_CASE("the access log is off by default; all, or only errors; without queries and headers") {
  for (const std::string level : {"off", "errors", "all"}) {
    INFO(level);
    Server server({"--log-format", "json", "--access-log", level});
    Client client(server.port());
    client.post(kMessages, prompt("x"), {{"Request-Id", "mine-1"}, {"Authorization", "Bearer canary-header"}});
    client.get("/none?ticket=canary-query");
    CHECK(server.terminate() == 0);
    std::set<std::string> statuses;
    for (const auto& line : lines_of(server.log())) {
      INFO(line);
      json::Parser parser;
      CHECK(parser.parse(line));
      for (const std::string name : {"at", "level", "message"}) CHECK(member(line, name) != "(none)");
      if (member(line, "message") != "request") continue;
      statuses.insert(member(line, "status"));
      CHECK(member(line, "request") != "(none)");
      CHECK(member(line, "duration_us") != "(none)");
      if (member(line, "status") != "202") {
        CHECK(member(line, "route") == "other");
        CHECK(member(line, "path") == "/none");
        continue;
      }
      CHECK(member(line, "request") == "mine-1");
      CHECK(member(line, "method") == "POST");
      CHECK(member(line, "route") == "/v1/sessions/{s}/messages");
      CHECK(member(line, "session") == "s");
    }
    CHECK(server.log().find("canary") == std::string::npos);
    if (level == "off") CHECK(statuses.empty());
    if (level == "errors") CHECK(statuses == std::set<std::string>{"404"});
    if (level == "all") CHECK(statuses == std::set<std::string>{"202", "404"});
  }
}

TEST_CASE("the access log as text is one line a request, whatever is in the path") {
  Server server({"--access-log", "all"});
  Client client(server.port());
  client.get("/no\"such=path");
  client.get("/livez");
  CHECK(server.terminate() == 0);
  CHECK(server.log().find(" method=GET path=/livez route=/livez status=200 duration_us=") != std::string::npos);
  CHECK(server.log().find(R"( method=GET path="/no\"such=path" route=other status=404 )") != std::string::npos);
}

TEST_CASE("an open loop tells what was acknowledged in time") {
  const Server server;
  const auto ended = run({"bench", "--url", server.url(), "--rate", "200", "--connections", "4", "--sessions", "10",
                          "--duration", "1", "--warmup", "0", "--deadline-ms", "20000"});
  CHECK(ended.code == 0);
  CHECK(ended.output.find("/s acknowledged in time") != std::string::npos);
  CHECK(run({"bench", "--rate", "0.1"}).code == 2);
}

}  // namespace holdfast::test
