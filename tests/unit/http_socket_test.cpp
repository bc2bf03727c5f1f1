// Socket and Poller on both ends of a TCP connection.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "http/poller.hpp"

namespace holdfast::http {
namespace {

using Outcome = Socket::Outcome;

// A watched socket and its other side. Nothing of the owner is used but its address.
struct Pair {
  Pair() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const at = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener, at, size) == 0);
    REQUIRE(::listen(listener, 1) == 0);
    REQUIRE(::getsockname(listener, at, &size) == 0);
    other = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(other, at, size) == 0);
    socket.emplace(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    ::close(listener);
    REQUIRE(poller.watch(*socket, owner()));
    poll();
  }
  ~Pair() { close_other(); }
  void close_other() {
    if (other >= 0) ::close(std::exchange(other, -1));
  }
  // What was not read, or is not read yet, is cut off.
  void reset() {
    const linger now{1, 0};
    REQUIRE(::setsockopt(other, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    close_other();
  }
  Connection& owner() { return *reinterpret_cast<Connection*>(&name); }
  // How often the owner was named.
  int poll() {
    int named = 0;
    poller.poll([&](Connection& who, std::uint32_t events) {
      CHECK(&who == &owner());
      socket->on_events(events);
      ++named;
    });
    return named;
  }
  void put(const std::string& bytes) {
    REQUIRE(::write(other, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  std::string take(std::size_t room) {
    std::string into(room, '\0');
    const auto [outcome, bytes] = socket->receive(into);
    REQUIRE(outcome == Outcome::some);
    return into.substr(0, bytes);
  }

  Poller poller;
  std::optional<Socket> socket;
  int other = -1;
  void* name = nullptr;
};

}  // namespace

TEST_CASE("socket: it is readable from when something came until a read leaves room") {
  Pair pair;
  CHECK_FALSE(pair.socket->readable());
  CHECK(pair.poll() == 0);
  pair.put("12345");
  CHECK(pair.poll() == 1);
  CHECK(pair.poll() == 0);  // once a change
  CHECK(pair.socket->readable());
  CHECK(pair.take(3) == "123");
  CHECK(pair.socket->readable());  // there may be more
  CHECK(pair.take(3) == "45");
  CHECK_FALSE(pair.socket->readable());
  CHECK(pair.poll() == 0);
  pair.put("6");
  CHECK(pair.poll() == 1);
  CHECK(pair.take(1) == "6");
  std::string into(1, '\0');
  CHECK(pair.socket->receive(into).outcome == Outcome::none);
  CHECK_FALSE(pair.socket->readable());
}

TEST_CASE("socket: what came with the end is read, and then the end, without another event") {
  Pair pair;
  pair.put("last");
  pair.close_other();
  CHECK(pair.poll() == 1);
  CHECK(pair.take(100) == "last");
  CHECK(pair.socket->readable());
  std::string into(100, '\0');
  CHECK(pair.socket->receive(into).outcome == Outcome::end);
}

TEST_CASE("socket: the end alone is an event, also of a socket that was read empty") {
  Pair pair;
  pair.put("a");
  pair.poll();
  CHECK(pair.take(10) == "a");
  REQUIRE(::shutdown(pair.other, SHUT_WR) == 0);
  CHECK(pair.poll() == 1);
  CHECK(pair.socket->readable());
  std::string into(10, '\0');
  CHECK(pair.socket->receive(into).outcome == Outcome::end);
}

TEST_CASE("socket: it is not writable from when it was full until there is room") {
  Pair pair;
  CHECK(pair.socket->writable());
  const std::string block(64 << 10, 'x');
  std::size_t sent = 0;
  for (;;) {
    const auto [outcome, bytes] = pair.socket->send(block);
    if (outcome == Outcome::none) break;
    REQUIRE(outcome == Outcome::some);
    sent += bytes;
  }
  CHECK_FALSE(pair.socket->writable());
  CHECK(pair.poll() == 0);
  std::string into(sent, '\0');
  for (std::size_t got = 0; got < sent;) {
    const auto bytes = ::read(pair.other, into.data(), into.size());
    REQUIRE(bytes > 0);
    got += static_cast<std::size_t>(bytes);
  }
  CHECK(pair.poll() == 1);
  CHECK(pair.socket->writable());
  CHECK(pair.socket->send(block).outcome == Outcome::some);
}

TEST_CASE("socket: one whose other side has cut it off fails, without a signal") {
  Pair pair;
  pair.reset();
  CHECK(pair.poll() == 1);
  CHECK(pair.socket->readable());
  CHECK(pair.socket->writable());  // who waits for room learns it
  CHECK(pair.socket->send("x").outcome == Outcome::failed);
  CHECK(pair.socket->send("x").outcome == Outcome::failed);
}

TEST_CASE("socket: what is discarded is gone, and what comes later is an event again") {
  Pair pair;
  pair.put("flood");
  pair.poll();
  CHECK(pair.take(2) == "fl");
  pair.socket->discard();
  std::string into(10, '\0');
  CHECK(pair.socket->receive(into).outcome == Outcome::none);
  pair.put("more");
  CHECK(pair.poll() == 1);
}

TEST_CASE("poller: what it forgot, and what is closed, is not named") {
  Pair pair;
  SECTION("forgotten") { pair.poller.forget(*pair.socket); }
  SECTION("closed") { pair.socket->close(); }
  SECTION("released, and closed by another") { ::close(pair.socket->release()); }
  (void)!::write(pair.other, "x", 1);
  CHECK(pair.poll() == 0);
}

}  // namespace holdfast::http
