// The server in this process, where the moment of a stop can be chosen.
#include "http/server.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/server.hpp"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

std::promise<void>* g_begun = nullptr;
std::shared_future<void> g_end;

// Answers when it is told to.
class Slow final : public Object {
 public:
  Task<Reply> on_request(Context& context, const Request&) override {
    g_begun->set_value();
    co_await context.run([] { g_end.wait(); });
    co_return Reply::text("done");
  }
};

// A server and its engine.
struct Running {
  explicit Running(http::ServerOptions front) {
    Options options;
    options.data = place / "data";
    options.log_level = LogLevel::off;
    options.register_class<Slow>("slow");
    engine = Engine::open(std::move(options)).value();
    front.port = 0;
    front.io_threads = 1;
    server.emplace(*engine, front, *logger);
    port = server->start().value();
  }

  const test::TemporaryDirectory place;
  std::shared_ptr<Logger> logger = make_logger(LogLevel::off, LogFormat::text);
  std::unique_ptr<Engine> engine;
  std::optional<http::Server> server;
  std::uint16_t port = 0;
};

class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = ::htons(port);
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(const std::string& bytes) { REQUIRE(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0); }
  std::string receive(std::size_t size) {
    std::string bytes(size, '\0');
    REQUIRE(::recv(socket_, bytes.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size));
    return bytes;
  }
  // All of it, until the server closes.
  std::string receive_all() {
    std::string all;
    std::string part(64 << 10, '\0');
    for (ssize_t got = 0; (got = ::recv(socket_, part.data(), part.size(), 0)) > 0;)
      all.append(part, 0, static_cast<std::size_t>(got));
    return all;
  }
  void reset_at_close() {
    const linger now{1, 0};
    REQUIRE(::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
  }

 private:
  const int socket_;
};

}  // namespace

TEST_CASE("server: a stop ends, however many WebSockets it cuts off, and however short it looks on for work") {
  http::ServerOptions front;
  front.io_spin_us = 0;
  Running running(front);
  REQUIRE(running.engine->admit("s", AdmitRequest::prompt("x")));
  std::vector<std::unique_ptr<Client>> clients;
  constexpr int kClients = 40;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<Client>(running.port));
    clients.back()->send(
        "GET /v1/sessions/s/events HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    REQUIRE(clients.back()->receive(12) == "HTTP/1.1 101");
  }
  auto stopped = std::async(std::launch::async, [&] { running.server->stop(0ms); });
  CHECK(stopped.wait_for(30s) == std::future_status::ready);
}

TEST_CASE("server: a client that is cut off gives its place back, also while its call goes on") {
  std::promise<void> begun;
  std::promise<void> end;
  g_begun = &begun;
  g_end = end.get_future().share();
  Running running({});
  {
    Client client(running.port);
    client.send("GET /v1/objects/slow/x HTTP/1.1\r\nHost: h\r\n\r\n");
    REQUIRE(begun.get_future().wait_for(20s) == std::future_status::ready);
    client.reset_at_close();
  }
  const auto connections = [&] {
    Client client(running.port);
    client.send("GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    const auto all = client.receive_all();
    const std::string name = "\nholdfast_http_connections ";
    const auto at = all.find(name);
    REQUIRE(at != std::string::npos);
    return std::stoi(all.substr(at + name.size()));
  };
  bool gone = false;
  for (int i = 0; i < 400 && !gone; ++i) {
    gone = connections() == 1;  // who asks
    if (!gone) std::this_thread::sleep_for(50ms);
  }
  CHECK(gone);
  end.set_value();
}

}  // namespace holdfast
