// A program that embeds the engine, built against an installed tree. docs/EMBEDDING.md shows its parts.
//   consumer DIR           opens an engine there and checks its answers; 0 when all are right
//   consumer --option...   is a host: what `holdfast serve` takes
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <holdfast/engine.hpp>
#include <holdfast/serve.hpp>
#include <iostream>
#include <string>
#include <thread>

namespace {

#define CHECK(condition)                                                                                    \
  do {                                                                                                      \
    if (!(condition)) std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), exit(1); \
  } while (false)

class Counter final : public holdfast::Object {
 public:
  holdfast::Task<holdfast::Reply> on_request(holdfast::Context& ctx, const holdfast::Request& request) override {
    if (request.method != "POST") throw holdfast::ObjectError(holdfast::ErrorCode::method_not_allowed, "POST only");
    const auto n = ctx.storage().get<std::int64_t>("n").value_or(0) + 1;
    ctx.storage().put("n", n);
    return holdfast::Reply::text(std::to_string(n));
  }
};

holdfast::Options options_for(const char* directory) {
  holdfast::Options options;
  options.data = directory;
  options.limits.live_objects_max = 10'000;
  options.egress_allow = {"10.0.0.0/8"};
  options.log_level = holdfast::LogLevel::error;
  options.register_class<Counter>("counter");
  return options;
}

// What a program does with an engine that does not open.
int exit_code(const holdfast::Error& error) {
  std::cerr << error.detail << '\n';
  return error.code == holdfast::ErrorCode::invalid_request ? 2 : 3;
}

holdfast::Result<holdfast::Admitted> send(holdfast::Engine& engine, const std::string& id, const std::string& text) {
  auto request = holdfast::AdmitRequest::prompt(text);
  request.id = id;
  for (int attempt = 1;; ++attempt) {
    auto admitted = engine.admit("chat-1", request);
    if (admitted || !holdfast::retryable(admitted.error().code) || attempt == 5) return admitted;
    std::this_thread::sleep_for(std::chrono::milliseconds(admitted.error().retry_after_ms + 100));
  }
}

void sessions(holdfast::Engine& engine) {
  auto admitted = send(engine, "m1", "hello");  // on disk when it returns
  CHECK(admitted && admitted->seq == 1 && !admitted->replayed);
  auto again = send(engine, "m1", "hello");
  CHECK(again && again->seq == 1 && again->replayed);
  auto other = send(engine, "m1", "something else");
  CHECK(!other && other.error().code == holdfast::ErrorCode::idempotency_mismatch);
}

void handlers(holdfast::Engine& engine) {
  holdfast::TurnOptions two;
  two.concurrency = 2;
  auto taken = engine.on_turn(
      "agent",
      [](holdfast::Turn& turn) {
        (void)turn.emit("thinking");
        if (turn.cancelled()) return;
        (void)turn.complete(R"({"length":)" + std::to_string(turn.text().size()) + "}");
      },
      two);
  CHECK(taken);
  auto message = engine.wait_message("chat-1", "m1", 10'000);
  CHECK(message && message->state == holdfast::MessageState::completed && message->result == R"({"length":5})");
}

void completions(holdfast::Engine& engine) {
  std::promise<std::uint64_t> seq;
  engine.admit_async("chat-2", holdfast::AdmitRequest::prompt("hello"), {}, [&](auto admitted) {
    seq.set_value(admitted ? admitted->seq : 0);  // runs once, perhaps on a thread of the engine: it must not block
  });
  CHECK(seq.get_future().get() == 1);
}

void events(holdfast::Engine& engine) {
  std::promise<void> completed;
  auto subscription = engine.subscribe("chat-1", 0, [&](const holdfast::Event& event) {
    if (event.type == "message.completed") completed.set_value();
  });
  CHECK(completed.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  subscription.reset();  // from here on no callback runs
}

void objects(holdfast::Engine& engine) {
  auto reply = engine.call("counter", "one", {"POST", "/increment", ""});
  CHECK(reply && reply->body == "1");
  auto refused = engine.call("counter", "one", {"GET", "/", ""});
  CHECK(!refused && refused.error().code == holdfast::ErrorCode::method_not_allowed);
}

void forks(holdfast::Engine& engine) {
  auto copy = engine.fork("chat-1", {"chat-1-again", {}});
  CHECK(copy && copy->session == "chat-1-again" && copy->queued == 0);
}

// A whole host: this engine behind the server of `holdfast serve`.
int host(int argc, char** argv) {
  return holdfast::serve(argc, argv, [](holdfast::Options& options) { options.register_class<Counter>("counter"); });
}

int embed(const char* directory) {
  auto engine = holdfast::Engine::open(options_for(directory));
  if (!engine) return exit_code(engine.error());
  sessions(**engine);
  handlers(**engine);
  completions(**engine);
  events(**engine);
  objects(**engine);
  forks(**engine);
  (*engine)->close();
  auto late = (*engine)->admit("chat-1", holdfast::AdmitRequest::prompt("too late"));
  CHECK(!late && late.error().code == holdfast::ErrorCode::shutting_down);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return argc == 2 && argv[1][0] != '-' ? embed(argv[1]) : host(argc, argv); }
