// What a client sends over a WebSocket, byte by byte as it likes, to an object that sends back what it is told: a whole
// server on the loopback, and a reader of frames by the letter of RFC 6455 beside it. What comes back is what the
// reader read, in its order; all of it, as long as the frames are valid and the client waits.
//
// The first byte is the size of the pieces; what follows are the frames.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <holdfast/engine.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "http/server.hpp"
#include "src/core/check.hpp"
#include "src/core/json.hpp"

using namespace holdfast;

namespace {

constexpr std::uint64_t kMessageBytesMax = 2'048;

class Echo final : public Object {
 public:
  Task<> on_websocket_open(Context&, WebSocket, const Request&) override { return {}; }
  Task<> on_websocket_message(Context&, WebSocket socket, const SocketMessage& message) override {
    socket.send(message);
    return {};
  }
};

// One server for all inputs, in a thread of its own: it ends when the variables of the main thread are gone.
class Host {
 public:
  Host() : thread_([this] { serve(); }) { port = port_.get_future().get(); }
  ~Host() {
    over_.set_value();
    thread_.join();
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  std::uint16_t port = 0;

 private:
  void serve() {
    auto directory = (std::filesystem::temp_directory_path() / "holdfast-fuzz-XXXXXX").string();
    HOLDFAST_CHECK(::mkdtemp(directory.data()) != nullptr);
    Options options;
    options.data = directory;
    options.durability = Durability::buffered;
    options.log_level = LogLevel::off;
    options.limits.websocket_message_bytes_max = kMessageBytesMax;
    options.register_class<Echo>("echo");
    const auto engine = Engine::open(std::move(options)).value();
    const auto logger = make_logger(LogLevel::off, LogFormat::text);
    http::ServerOptions front;
    front.port = 0;
    front.io_threads = 1;
    http::Server server(*engine, front, *logger);
    port_.set_value(server.start().value());
    over_.get_future().wait();
    server.stop(std::chrono::milliseconds(0));
    engine->close();
    std::error_code ignored;  // it is temporary
    std::filesystem::remove_all(directory, ignored);
  }

  std::promise<std::uint16_t> port_;
  std::promise<void> over_;
  std::thread thread_;
};

struct Frame {
  bool whole = false;  // all of it is there
  bool valid = true;   // as far as it is there
  bool last = false;
  unsigned opcode = 0;
  bool masked = false;
  std::uint64_t size = 0;
  std::string payload;  // as much as is there
};

// Takes one frame off the front.
Frame take_frame(std::string_view& bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  Frame f;
  if (bytes.size() < 2) return f;
  f.last = (byte(0) & 0x80) != 0;
  f.opcode = byte(0) & 0x0f;
  f.masked = (byte(1) & 0x80) != 0;
  f.size = byte(1) & 0x7f;
  const bool control = f.opcode >= 8;
  f.valid = (byte(0) & 0x70) == 0 && (f.opcode <= 2 || (f.opcode >= 8 && f.opcode <= 10)) &&
            (!control || (f.last && f.size < 126));
  const std::size_t extended = f.size == 126 ? 2 : f.size == 127 ? 8 : 0;
  const std::size_t head = 2 + extended + (f.masked ? 4 : 0);
  if (bytes.size() < head) return f;
  if (extended != 0) {
    f.size = 0;
    for (std::size_t i = 0; i < extended; ++i) f.size = f.size << 8 | byte(2 + i);
    f.valid = f.valid && f.size >= (extended == 2 ? 126U : 65'536U);
  }
  const auto there = std::min<std::uint64_t>(f.size, bytes.size() - head);
  f.payload = bytes.substr(head, there);
  for (std::size_t i = 0; f.masked && i < there; ++i)
    f.payload[i] = static_cast<char>(f.payload[i] ^ bytes[head - 4 + i % 4]);
  f.whole = there == f.size;
  bytes.remove_prefix(head + there);
  return f;
}

struct Message {
  std::string data;
  bool binary = false;
  bool operator==(const Message&) const = default;
};

struct Said {
  std::vector<Message> messages;
  bool open = true;  // and nothing that follows can be wrong yet: the server answers all of them
};

// What a client says, until it ends or breaks the rules.
Said by_the_letter(std::string_view bytes) {
  Said said;
  std::optional<Message> begun;
  const auto wrong = [&] {
    said.open = false;
    return said;
  };
  while (!bytes.empty()) {
    const auto f = take_frame(bytes);
    const bool goes_on = f.opcode == 0;
    if (!f.valid || (f.whole && !f.masked)) return wrong();
    if (f.opcode == 8) return wrong();
    if (f.opcode > 8) {
      if (!f.whole) return f.payload.empty() ? wrong() : said;
      continue;
    }
    if (goes_on != begun.has_value()) return wrong();
    if (!begun) begun = Message{{}, f.opcode == 2};
    if (begun->data.size() + f.size > kMessageBytesMax) return wrong();
    begun->data += f.payload;
    if (!f.whole) {
      said.open = f.masked && !f.payload.empty() && begun->binary;
      return said;
    }
    if (!f.last) continue;
    if (!begun->binary && !simdjson::validate_utf8(begun->data)) return wrong();
    said.messages.push_back(*std::exchange(begun, std::nullopt));
  }
  if (begun && !begun->binary) said.open = false;  // what of it is there may be no text already
  return said;
}

class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    HOLDFAST_CHECK(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    send(
        "GET /v1/objects/echo/one HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    for (std::size_t end = 0; (end = in_.find("\r\n\r\n")) == std::string::npos;) HOLDFAST_CHECK(receive());
    HOLDFAST_CHECK(in_.starts_with("HTTP/1.1 101 "));
    in_.erase(0, in_.find("\r\n\r\n") + 4);
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes) const { (void)::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  void end() const { ::shutdown(socket_, SHUT_WR); }
  // The next message of the server; nothing: it closed.
  std::optional<Message> next() {
    for (;;) {
      std::string_view rest = in_;
      const auto f = take_frame(rest);
      if (!f.whole) {
        if (!receive()) return std::nullopt;
        continue;
      }
      HOLDFAST_CHECK(f.valid && !f.masked);
      in_.erase(0, in_.size() - rest.size());
      if (f.opcode == 1 || f.opcode == 2) {
        HOLDFAST_CHECK(f.last);
        return Message{f.payload, f.opcode == 2};
      }
      HOLDFAST_CHECK(f.opcode >= 8);
    }
  }

 private:
  bool receive() {
    char bytes[4'096];
    const auto n = ::recv(socket_, bytes, sizeof bytes, 0);
    HOLDFAST_CHECK(n >= 0 || errno == ECONNRESET);  // not EAGAIN: it would never answer
    if (n > 0) in_.append(bytes, static_cast<std::size_t>(n));
    return n > 0;
  }

  int socket_;
  std::string in_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  static Host host;
  const std::size_t piece = std::max<std::size_t>(data[0], 1) * 16;
  const std::string_view frames(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto said = by_the_letter(frames);

  Client client(host.port);
  for (std::size_t at = 0; at < frames.size(); at += piece) client.send(frames.substr(at, piece));
  std::size_t heard = 0;
  const auto hear = [&] {
    const auto message = client.next();
    if (!message) return false;
    HOLDFAST_CHECK(heard < said.messages.size() && *message == said.messages[heard]);
    ++heard;
    return true;
  };
  if (said.open)
    while (heard < said.messages.size()) HOLDFAST_CHECK(hear());
  client.end();
  while (hear()) continue;
  return 0;
}
