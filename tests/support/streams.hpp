// Readers of a session's event stream: over SSE and over a WebSocket.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/client.hpp"

namespace holdfast::test {

struct StreamEvent {
  std::uint64_t id = 0;
  std::string type;
  std::string envelope;  // the JSON text

  [[nodiscard]] std::string at(const std::string& pointer) const {
    Reply reply;
    reply.body = envelope;
    return reply.at(pointer);
  }
};

// Server-Sent Events (WHATWG HTML 9.2) in chunks.
class EventSource {
 public:
  EventSource(int port, const std::string& path, const Headers& headers = {}, int timeout_ms = 10'000)
      : client_(port, timeout_ms) {
    std::string text = "GET " + path + " HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n";
    for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
    client_.send(text + "\r\n");
    head = client_.receive();
  }

  // The next event; nothing when the stream or the time ended.
  std::optional<StreamEvent> next() {
    for (;;) {
      const auto end = text_.find("\n\n");
      if (end == std::string::npos) {
        if (!read_chunk()) return std::nullopt;
        continue;
      }
      const auto block = text_.substr(0, end);
      text_.erase(0, end + 2);
      if (auto event = parsed(block)) return event;
    }
  }
  // Reads until the next comment; false when the stream or the time ended.
  bool comment() {
    const auto before = comments;
    while (comments == before) {
      const auto end = text_.find("\n\n");
      if (end == std::string::npos) {
        if (!read_chunk()) return false;
        continue;
      }
      (void)parsed(text_.substr(0, end));
      text_.erase(0, end + 2);
    }
    return true;
  }
  // The stream was ended in order: by its last chunk.
  [[nodiscard]] bool ended() const noexcept { return ended_; }

  Reply head;
  std::size_t comments = 0;

 private:
  std::optional<StreamEvent> parsed(std::string_view block) {
    StreamEvent event;
    bool any = false;
    while (!block.empty()) {
      const auto line = block.substr(0, block.find('\n'));
      block.remove_prefix(std::min(block.size(), line.size() + 1));
      if (line.starts_with(':')) ++comments;
      if (line.starts_with("id: ")) event.id = std::strtoull(std::string(line.substr(4)).c_str(), nullptr, 10);
      if (line.starts_with("event: ")) event.type = line.substr(7);
      if (!line.starts_with("data: ")) continue;
      any = true;
      event.envelope += line.substr(6);
    }
    return any ? std::optional(event) : std::nullopt;
  }

  bool read_chunk() {
    if (ended_) return false;
    for (;;) {
      const auto line = raw_.find("\r\n");
      if (line != std::string::npos) {
        const auto size = std::strtoull(raw_.c_str(), nullptr, 16);
        if (raw_.size() >= line + 2 + size + 2) {
          text_ += raw_.substr(line + 2, size);
          raw_.erase(0, line + 2 + size + 2);
          ended_ = size == 0;
          return !ended_;
        }
      }
      const auto more = client_.take();
      if (more.empty()) return false;
      raw_ += more;
    }
  }

  Client client_;
  std::string raw_;
  std::string text_;
  bool ended_ = false;
};

// A WebSocket (RFC 6455) that reads text messages, and answers pings and a close.
class WebSocket {
 public:
  explicit WebSocket(int port, const std::string& path, const Headers& headers = {}, int receive_buffer = 0)
      : client_(port, 10'000, receive_buffer) {
    Headers all{{"Upgrade", "websocket"},
                {"Connection", "Upgrade"},
                {"Sec-WebSocket-Version", "13"},
                {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
    for (const auto& [name, value] : headers) all[name] = value;
    head = client_.get(path, all);
  }

  // The next text; empty when the connection or the time ended.
  std::string text() {
    const auto event = next();
    return event ? event->envelope : std::string();
  }
  // The next text message; nothing when the connection or the time ended.
  std::optional<StreamEvent> next() {
    std::string message;
    while (const auto frame = read_frame()) {
      switch (frame->opcode) {
        case 0x0:
        case 0x1:
          message += frame->payload;
          if (!frame->final) break;
          return event_of(std::move(message));
        case 0x8:
          close_code = frame->payload.size() < 2 ? 0
                                                 : static_cast<unsigned char>(frame->payload[0]) * 256 +
                                                       static_cast<unsigned char>(frame->payload[1]);
          send(0x8, frame->payload);
          return std::nullopt;
        case 0x9: send(0xA, frame->payload); break;
        case 0xA: pong = frame->payload; return std::nullopt;
        default: return std::nullopt;
      }
    }
    return std::nullopt;
  }
  // A whole, masked frame, as clients must send them.
  void send(int opcode, const std::string& payload) {
    constexpr std::array<char, 4> kMask{'m', 'a', 's', 'k'};
    std::string frame(1, static_cast<char>(0x80 | opcode));
    const auto append_size = [&](std::size_t marker, int bytes) {
      frame += static_cast<char>(0x80 | marker);
      while (bytes-- > 0) frame += static_cast<char>(payload.size() >> (8 * bytes));
    };
    if (payload.size() < 126) append_size(payload.size(), 0);
    else if (payload.size() < 65'536) append_size(126, 2);
    else append_size(127, 8);
    frame.append(kMask.data(), kMask.size());
    for (std::size_t i = 0; i < payload.size(); ++i) frame += static_cast<char>(payload[i] ^ kMask[i % kMask.size()]);
    client_.send(frame);
  }
  // True when the server closes the connection.
  bool closed() { return client_.closed(); }

  Reply head;
  int close_code = -1;  // of the server's close; 0: it gave none
  std::string pong;

 private:
  struct Frame {
    bool final = true;
    int opcode = 0;
    std::string payload;
  };

  bool have(std::size_t bytes) {
    while (raw_.size() < bytes) {
      const auto more = client_.take();
      if (more.empty()) return false;
      raw_ += more;
    }
    return true;
  }
  std::optional<Frame> read_frame() {
    if (!have(2)) return std::nullopt;
    const auto byte = [this](std::size_t i) { return static_cast<unsigned char>(raw_[i]); };
    Frame frame{(byte(0) & 0x80) != 0, byte(0) & 0x0F, {}};
    std::size_t size = byte(1) & 0x7F;
    std::size_t head_size = 2;
    if (size >= 126) {
      const std::size_t width = size == 126 ? 2 : 8;
      head_size += width;
      if (!have(head_size)) return std::nullopt;
      size = 0;
      for (std::size_t i = 2; i < head_size; ++i) size = size * 256 + byte(i);
    }
    if (!have(head_size + size)) return std::nullopt;
    frame.payload = raw_.substr(head_size, size);
    raw_.erase(0, head_size + size);
    return frame;
  }
  static StreamEvent event_of(std::string message) {
    StreamEvent event{0, {}, std::move(message)};
    event.id = std::strtoull(event.at("/id").c_str(), nullptr, 10);
    event.type = event.at("/type");
    return event;
  }

  Client client_;
  std::string raw_;
};

}  // namespace holdfast::test
