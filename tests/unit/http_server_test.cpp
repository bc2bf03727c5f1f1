// The server in this process, where the moment of a stop can be chosen.
#include "http/server.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/server.hpp"

namespace holdfast {

TEST_CASE("server: a stop ends, however many WebSockets it cuts off, and however short it looks on for work") {
  using namespace std::chrono_literals;
  const test::TemporaryDirectory place;
  Options options;
  options.data = place / "data";
  options.log_level = LogLevel::off;
  const auto engine = Engine::open(std::move(options)).value();
  REQUIRE(engine->admit("s", AdmitRequest::prompt("x")));
  const auto logger = make_logger(LogLevel::off, LogFormat::text);
  http::ServerOptions front;
  front.port = 0;
  front.io_threads = 1;
  front.io_spin_us = 0;
  http::Server server(*engine, front, *logger);
  const auto port = server.start().value();

  std::vector<int> clients;
  const std::string upgrade =
      "GET /v1/sessions/s/events HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  constexpr int kClients = 40;
  for (int i = 0; i < kClients; ++i) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = ::htons(port);
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    clients.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(clients.back(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::send(clients.back(), upgrade.data(), upgrade.size(), MSG_NOSIGNAL) > 0);
    std::string answer(12, '\0');
    REQUIRE(::recv(clients.back(), answer.data(), answer.size(), MSG_WAITALL) == static_cast<ssize_t>(answer.size()));
    REQUIRE(answer == "HTTP/1.1 101");
  }
  std::promise<void> stopped;
  std::thread stop([&] {
    server.stop(0ms);
    stopped.set_value();
  });
  CHECK(stopped.get_future().wait_for(30s) == std::future_status::ready);
  stop.join();
  for (const int client : clients) ::close(client);
}

}  // namespace holdfast
