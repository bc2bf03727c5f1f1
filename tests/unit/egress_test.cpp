// The room of outgoing calls: which addresses may be reached, calls against servers on the loopback, signatures against
// the reference, and the circuit of each origin by property.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <rapidcheck.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cctype>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "src/core/check.hpp"
#include "src/core/crypto.hpp"
#include "src/egress/curl_client.hpp"
#include "src/egress/network.hpp"
#include "src/egress/outbound.hpp"
#include "src/egress/targets.hpp"
#include "src/egress/webhook.hpp"

namespace holdfast::egress {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using Clock = std::chrono::steady_clock;

// ---- addresses

using V4 = std::array<unsigned char, 4>;
using V6 = std::array<unsigned char, 16>;

V4 v4_of(const std::string& text) {
  V4 out{};
  REQUIRE(::inet_pton(AF_INET, text.c_str(), out.data()) == 1);
  return out;
}

V6 v6_of(const std::string& text) {
  V6 out{};
  REQUIRE(::inet_pton(AF_INET6, text.c_str(), out.data()) == 1);
  return out;
}

std::vector<Network> networks(const std::vector<std::string>& texts) {
  std::vector<Network> out;
  for (const auto& text : texts) {
    const auto network = parse_network(text);
    REQUIRE(network.has_value());
    out.push_back(*network);
  }
  return out;
}

bool reachable(const V4& address, const std::vector<Network>& allow = {}) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  std::memcpy(&in.sin_addr, address.data(), address.size());
  return permitted(reinterpret_cast<const sockaddr&>(in), allow);
}

bool reachable(const V6& address, const std::vector<Network>& allow = {}) {
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  std::memcpy(&in.sin6_addr, address.data(), address.size());
  return permitted(reinterpret_cast<const sockaddr&>(in), allow);
}

bool reachable(const std::string& text, const std::vector<Network>& allow = {}) {
  return text.find(':') == std::string::npos ? reachable(v4_of(text), allow) : reachable(v6_of(text), allow);
}

// Every way in which IPv6 carries an IPv4 address.
std::vector<V6> carriers(const V4& v4) {
  std::vector<V6> out;
  for (const auto* prefix : {"::ffff:0:0", "64:ff9b::", "::"}) {
    out.push_back(v6_of(prefix));
    std::copy(v4.begin(), v4.end(), out.back().begin() + 12);
  }
  out.push_back(v6_of("2002:0:0:1::1"));
  std::copy(v4.begin(), v4.end(), out.back().begin() + 2);
  out.push_back(v6_of("2001:0:808:808::"));  // Teredo: behind a public server, and inverted
  std::transform(v4.begin(), v4.end(), out.back().begin() + 12, [](int b) { return static_cast<unsigned char>(~b); });
  return out;
}

struct Edges {
  std::string first;
  std::string last;
  std::vector<std::string> outside;  // the neighbours, where they are public
};

// ---- a server on the loopback

struct Seen {
  std::string line;
  std::map<std::string, std::string> headers;  // lower-case names
  std::string body;
  int connection = 0;
};

std::string reply(int status, const std::string& headers = {}, const std::string& body = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " Said\r\ncontent-length: " + std::to_string(body.size()) + "\r\n" +
         headers + "\r\n" + body;
}
std::string moved(int status, const std::string& to) { return reply(status, "location: " + to + "\r\n"); }

// The first request in `bytes`, which it is taken out of. Nothing while it is not whole.
std::optional<Seen> take_request(std::string& bytes) {
  const auto head = bytes.find("\r\n\r\n");
  if (head == std::string::npos) return std::nullopt;
  Seen seen;
  std::size_t at = bytes.find("\r\n");
  seen.line = bytes.substr(0, at);
  while (at < head) {
    const auto end = bytes.find("\r\n", at + 2);
    const auto line = bytes.substr(at + 2, end - at - 2);
    auto name = line.substr(0, line.find(':'));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    const auto value = line.find_first_not_of(' ', name.size() + 1);
    seen.headers[name] = value == std::string::npos ? "" : line.substr(value);
    at = end;
  }
  const auto length = seen.headers.contains("content-length") ? std::stoul(seen.headers["content-length"]) : 0;
  if (bytes.size() < head + 4 + length) return std::nullopt;
  seen.body = bytes.substr(head + 4, length);
  bytes.erase(0, head + 4 + length);
  return seen;
}

int listen_on(in_addr_t address, std::uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(address);
  socklen_t size = sizeof in;
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&in), size) == 0);
  REQUIRE(::listen(fd, 1'024) == 0);
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&in), &size) == 0);
  port = ntohs(in.sin_port);
  return fd;
}

// Answers with the bytes that `answer` gives; with none the client waits. One thread, connections stay open.
class Server {
 public:
  using Answer = std::function<std::string(const Seen&)>;
  explicit Server(Answer answer) : answer_(std::move(answer)) {
    listener_ = listen_on(INADDR_ANY, port_);  // all of 127/8 leads here
    REQUIRE(::pipe(stop_.data()) == 0);
    thread_ = std::thread([this] { run(); });
  }
  ~Server() {
    ::close(stop_[1]);
    thread_.join();
    ::close(stop_[0]);
    ::close(listener_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::string url(const std::string& path = "/", const std::string& host = "127.0.0.1") const {
    return "http://" + host + ":" + std::to_string(port_) + path;
  }
  [[nodiscard]] int connections() const { return connections_; }
  [[nodiscard]] std::vector<Seen> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  // Until so many requests have come.
  [[nodiscard]] bool had(std::size_t requests) const {
    for (const auto end = Clock::now() + 10s; Clock::now() < end; std::this_thread::sleep_for(2ms))
      if (seen().size() >= requests) return true;
    return false;
  }

 private:
  struct Peer {
    int number = 0;
    std::string bytes;
  };

  void run() {
    std::map<int, Peer> peers;
    while (true) {
      std::vector<pollfd> fds{{stop_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const auto& [fd, peer] : peers) fds.push_back({fd, POLLIN, 0});
      ::poll(fds.data(), fds.size(), -1);
      if (fds[0].revents != 0) break;
      if (fds[1].revents != 0)
        if (const int fd = ::accept(listener_, nullptr, nullptr); fd >= 0) peers[fd].number = ++connections_;
      for (std::size_t i = 2; i < fds.size(); ++i)
        if (fds[i].revents != 0 && !serve(fds[i].fd, peers[fds[i].fd])) {
          ::close(fds[i].fd);
          peers.erase(fds[i].fd);
        }
    }
    for (const auto& [fd, peer] : peers) ::close(fd);
  }

  bool serve(int fd, Peer& peer) {
    std::array<char, 16'384> chunk{};
    const auto got = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (got <= 0) return false;
    peer.bytes.append(chunk.data(), static_cast<std::size_t>(got));
    while (auto request = take_request(peer.bytes)) {
      request->connection = peer.number;
      const auto bytes = answer_(*request);
      {
        const std::lock_guard lock(mutex_);
        seen_.push_back(std::move(*request));
      }
      for (std::size_t sent = 0; sent < bytes.size();) {
        const auto more = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (more <= 0) return false;
        sent += static_cast<std::size_t>(more);
      }
    }
    return true;
  }

  const Answer answer_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::array<int, 2> stop_{};
  std::atomic<int> connections_ = 0;
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
  std::thread thread_;
};

// A function of libssl, which libcurl brings into the process; this binary is linked with libcrypto only.
template <class F>
F* ssl(const char* name) {
  auto* found = ::dlsym(RTLD_DEFAULT, name);
  HOLDFAST_CHECK(found != nullptr);  // also on threads where Catch must not be asked
  return reinterpret_cast<F*>(found);
}

// Serves each connection one answer over TLS, with a certificate of its own for 127.0.0.1.
class TlsServer {
 public:
  explicit TlsServer(std::string answer, long version_max = 0) : answer_(std::move(answer)) {
    std::string form = (std::filesystem::temp_directory_path() / "holdfast-egress-XXXXXX").string();
    REQUIRE(::mkdtemp(form.data()) != nullptr);
    folder_ = form;
    const auto made =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test" +
        (" -addext subjectAltName=IP:127.0.0.1 -keyout " + key()) + " -out " + certificate() + " 2>/dev/null";
    REQUIRE(std::system(made.c_str()) == 0);
    context_ = ssl<decltype(SSL_CTX_new)>("SSL_CTX_new")(ssl<decltype(TLS_server_method)>("TLS_server_method")());
    REQUIRE(context_ != nullptr);
    const auto ctrl = ssl<decltype(SSL_CTX_ctrl)>("SSL_CTX_ctrl");
    if (version_max != 0) {
      ctrl(context_, SSL_CTRL_SET_MIN_PROTO_VERSION, 0, nullptr);
      REQUIRE(ctrl(context_, SSL_CTRL_SET_MAX_PROTO_VERSION, version_max, nullptr) == 1);
      REQUIRE(ssl<decltype(SSL_CTX_set_cipher_list)>("SSL_CTX_set_cipher_list")(context_, "ALL:@SECLEVEL=0") == 1);
    }
    REQUIRE(ssl<decltype(SSL_CTX_use_certificate_file)>("SSL_CTX_use_certificate_file")(context_, certificate().c_str(),
                                                                                        SSL_FILETYPE_PEM) == 1);
    REQUIRE(ssl<decltype(SSL_CTX_use_PrivateKey_file)>("SSL_CTX_use_PrivateKey_file")(context_, key().c_str(),
                                                                                      SSL_FILETYPE_PEM) == 1);
    listener_ = listen_on(INADDR_LOOPBACK, port_);
    thread_ = std::thread([this] { run(); });
  }
  ~TlsServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    ssl<decltype(SSL_CTX_free)>("SSL_CTX_free")(context_);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  [[nodiscard]] std::string certificate() const { return (folder_ / "certificate.pem").string(); }
  [[nodiscard]] std::string url(const std::string& scheme = "https", const std::string& host = "127.0.0.1") const {
    return scheme + "://" + host + ":" + std::to_string(port_) + "/";
  }

 private:
  [[nodiscard]] std::string key() const { return (folder_ / "key.pem").string(); }

  void run() {
    // libssl writes without MSG_NOSIGNAL. Here only: the client has to get along without.
    sigset_t pipe{};
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    while (true) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const timeval patience{5, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      serve(fd);
      ::close(fd);
    }
  }

  void serve(int fd) {
    SSL* connection = ssl<decltype(SSL_new)>("SSL_new")(context_);
    ssl<decltype(SSL_set_fd)>("SSL_set_fd")(connection, fd);
    if (ssl<decltype(SSL_accept)>("SSL_accept")(connection) == 1) {
      std::string bytes;
      std::array<char, 4'096> chunk{};
      while (!take_request(bytes)) {
        const int got = ssl<decltype(SSL_read)>("SSL_read")(connection, chunk.data(), chunk.size());
        if (got <= 0) break;
        bytes.append(chunk.data(), static_cast<std::size_t>(got));
      }
      ssl<decltype(SSL_write)>("SSL_write")(connection, answer_.data(), static_cast<int>(answer_.size()));
      ssl<decltype(SSL_shutdown)>("SSL_shutdown")(connection);
    }
    ssl<decltype(SSL_free)>("SSL_free")(connection);
  }

  const std::string answer_;
  std::filesystem::path folder_;
  SSL_CTX* context_ = nullptr;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::thread thread_;
};

// ---- calls

CurlClient::Settings local() {
  CurlClient::Settings settings;
  settings.allow = networks({"127.0.0.1"});
  settings.user_agent = "holdfast-test";
  return settings;
}

std::future<Outcome> send(Outbound& client, Request request) {
  auto promise = std::make_shared<std::promise<Outcome>>();
  auto future = promise->get_future();
  client.post(std::move(request), [promise](Outcome outcome) { promise->set_value(std::move(outcome)); });
  return future;
}

Outcome ask(Outbound& client, Request request) { return send(client, std::move(request)).get(); }

Request to(std::string url) {
  Request request;
  request.url = std::move(url);
  return request;
}

Fault fault_of(const Outcome& outcome) {
  REQUIRE_FALSE(outcome.has_value());
  return outcome.error().fault;
}

long ms_since(Clock::time_point start) {
  return static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count());
}

}  // namespace

TEST_CASE("egress: an origin is scheme, host and port, in lower case", "[egress]") {
  CHECK(origin_of("https://Example.COM/path?q#f") == "https://example.com:443");
  CHECK(origin_of("HTTP://a.example") == "http://a.example:80");
  CHECK(origin_of("http://a.example:/") == "http://a.example:80");
  CHECK(origin_of("https://a.example:8443/") == "https://a.example:8443");
  CHECK(origin_of("http://[::1]:81/") == "http://[::1]:81");
  CHECK(origin_of("http://0x7f.1/") == "http://127.0.0.1:80");
  CHECK(origin_of("http://a.example/@b?c@d#e@f") == "http://a.example:80");
  for (const auto url : {""sv,
                         "a.example"sv,
                         "//a.example/"sv,
                         "ftp://a.example/"sv,
                         "file:///etc/passwd"sv,
                         "http:"sv,
                         "http://"sv,
                         "http:///a"sv,
                         "http:/a/"sv,
                         "http://?a"sv,
                         "http://#a"sv,
                         "http://:80/"sv,
                         "http://a b/"sv,
                         "http://a.example:65536/"sv,
                         "http://user@a.example/"sv,
                         "http://user:word@a.example/"sv,
                         "http://:word@a.example/"sv,
                         "http://@a.example/"sv,
                         "http://:@a.example/"sv,
                         "http://a\\@b.example/"sv,
                         "http://a.example\r\n/"sv,
                         "http://a.example\0.b.example/"sv,
                         "http://a.example/\0"sv}) {
    INFO(url);
    CHECK_FALSE(origin_of(url).has_value());
  }
}

TEST_CASE("egress: networks are parsed, or refused with how to write them", "[egress]") {
  for (const auto text :
       {"10.0.0.0/8"sv, "0.0.0.0/0"sv, "127.0.0.1"sv, "127.0.0.1/32"sv, "::1"sv, "::1/128"sv, "::/0"sv})
    CHECK(parse_network(text).has_value());
  for (const auto text : {""sv, "/8"sv, "10.0.0.0/"sv, "10.0.0.0/33"sv, "10.0.0.0/-1"sv, "10.0.0.0/+8"sv,
                          "10.0.0.0/8x"sv, "10.0.0.0/8/8"sv, "10.0.0/8"sv, " 10.0.0.0/8"sv, "::/129"sv, "::1%lo"sv,
                          "a.example"sv, "127.0.0.1\0x"sv, "10.0.0.0/99999999999999999999"sv}) {
    INFO(text);
    const auto network = parse_network(text);
    REQUIRE_FALSE(network.has_value());
    CHECK(network.error().code == ErrorCode::invalid_request);
    CHECK(network.error().detail.find("10.0.0.0/8") != std::string::npos);
  }
}

TEST_CASE("egress: no IPv4 address that is not public is reached, however it is carried", "[egress]") {
  const std::vector<Edges> blocks{{"0.0.0.0", "0.255.255.255", {"1.0.0.0"}},
                                  {"10.0.0.0", "10.255.255.255", {"9.255.255.255", "11.0.0.0"}},
                                  {"100.64.0.0", "100.127.255.255", {"100.63.255.255", "100.128.0.0"}},
                                  {"127.0.0.0", "127.255.255.255", {"126.255.255.255", "128.0.0.0"}},
                                  {"169.254.0.0", "169.254.255.255", {"169.253.255.255", "169.255.0.0"}},
                                  {"172.16.0.0", "172.31.255.255", {"172.15.255.255", "172.32.0.0"}},
                                  {"192.0.0.0", "192.0.0.255", {"191.255.255.255", "192.0.1.0"}},
                                  {"192.0.2.0", "192.0.2.255", {"192.0.1.255", "192.0.3.0"}},
                                  {"192.88.99.0", "192.88.99.255", {"192.88.98.255", "192.88.100.0"}},
                                  {"192.168.0.0", "192.168.255.255", {"192.167.255.255", "192.169.0.0"}},
                                  {"198.18.0.0", "198.19.255.255", {"198.17.255.255", "198.20.0.0"}},
                                  {"198.51.100.0", "198.51.100.255", {"198.51.99.255", "198.51.101.0"}},
                                  {"203.0.113.0", "203.0.113.255", {"203.0.112.255", "203.0.114.0"}},
                                  {"224.0.0.0", "239.255.255.255", {"223.255.255.255"}},
                                  {"240.0.0.0", "255.255.255.255", {}}};
  const auto check = [](const std::string& text, bool expected) {
    INFO(text);
    CHECK(reachable(text) == expected);
    for (const auto& carrier : carriers(v4_of(text))) {
      INFO(to_hex({reinterpret_cast<const char*>(carrier.data()), carrier.size()}));
      CHECK(reachable(carrier) == expected);
    }
  };
  for (const auto& block : blocks) {
    check(block.first, false);
    check(block.last, false);
    for (const auto& neighbour : block.outside) check(neighbour, true);
  }
}

TEST_CASE("egress: no IPv6 address that is not public is reached", "[egress]") {
  const std::string rest = ":ffff:ffff:ffff:ffff:ffff:ffff";
  const std::vector<Edges> blocks{
      {"::", "::1", {}},
      {"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", {"64:ff9b:0:ffff:ffff:ffff:ffff:ffff", "64:ff9b:2::"}},
      {"100::", "100::ffff:ffff:ffff:ffff", {"ff:ffff" + rest, "100:0:0:1::"}},
      {"2001:db8::", "2001:db8" + rest, {"2001:db7" + rest, "2001:db9::"}},
      {"fc00::", "fdff:ffff" + rest, {"fbff:ffff" + rest, "fe00::"}},
      {"fe80::", "febf:ffff" + rest, {"fe7f:ffff" + rest}},
      {"fec0::", "feff:ffff" + rest, {}},
      {"ff00::", "ffff:ffff" + rest, {}}};
  for (const auto& block : blocks) {
    INFO(block.first);
    CHECK_FALSE(reachable(block.first));
    CHECK_FALSE(reachable(block.last));
    for (const auto& neighbour : block.outside) {
      INFO(neighbour);
      CHECK(reachable(neighbour));
    }
  }
  CHECK(reachable("2606:4700::1111"));
}

TEST_CASE("egress: a network that is allowed is reached, and no more than it", "[egress]") {
  const auto half = networks({"10.0.0.0/9"});
  CHECK(reachable("10.0.0.0", half));
  CHECK(reachable("10.127.255.255", half));
  CHECK(reachable("64:ff9b::10.0.0.1", half));
  CHECK(reachable("::ffff:10.0.0.1", half));
  CHECK_FALSE(reachable("10.128.0.0", half));
  CHECK_FALSE(reachable("::ffff:10.128.0.0", half));
  const auto odd = networks({"192.168.4.0/22", "fd00::/15"});
  CHECK(reachable("192.168.7.255", odd));
  CHECK_FALSE(reachable("192.168.8.0", odd));
  CHECK_FALSE(reachable("192.168.3.255", odd));
  CHECK(reachable("fd01:ffff::", odd));
  CHECK_FALSE(reachable("fd02::", odd));
  CHECK(reachable("127.0.0.1", networks({"0.0.0.0/0"})));
  CHECK_FALSE(reachable("::1", networks({"0.0.0.0/0"})));
  CHECK(reachable("::1", networks({"::1"})));
  CHECK_FALSE(reachable("127.0.0.1", networks({"::1"})));
  CHECK(reachable("fd00::1", networks({"::/0"})));
  // IPv4 is no part of any IPv6 network, though it is held as one address of them.
  CHECK_FALSE(reachable("127.0.0.1", networks({"::/0"})));
  CHECK_FALSE(reachable("::ffff:127.0.0.1", networks({"::/64"})));
  sockaddr local_socket{};
  local_socket.sa_family = AF_UNIX;
  CHECK_FALSE(permitted(local_socket, networks({"0.0.0.0/0", "::/0"})));
}

TEST_CASE("egress: a POST arrives as it was given, and its answer comes back", "[egress]") {
  Server server([](const Seen&) { return reply(418, "", "short and stout"); });
  CurlClient client(local());
  auto request = to(server.url("/in?a=b"));
  request.headers = {{"content-type", "application/json"}, {"X-Empty", ""}, {"webhook-id", "msg_1"}};
  request.body = std::string("{\"a\":\0}", 7) + std::string(3 << 20, 'x');  // long enough for libcurl's 100-continue
  const auto body = request.body;
  const auto outcome = ask(client, std::move(request));
  REQUIRE(outcome.has_value());
  CHECK(outcome->status == 418);
  CHECK(outcome->body == "short and stout");
  CHECK(outcome->retry_after_ms == 0);
  const auto seen = server.seen();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].line == "POST /in?a=b HTTP/1.1");
  CHECK(seen[0].body == body);
  CHECK(seen[0].headers.at("content-type") == "application/json");
  CHECK(seen[0].headers.at("x-empty").empty());
  CHECK(seen[0].headers.at("webhook-id") == "msg_1");
  CHECK(seen[0].headers.at("user-agent") == "holdfast-test");
  CHECK_FALSE(seen[0].headers.contains("expect"));
}

TEST_CASE("egress: a connection is used again, and the answer comes on a thread of the client", "[egress]") {
  Server server([](const Seen&) { return reply(200); });
  CurlClient client(local());
  for (int i = 0; i < 5; ++i) REQUIRE(ask(client, to(server.url())).has_value());
  CHECK(server.connections() == 1);
  std::promise<std::thread::id> where;
  client.post(to(server.url()), [&where](const Outcome&) { where.set_value(std::this_thread::get_id()); });
  CHECK(where.get_future().get() != std::this_thread::get_id());
}

TEST_CASE("egress: a receiver says when to come again, in seconds or as a date", "[egress]") {
  std::string value;
  Server server([&value](const Seen&) { return reply(503, "retry-after: " + value + "\r\n"); });
  CurlClient client(local());
  const auto said = [&](std::string text) {
    value = std::move(text);
    const auto outcome = ask(client, to(server.url()));
    REQUIRE(outcome.has_value());
    return outcome->retry_after_ms;
  };
  const auto date = [](std::time_t at) {
    std::array<char, 64> text{};
    std::tm parts{};
    std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", ::gmtime_r(&at, &parts));
    return std::string(text.data());
  };
  CHECK(said("7") == 7'000);
  CHECK(said("0") == 0);
  CHECK(said("-3") == 0);
  CHECK(said("soon") == 0);
  const auto in_100_s = said(date(std::time(nullptr) + 100));
  CHECK(in_100_s > 90'000);
  CHECK(in_100_s <= 100'000);
  CHECK(said(date(std::time(nullptr) - 100)) == 0);
  CHECK(said("99999999999") <= std::int64_t{366} * 86'400'000);
}

TEST_CASE("egress: an address that is not allowed is refused before anything is sent", "[egress]") {
  Server server([](const Seen&) { return reply(200); });
  CurlClient nothing_allowed({});
  for (const auto* host : {"127.0.0.1", "localhost", "0x7f000001", "127.1", "0.0.0.0", "[::ffff:127.0.0.1]"}) {
    INFO(host);
    const auto outcome = ask(nothing_allowed, to(server.url("/?token=secret", host)));
    CHECK(fault_of(outcome) == Fault::target_refused);
    CHECK(outcome.error().detail.find("secret") == std::string::npos);
  }
  const auto outcome = ask(nothing_allowed, to(server.url("/", "localhost")));
  REQUIRE_FALSE(outcome.has_value());
  CHECK(outcome.error().detail.find("localhost") != std::string::npos);
  CHECK(server.connections() == 0);
  CurlClient client(local());
  CHECK(ask(client, to(server.url())).has_value());
  CHECK(ask(client, to(server.url("/", "localhost"))).has_value());
  CHECK(fault_of(ask(client, to(server.url("/", "127.0.0.2")))) == Fault::target_refused);
}

TEST_CASE("egress: a URL or header that cannot be sent is refused, and its text is not repeated", "[egress]") {
  Server server([](const Seen&) { return reply(200); });
  CurlClient client(local());
  for (const auto* url : {"", "ftp://127.0.0.1/", "http://", "http://user:secret@127.0.0.1/", "file:///etc/passwd"})
    CHECK(fault_of(ask(client, to(url))) == Fault::invalid_url);
  const std::vector<std::pair<std::string, std::string>> headers{
      {"x", "a\r\nsecret: b"}, {"x", "secret\n"},     {"x", "secret\r"}, {"x", std::string("secret\0", 7)},
      {"x", "secret\x7f"},     {"", "secret"},        {"secret b", "a"}, {"secret:", "a"},
      {"secret\r\nb", "a"},    {"\xc3\xa9", "secret"}};
  for (const auto& header : headers) {
    auto request = to(server.url());
    request.headers = {header};
    const auto outcome = ask(client, std::move(request));
    CHECK(fault_of(outcome) == Fault::invalid_url);
    CHECK(outcome.error().detail.find("secret") == std::string::npos);
  }
  CHECK(server.connections() == 0);
}

TEST_CASE("egress: 307 and 308 are followed with method, headers and body", "[egress]") {
  for (const int status : {307, 308}) {
    Server server([status](const Seen& seen) {
      return seen.line.starts_with("POST /old ") ? moved(status, "/new") : reply(200, "", "there");
    });
    CurlClient client(local());
    auto request = to(server.url("/old"));
    request.headers = {{"authorization", "Bearer secret"}};
    request.body = "cargo";
    const auto outcome = ask(client, std::move(request));
    REQUIRE(outcome.has_value());
    CHECK(outcome->status == 200);
    CHECK(outcome->body == "there");
    const auto seen = server.seen();
    REQUIRE(seen.size() == 2);
    CHECK(seen[1].line == "POST /new HTTP/1.1");
    CHECK(seen[1].body == "cargo");
    CHECK(seen[1].headers.at("authorization") == "Bearer secret");
    CHECK(server.connections() == 1);
  }
}

TEST_CASE("egress: other redirects are answers", "[egress]") {
  Server server([](const Seen& seen) {
    const auto status = std::stoi(seen.line.substr(6, 3));
    return seen.line.find("bare") != std::string::npos ? reply(status) : moved(status, "/elsewhere");
  });
  CurlClient client(local());
  for (const auto* path : {"/300", "/301", "/302", "/303", "/307bare", "/308bare"}) {
    INFO(path);
    const auto outcome = ask(client, to(server.url(path)));
    REQUIRE(outcome.has_value());
    CHECK(outcome->status == std::stoi(std::string(path).substr(1, 3)));
  }
  CHECK(server.seen().size() == 6);
}

TEST_CASE("egress: another origin gets none of the owner's headers", "[egress]") {
  Server there([](const Seen&) { return reply(200); });
  Server here([&there](const Seen&) { return moved(307, there.url("/in")); });
  CurlClient client(local());
  auto request = to(here.url());
  request.headers = {{"Authorization", "Bearer secret"},
                     {"Cookie", "a=b"},
                     {"x-api-key", "k"},
                     {"Content-Type", "text/plain"},
                     {"Webhook-Id", "msg_1"},
                     {"webhook-signature", "v1,a"},
                     {"traceparent", "00-1"},
                     {"User-Agent", "owner"}};
  request.body = "cargo";
  const auto outcome = ask(client, std::move(request));
  REQUIRE(outcome.has_value());
  REQUIRE(here.seen().size() == 1);
  CHECK(here.seen()[0].headers.contains("authorization"));
  REQUIRE(there.seen().size() == 1);
  const auto seen = there.seen()[0];
  CHECK(seen.body == "cargo");
  for (const auto* name : {"authorization", "cookie", "x-api-key"}) CHECK_FALSE(seen.headers.contains(name));
  CHECK(seen.headers.at("content-type") == "text/plain");
  CHECK(seen.headers.at("webhook-id") == "msg_1");
  CHECK(seen.headers.at("webhook-signature") == "v1,a");
  CHECK(seen.headers.at("traceparent") == "00-1");
  CHECK(seen.headers.at("user-agent") == "owner");
}

TEST_CASE("egress: what another origin did not get does not come back with a second redirect", "[egress]") {
  std::string back;
  Server there([&back](const Seen&) { return moved(307, back); });
  Server here([&there](const Seen& seen) {
    return seen.line.starts_with("POST /back ") ? reply(200) : moved(307, there.url());
  });
  back = here.url("/back");
  CurlClient client(local());
  auto request = to(here.url());
  request.headers = {{"authorization", "Bearer secret"}};
  const auto outcome = ask(client, std::move(request));
  REQUIRE(outcome.has_value());
  REQUIRE(here.seen().size() == 2);
  CHECK_FALSE(here.seen()[1].headers.contains("authorization"));
}

TEST_CASE("egress: a redirect is guarded like the first address", "[egress]") {
  std::string target;
  Server server([&target](const Seen&) { return moved(307, target); });
  CurlClient client(local());
  for (const auto* host : {"127.0.0.2", "0.0.0.0", "[::1]", "169.254.169.254"}) {
    target = server.url("/?token=secret", host);
    const auto outcome = ask(client, to(server.url()));
    CHECK(fault_of(outcome) == Fault::target_refused);
    CHECK(outcome.error().detail.find(host) != std::string::npos);
    CHECK(outcome.error().detail.find("secret") == std::string::npos);
  }
  for (const auto* url : {"ftp://127.0.0.1/", "file:///etc/passwd", "http://user:secret@127.0.0.1/"}) {
    target = url;
    const auto outcome = ask(client, to(server.url()));
    CHECK(fault_of(outcome) == Fault::invalid_url);
    CHECK(outcome.error().detail.find("secret") == std::string::npos);
  }
  CHECK(server.seen().size() == 7);
}

TEST_CASE("egress: redirects_max redirects are followed and not one more", "[egress]") {
  Server server([](const Seen& seen) {
    const auto left = std::stoi(seen.line.substr(6));
    return left == 0 ? reply(200) : moved(308, "/" + std::to_string(left - 1));
  });
  CurlClient client(local());
  CHECK(ask(client, to(server.url("/3"))).has_value());
  CHECK(server.seen().size() == 4);
  CHECK_FALSE(ask(client, to(server.url("/4"))).has_value());
  CHECK(server.seen().size() == 8);
  auto none = local();
  none.redirects_max = 0;
  CurlClient still(none);
  CHECK(ask(still, to(server.url("/0"))).has_value());
  CHECK_FALSE(ask(still, to(server.url("/1"))).has_value());
}

TEST_CASE("egress: an answer has a bound", "[egress]") {
  Server server([](const Seen& seen) {
    if (seen.line.starts_with("POST /chunked ")) {
      std::string out = "HTTP/1.1 200 Said\r\ntransfer-encoding: chunked\r\n\r\n";
      for (int i = 0; i < 100; ++i) out += "64\r\n" + std::string(100, 'x') + "\r\n";
      return out + "0\r\n\r\n";
    }
    if (seen.line.starts_with("POST /head ")) {
      std::string head = "HTTP/1.1 200 Said\r\n";
      for (int i = 0; i < 20'000; ++i) head += "x-filler-" + std::to_string(i) + ": " + std::string(80, 'x') + "\r\n";
      return head + "content-length: 0\r\n\r\n";
    }
    return reply(200, "", std::string(static_cast<std::size_t>(std::stoi(seen.line.substr(6))), 'x'));
  });
  CurlClient client(local());
  const auto within = [&](const std::string& path, std::size_t bytes_max) {
    auto request = to(server.url(path));
    request.answer_bytes_max = bytes_max;
    return ask(client, std::move(request));
  };
  CHECK(within("/1000", 1'000).value().body.size() == 1'000);
  CHECK(within("/0", 0).has_value());
  CHECK(within("/chunked", 10'000).value().body.size() == 10'000);
  CHECK(fault_of(within("/1001", 1'000)) == Fault::answer_too_large);
  CHECK(fault_of(within("/1", 0)) == Fault::answer_too_large);
  CHECK(fault_of(within("/chunked", 9'999)) == Fault::answer_too_large);
  CHECK(fault_of(within("/3000000", 1 << 20)) == Fault::answer_too_large);
  CHECK(fault_of(within("/head", 1 << 20)) == Fault::answer_too_large);
}

TEST_CASE("egress: a call ends at its time, redirects counted in", "[egress]") {
  Server server([](const Seen& seen) {
    if (seen.line.starts_with("POST /silent ")) return std::string();
    std::this_thread::sleep_for(200ms);
    return moved(307, "/");
  });
  auto settings = local();
  settings.redirects_max = 1'000;
  CurlClient client(settings);
  for (const auto* path : {"/silent", "/"}) {
    auto request = to(server.url(path));
    request.timeout_ms = 500;
    const auto start = Clock::now();
    const auto outcome = ask(client, std::move(request));
    CHECK(fault_of(outcome) == Fault::timed_out);
    CHECK(ms_since(start) >= 450);
    CHECK(ms_since(start) < 5'000);
  }
  auto request = to(server.url());
  request.timeout_ms = 0;
  const auto outcome = ask(client, std::move(request));
  CHECK(fault_of(outcome) == Fault::timed_out);
}

TEST_CASE("egress: a call that waits for a connection ends at its time too", "[egress]") {
  Server server([](const Seen&) { return std::string(); });
  auto settings = local();
  settings.connections_max = 1;
  CurlClient client(settings);
  auto first = to(server.url());
  first.timeout_ms = 1'500;
  auto holds_it = send(client, std::move(first));
  REQUIRE(server.had(1));
  auto second = to(server.url());
  second.timeout_ms = 300;
  const auto start = Clock::now();
  const auto outcome = ask(client, std::move(second));
  CHECK(fault_of(outcome) == Fault::timed_out);
  CHECK(ms_since(start) < 1'400);
  CHECK(fault_of(holds_it.get()) == Fault::timed_out);
}

TEST_CASE("egress: a receiver that is not there, or talks nonsense, is unreachable", "[egress]") {
  std::uint16_t port = 0;
  ::close(listen_on(INADDR_LOOPBACK, port));
  CurlClient client(local());
  CHECK(fault_of(ask(client, to("http://127.0.0.1:" + std::to_string(port)))) == Fault::unreachable);
  CHECK(fault_of(ask(client, to("http://no-such-host.invalid/"))) == Fault::unreachable);
  const Server babble([](const Seen&) { return std::string("nonsense\r\n\r\n"); });
  CHECK(fault_of(ask(client, to(babble.url()))) == Fault::unreachable);
}

TEST_CASE("egress: no proxy of the environment is asked", "[egress]") {
  Server proxy([](const Seen&) { return reply(200, "", "proxy"); });
  Server server([](const Seen&) { return reply(200, "", "server"); });
  const std::array<const char*, 3> names{"http_proxy", "ALL_PROXY", "all_proxy"};
  for (const auto* name : names) ::setenv(name, proxy.url().c_str(), 1);
  {
    CurlClient client(local());
    CHECK(ask(client, to(server.url())).value().body == "server");
  }
  for (const auto* name : names) ::unsetenv(name);
  CHECK(proxy.connections() == 0);
}

TEST_CASE("egress: what is in flight when the client goes is closed, each once", "[egress]") {
  Server server([](const Seen&) { return std::string(); });
  std::atomic<int> closed = 0;
  std::atomic<int> other = 0;
  const auto start = Clock::now();
  {
    CurlClient client(local());
    for (int i = 0; i < 20; ++i)
      client.post(to(server.url()), [&](const Outcome& outcome) {
        ++(!outcome && outcome.error().fault == Fault::closed ? closed : other);
      });
    REQUIRE(server.had(20));
    // This one may not even have been looked at.
    client.post(to(server.url()), [&](const Outcome& outcome) {
      ++(!outcome && outcome.error().fault == Fault::closed ? closed : other);
    });
  }
  CHECK(closed == 21);
  CHECK(other == 0);
  CHECK(ms_since(start) < 5'000);
}

TEST_CASE("egress: a closed client ends every call as closed, also from a callback", "[egress]") {
  Server server([](const Seen&) { return std::string(); });
  CurlClient client(local());
  std::promise<Outcome> again;
  client.post(to(server.url()), [&](const Outcome&) {
    client.post(to(server.url()), [&](Outcome outcome) { again.set_value(std::move(outcome)); });
  });
  REQUIRE(server.had(1));
  client.close();
  client.close();
  CHECK(fault_of(again.get_future().get()) == Fault::closed);
  CHECK(fault_of(ask(client, to(server.url()))) == Fault::closed);
  CHECK(server.seen().size() == 1);
}

TEST_CASE("egress: a thousand calls at once, on no more connections than allowed", "[egress]") {
  constexpr int kCalls = 1'000;
  Server server([](const Seen& seen) { return reply(200, "", seen.body); });
  auto settings = local();
  settings.connections_max = 64;
  CurlClient client(settings);
  std::vector<std::future<Outcome>> outcomes(kCalls);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = t; i < kCalls; i += 4) {
        auto request = to(server.url());
        request.body = std::to_string(i);
        request.timeout_ms = 60'000;
        outcomes[static_cast<std::size_t>(i)] = send(client, std::move(request));
      }
    });
  for (auto& thread : threads) thread.join();
  int right = 0;
  for (int i = 0; i < kCalls; ++i) {
    const auto outcome = outcomes[static_cast<std::size_t>(i)].get();
    if (outcome && outcome->body == std::to_string(i)) ++right;
  }
  CHECK(right == kCalls);
  CHECK(server.seen().size() == kCalls);
  CHECK(server.connections() <= 64);
}

TEST_CASE("egress: TLS is verified", "[egress]") {
  TlsServer server(reply(200, "connection: close\r\n"));
  TlsServer calm(reply(200, "connection: close\r\n", "sealed"));
  CurlClient stranger(local());
  CHECK(fault_of(ask(stranger, to(calm.url()))) == Fault::unreachable);
  auto settings = local();
  settings.ca_file = calm.certificate();
  CurlClient client(settings);
  const auto outcome = ask(client, to(calm.url()));
  REQUIRE(outcome.has_value());
  CHECK(outcome->body == "sealed");
  CHECK(fault_of(ask(client, to(calm.url("https", "localhost")))) == Fault::unreachable);  // another name
  CHECK(fault_of(ask(client, to(server.url()))) == Fault::unreachable);                    // another certificate
  settings.ca_file = "/nonexistent/ca.pem";
  CurlClient blind(settings);
  CHECK(fault_of(ask(blind, to(calm.url()))) == Fault::unreachable);
}

TEST_CASE("egress: what went out sealed is not sent on in the clear", "[egress]") {
  Server plain([](const Seen&) { return reply(200); });
  TlsServer server(moved(307, plain.url()));
  auto settings = local();
  settings.ca_file = server.certificate();
  CurlClient client(settings);
  for (const auto* scheme : {"https", "HTTPS"}) {
    INFO(scheme);
    CHECK(fault_of(ask(client, to(server.url(scheme)))) == Fault::target_refused);
  }
  CHECK(plain.connections() == 0);
}

TEST_CASE("egress: TLS is 1.2 or later", "[egress]") {
  const auto answers = [](long version) {
    TlsServer server(reply(200, "connection: close\r\n"), version);
    auto settings = local();
    settings.ca_file = server.certificate();
    CurlClient client(settings);
    return ask(client, to(server.url())).has_value();
  };
  CHECK(answers(TLS1_3_VERSION));
  CHECK(answers(TLS1_2_VERSION));
  CHECK_FALSE(answers(TLS1_1_VERSION));
}

TEST_CASE("webhook: a secret is base64 of 16 to 64 bytes", "[egress]") {
  crypto_start();
  const auto text = [](std::size_t size) { return to_base64(std::string(size, 'k')); };
  CHECK(webhook_key("whsec_" + text(16)) == std::string(16, 'k'));
  CHECK(webhook_key(text(24)) == std::string(24, 'k'));
  CHECK(webhook_key(text(64)) == std::string(64, 'k'));
  const auto good = text(32);
  for (const auto& secret : {std::string(), std::string("whsec_"), text(15), text(65), text(100), "WHSEC_" + good,
                             good + " ", " " + good, good + "=", good.substr(0, good.size() - 1), "whsec_whsec_" + good,
                             "?" + good.substr(1), std::string(44, '_')}) {
    INFO(secret);
    CHECK_FALSE(webhook_key(secret).has_value());
  }
  SeededRandom random(1);
  const auto made = make_webhook_secret(random);
  CHECK(made.starts_with("whsec_"));
  CHECK(webhook_key(made).value().size() == 32);
  CHECK(make_webhook_secret(random) != made);
}

// The answer is what npm's standardwebhooks gives for the example of the specification.
TEST_CASE("webhook: signatures as by Standard Webhooks", "[egress]") {
  crypto_start();
  const std::string secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const std::string signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  const auto sign = [](const std::vector<std::string>& secrets) {
    return sign_webhook(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1'614'265'330, R"({"test": 2432232314})");
  };
  CHECK(sign({secret}) == signature);
  CHECK(sign({secret.substr(6)}) == signature);
  const auto other = "whsec_" + to_base64(std::string(32, 'k'));
  CHECK(sign({other}) != signature);
  CHECK(sign({other, secret}) == sign({other}) + " " + signature);
  CHECK(sign({}).empty());
}

TEST_CASE("targets: a circuit opens after failures in a row, rests, and is tried by one call", "[egress]") {
  using Door = Targets::Door;
  const std::string a = "https://a.example:443";
  Targets targets({2, 3, 1'000});
  CHECK(targets.enter(a, 0).door == Door::open);
  CHECK(targets.enter(a, 0).door == Door::open);
  CHECK(targets.enter(a, 0).door == Door::busy);
  CHECK(targets.enter("https://b.example:443", 0).door == Door::open);
  CHECK(targets.in_flight() == 3);
  targets.leave(a, false, 10);
  targets.leave(a, false, 20);
  CHECK(targets.broken(20) == 0);
  CHECK(targets.enter(a, 20).door == Door::open);
  targets.leave(a, true, 25);  // in a row, or it does not count
  for (const Time at : {30, 31, 32}) {
    REQUIRE(targets.enter(a, at).door == Door::open);
    targets.leave(a, false, at);
  }
  CHECK(targets.broken(1'031) == 1);
  const auto verdict = targets.enter(a, 1'031);
  CHECK(verdict.door == Door::broken);
  CHECK(verdict.retry_at == 1'032);
  CHECK(targets.broken(1'032) == 0);
  CHECK(targets.enter(a, 1'032).door == Door::open);
  CHECK(targets.enter(a, 1'032).door == Door::busy);
  targets.leave(a, false, 1'040);  // it still fails: another rest
  CHECK(targets.enter(a, 2'039).door == Door::broken);
  CHECK(targets.enter(a, 2'040).door == Door::open);
  targets.cancel(a);  // it was not tried after all: the next one is
  CHECK(targets.enter(a, 2'041).door == Door::open);
  targets.leave(a, true, 2'050);
  CHECK(targets.enter(a, 2'050).door == Door::open);
  CHECK(targets.enter(a, 2'050).door == Door::open);
}

TEST_CASE("targets: each origin stands for itself, by property", "[egress]") {
  struct Model {
    std::uint64_t in_flight = 0;
    std::uint64_t failures = 0;
    Time open_until = 0;
  };
  const bool held = rc::check([] {
    const auto concurrency = *rc::gen::inRange<std::uint64_t>(1, 4);
    const auto failures_max = *rc::gen::inRange<std::uint64_t>(1, 4);
    constexpr std::int64_t kOpenMs = 10;
    Targets targets({concurrency, failures_max, kOpenMs});
    std::map<std::string, Model> models;
    Time now = 1;
    const auto steps = *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
        rc::gen::tuple(rc::gen::inRange(0, 3), rc::gen::inRange(0, 6), rc::gen::inRange(0, 6)));
    for (const auto& [who, what, wait] : steps) {
      now += wait;
      const auto origin = "http://" + std::to_string(who) + ":80";
      auto& model = models[origin];
      if (what < 3) {
        const auto verdict = targets.enter(origin, now);
        const bool trial = model.failures >= failures_max;
        if (model.open_until > now) {
          RC_ASSERT(verdict.door == Targets::Door::broken);
          RC_ASSERT(verdict.retry_at == model.open_until);
          RC_ASSERT(verdict.retry_at <= now + kOpenMs);
        } else if (model.in_flight >= (trial ? 1 : concurrency)) {
          RC_ASSERT(verdict.door == Targets::Door::busy);
        } else {
          RC_ASSERT(verdict.door == Targets::Door::open);
          ++model.in_flight;
        }
      } else if (model.in_flight > 0) {
        --model.in_flight;
        if (what == 3) {
          targets.cancel(origin);
        } else {
          targets.leave(origin, what == 4, now);
          model.failures = what == 4 ? 0 : model.failures + 1;
          model.open_until = model.failures >= failures_max ? now + kOpenMs : 0;
        }
      }
      std::size_t in_flight = 0;
      std::size_t broken = 0;
      for (const auto& [name, each] : models) {
        in_flight += each.in_flight;
        if (each.open_until > now) ++broken;
      }
      RC_ASSERT(targets.in_flight() == in_flight);
      RC_ASSERT(targets.broken(now) == broken);
    }
  });
  CHECK(held);
}

}  // namespace holdfast::egress
