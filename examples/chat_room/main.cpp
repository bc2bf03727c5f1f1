// A chat room: WebSockets that stay open while the room itself is out of memory, and a history on disk.
// `examples/chat_room/README.md` shows it.
#include <charconv>
#include <cstdio>
#include <holdfast/serve.hpp>

namespace {

using holdfast::Context;
using holdfast::Reply;
using holdfast::Request;
using holdfast::SocketMessage;
using holdfast::Task;
using holdfast::WebSocket;

constexpr std::uint64_t kPage = 100;

// The text as a JSON string. What is no UTF-8 never gets here: the server refuses such frames.
std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[7];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else {
      out += c;
    }
  }
  return out + '"';
}

// The value of ?name=...; empty when it is not given or has characters that a name should not have.
std::string parameter(const std::string& query, const std::string& name) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  for (std::size_t at = 0; at <= query.size();) {
    const auto end = std::min(query.find('&', at), query.size());
    const auto pair = std::string_view(query).substr(at, end - at);
    if (pair.starts_with(name + "=")) {
      const auto value = pair.substr(name.size() + 1);
      return value.find_first_not_of(kPlain) == std::string_view::npos ? std::string(value) : std::string();
    }
    at = end + 1;
  }
  return {};
}

std::uint64_t number(const std::string& text, std::uint64_t otherwise) {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() ? value : otherwise;
}

// So that keys sort as their numbers do.
std::string key_of(std::uint64_t n) {
  char key[24];
  std::snprintf(key, sizeof key, "m/%020llu", static_cast<unsigned long long>(n));
  return key;
}

class ChatRoom final : public holdfast::Object {
 public:
  // The room forgets what it holds in memory whenever it is idle; this is all that it needs again.
  Task<> on_activate(Context& ctx) override {
    last_ = ctx.storage().get<std::uint64_t>("last").value_or(0);
    ctx.set_auto_response("ping", "pong");
    return {};
  }

  Task<> on_websocket_open(Context&, WebSocket socket, const Request& request) override {
    const auto name = parameter(request.query, "name");
    socket.attach(name.empty() ? "somebody" : name);
    return {};
  }

  // Everybody hears it, its sender too, once it is on disk.
  Task<> on_websocket_message(Context& ctx, WebSocket socket, const SocketMessage& message) override {
    if (message.binary) {
      socket.close(1003, "this room takes text");
      return {};
    }
    const auto said = "{\"n\":" + std::to_string(++last_) + ",\"from\":" + json_text(socket.attachment()) +
                      ",\"text\":" + json_text(message.data) + ",\"at\":" + std::to_string(ctx.now()) + "}";
    ctx.storage().put(key_of(last_), said);
    ctx.storage().put("last", last_);
    ctx.broadcast(said);
    return {};
  }

  Task<Reply> on_request(Context& ctx, const Request& request) override {
    if (request.method == "GET" && request.path == "/history") return history(ctx, request.query);
    if (request.method == "GET" && request.path == "/who") return who(ctx);
    return Reply::text("GET /history?limit=&before=, GET /who, or a WebSocket with ?name=\n", 404);
  }

 private:
  // The latest messages before number `before`, oldest first.
  static Reply history(Context& ctx, const std::string& query) {
    holdfast::ListOptions options{.prefix = "m/"};
    options.limit = std::min(number(parameter(query, "limit"), kPage), kPage);
    options.reverse = true;
    if (const auto before = number(parameter(query, "before"), 0); before != 0) options.to = key_of(before);
    std::string messages;
    for (const auto& entry : ctx.storage().list(options))
      messages = entry.value + (messages.empty() ? "" : ",") + messages;
    return Reply::json("{\"messages\":[" + messages + "]}");
  }

  static Reply who(Context& ctx) {
    std::string names;
    for (const auto& socket : ctx.websockets()) names += (names.empty() ? "" : ",") + json_text(socket.attachment());
    return Reply::json("{\"names\":[" + names + "]}");
  }

  std::uint64_t last_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  return holdfast::serve(argc, argv, [](holdfast::Options& options) { options.register_class<ChatRoom>("chat_room"); });
}
