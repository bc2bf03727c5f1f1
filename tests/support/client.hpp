// A raw HTTP client for tests: it can send what no well-behaved client sends, and shows exactly what came back.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "src/core/json.hpp"

namespace holdfast::test {

struct Reply {
  int status = 0;                              // 0: the connection ended or the time was over
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  [[nodiscard]] std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
  // The value at an RFC 6901 pointer: strings as they are, the rest in canonical form; "(none)" when absent.
  [[nodiscard]] std::string at(const std::string& pointer) const {
    json::Parser parser;
    const auto parsed = parser.parse(body);
    json::Element value;
    if (!parsed || parsed->at_pointer(pointer).get(value) != simdjson::SUCCESS) return "(none)";
    std::string_view text;
    if (value.get(text) == simdjson::SUCCESS) return std::string(text);
    return json::canonical(value);
  }
  [[nodiscard]] std::size_t count(const std::string& pointer) const {
    json::Parser parser;
    const auto parsed = parser.parse(body);
    json::Array list;
    return parsed && parsed->at_pointer(pointer).get(list) == simdjson::SUCCESS ? list.size() : 0;
  }
  // "400 invalid_body /pointer": what a test of an error compares.
  [[nodiscard]] std::string problem() const {
    auto text = std::to_string(status) + " " + at("/code");
    if (at("/pointer") != "(none)") text += " " + at("/pointer");
    return text;
  }
};

using Headers = std::map<std::string, std::string>;

class Client {
 public:
  // `receive_buffer`: bytes that the kernel may hold for this client; 0 is as many as it likes.
  explicit Client(int port, int timeout_ms = 10'000, int receive_buffer = 0) : timeout_ms_(timeout_ms) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer != 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Reply request(const std::string& method, const std::string& path, const std::string& body = {},
                const Headers& headers = {}) {
    std::string text = method + " " + path + " HTTP/1.1\r\nHost: test\r\n";
    for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
    if (!body.empty() || method == "POST" || method == "PUT" || method == "PATCH")
      text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    send(text + "\r\n" + body);
    return receive(method == "HEAD");
  }
  Reply get(const std::string& path, const Headers& headers = {}) { return request("GET", path, {}, headers); }
  Reply post(const std::string& path, const std::string& body, const Headers& headers = {}) {
    return request("POST", path, body, headers);
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  void finish_sending() const { ::shutdown(fd_, SHUT_WR); }

  Reply receive(bool head_only = false) {
    Reply reply;
    std::size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) return reply;
    }
    const std::string head = buffer_.substr(0, end);
    buffer_.erase(0, end + 4);
    reply.status = std::atoi(head.c_str() + 9);
    for (std::size_t at = head.find("\r\n"); at != std::string::npos;) {
      const auto next = head.find("\r\n", at + 2);
      const auto line = head.substr(at + 2, next == std::string::npos ? next : next - at - 2);
      const auto colon = line.find(':');
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      reply.headers[name] = line.substr(std::min(line.size(), line.find_first_not_of(' ', colon + 1)));
      at = next;
    }
    if (reply.status == 100 || head_only || reply.status == 204 || !reply.headers.contains("content-length"))
      return reply;
    const auto length = static_cast<std::size_t>(std::strtoull(reply.header("content-length").c_str(), nullptr, 10));
    while (buffer_.size() < length) {
      if (!more()) return reply;
    }
    reply.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    return reply;
  }

  // Reads until `text` has come; false when the connection or the time ended first.
  bool until(const std::string& text) {
    while (buffer_.find(text) == std::string::npos) {
      if (!more()) return false;
    }
    return true;
  }
  [[nodiscard]] const std::string& buffer() const noexcept { return buffer_; }
  // What came and was not read yet, or else what comes next; empty when the connection or the time ended.
  std::string take() {
    if (buffer_.empty()) (void)more();
    return std::exchange(buffer_, {});
  }
  // True when the server closes the connection.
  bool closed() {
    while (more()) {
    }
    return ended_;
  }
  [[nodiscard]] bool connected() const noexcept { return connected_; }

 private:
  bool more() {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, timeout_ms_) <= 0) return false;
    std::array<char, 65'536> piece{};
    const auto n = ::recv(fd_, piece.data(), piece.size(), 0);
    if (n <= 0) {
      ended_ = true;
      return false;
    }
    buffer_.append(piece.data(), static_cast<std::size_t>(n));
    return true;
  }

  int fd_ = -1;
  const int timeout_ms_;
  bool connected_ = false;
  bool ended_ = false;
  std::string buffer_;
};

// The value of a metric; 0 when there is none of that name.
inline std::uint64_t metric(Client& client, const std::string& name) {
  const auto text = client.get("/metrics").body;
  const auto at = text.find("\n" + name + " ");
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + name.size() + 2, nullptr, 10);
}
// Asks until it is so, for at most 20 s.
template <class Condition>
bool becomes(const Condition& condition) {
  for (int i = 0; i < 1'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

// A body that admits one prompt; `more` are further members, such as "\"id\":\"a\"".
inline std::string prompt(const std::string& text, const std::string& more = {}) {
  std::string body = "{\"turn\":{\"kind\":\"prompt\",\"content\":" + json::quote(text) + "}";
  if (!more.empty()) body += "," + more;
  return body + "}";
}

// The first delivery of a claim's answer.
struct Turn {
  explicit Turn(const Reply& claimed)
      : delivery(claimed.at("/deliveries/0/delivery")),
        message(claimed.at("/deliveries/0/message/message")),
        lease{{"Holdfast-Lease", claimed.at("/deliveries/0/lease")}} {}
  [[nodiscard]] std::string path(const std::string& call) const { return "/v1/deliveries/" + delivery + "/" + call; }
  std::string delivery;
  std::string message;
  Headers lease;
};

}  // namespace holdfast::test
