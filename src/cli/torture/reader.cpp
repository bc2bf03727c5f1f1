// Readers: each follows every session with a cursor of its own, by pages and by server-sent events.
#include "src/cli/torture/arena.hpp"

namespace holdfast::cli::torture {
namespace {

constexpr unsigned kTries = 20;

class Reader final : public Actor {
 public:
  Reader(Arena& arena, unsigned number) : Actor(arena, number), cursors_(arena.sessions(), 0) {}

  void run() override {
    while (arena_.phase == Phase::load) {
      const auto session = static_cast<unsigned>(draw(arena_.sessions()));
      if (chance(30)) stream(session);
      else (void)page(session, 1 + draw(200));
      pause(0, 20);
    }
    while (arena_.phase != Phase::end) pause(10, 20);
    for (unsigned session = 0; session < arena_.sessions(); ++session) catch_up(session);
  }

 private:
  // Nothing is written any more: what is behind the cursor is the rest.
  void catch_up(unsigned session) {
    for (unsigned failed = 0; failed < kTries;) {
      const auto got = page(session, 1'000);
      if (got == Page::nothing) break;
      if (got == Page::failed) {
        ++failed;
        pause(20, 100);
      }
    }
    auto operation = begin(Kind::read, arena_.session(session));
    operation.begin_us = operation.end_us = arena_.now_us();
    operation.outcome = Outcome::ok;
    operation.after = cursors_[session];
    operation.to_the_end = true;
    keep(std::move(operation));
  }

  [[nodiscard]] std::string path(unsigned session) const {
    return "/v1/sessions/" + arena_.session(session) + "/events";
  }

  enum class Page : std::uint8_t { events, nothing, failed };

  Page page(unsigned session, std::uint64_t limit) {
    auto operation = begin(Kind::read, arena_.session(session));
    operation.after = cursors_[session];
    Request request{"GET", path(session) + "?limit=" + std::to_string(limit), {}, {{"Accept", "application/json"}}};
    if (operation.after != 0) request.path += "&after=" + std::to_string(operation.after);
    const auto answer = call(operation, request);
    if (!answer || operation.outcome != Outcome::ok) return operation.status == 404 ? Page::nothing : Page::failed;
    json::Parser parser;
    const auto body = parser.parse(answer->body);
    json::Array items;
    if (!body || body->at_key("items").get(items) != simdjson::SUCCESS) return Page::failed;
    for (const auto item : items) operation.seen.push_back(seen_of(item));
    return finish(session, std::move(operation)) ? Page::events : Page::nothing;
  }

  // Server-sent events (WHATWG): an event counts when the blank line behind it has come.
  void stream(unsigned session) {
    auto operation = begin(Kind::read, arena_.session(session));
    operation.after = cursors_[session];
    auto* with = client();
    if (with == nullptr) return;
    Headers headers{{"Accept", "text/event-stream"}};
    if (operation.after != 0) headers["Last-Event-ID"] = std::to_string(operation.after);
    const std::size_t enough = 20 + draw(60);
    std::string buffer;
    ++arena_.operations;
    operation.begin_us = arena_.now_us();
    const auto ended = with->stream(
        path(session), headers,
        [&](std::string_view piece) {
          buffer += piece;
          take_events(buffer, operation.seen);
          return operation.seen.size() < enough && arena_.phase == Phase::load;
        },
        std::chrono::milliseconds(150 + draw(300)));
    operation.end_us = arena_.now_us();
    operation.status = ended ? ended->status : 0;
    operation.outcome = operation.seen.empty() ? Outcome::unknown : Outcome::ok;
    (void)finish(session, std::move(operation));
  }

  static void take_events(std::string& buffer, std::vector<Seen>& seen) {
    std::size_t end = 0;
    while ((end = buffer.find("\n\n")) != std::string::npos) {
      const auto block = buffer.substr(0, end + 1);
      buffer.erase(0, end + 2);
      const auto data = block.find("data: ");
      if (data == std::string::npos) continue;  // a comment
      json::Parser parser;
      const auto event = parser.parse(std::string_view(block).substr(data + 6, block.find('\n', data) - data - 6));
      if (event) seen.push_back(seen_of(*event));
    }
  }

  bool finish(unsigned session, Operation operation) {
    const bool any = !operation.seen.empty();
    if (any) cursors_[session] = operation.seen.back().id;
    if (any) keep(std::move(operation));
    return any;
  }

  std::vector<std::uint64_t> cursors_;
};

}  // namespace

std::unique_ptr<Actor> make_reader(Arena& arena, unsigned number) { return std::make_unique<Reader>(arena, number); }

}  // namespace holdfast::cli::torture
