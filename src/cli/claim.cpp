// holdfast claim --exec: a worker in one line. Each delivery runs a command; its output lines become events.
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <thread>

#include "src/cli/child.hpp"
#include "src/cli/cli.hpp"
#include "src/cli/terminal.hpp"
#include "src/cli/worker_client.hpp"
#include "src/core/json.hpp"

namespace holdfast::cli {
namespace {

std::atomic<bool> g_stop{false};  // set by SIGINT and SIGTERM
static_assert(std::atomic<bool>::is_always_lock_free);

struct ClaimOptions {
  Target target;
  std::string exec;
  std::string runtime;
  std::string credentials;
  std::vector<std::string> sessions;
  std::vector<std::string> labels;
  std::int64_t lease_ms = 30'000;
  std::uint64_t max_turns = 0;
  bool once = false;
};

struct Turn {
  std::string json;  // the delivery as it came
  std::string delivery;
  std::string lease;
  std::string session;
  std::string message;
  std::string content;  // when it is a string
  std::string token;
  std::uint64_t attempt = 0;
};

std::vector<std::string> environment_of(const Turn& turn) {
  std::vector<std::string> environment{"HOLDFAST_SESSION=" + turn.session, "HOLDFAST_MESSAGE=" + turn.message,
                                       "HOLDFAST_DELIVERY=" + turn.delivery,
                                       "HOLDFAST_ATTEMPT=" + std::to_string(turn.attempt)};
  // A variable holds at most 128 KiB on Linux; longer content is on standard input alone.
  if (turn.content.size() < 100'000) environment.push_back("HOLDFAST_CONTENT=" + turn.content);
  if (!turn.token.empty()) environment.push_back("HOLDFAST_GIT_TOKEN=" + turn.token);
  return environment;
}

class Worker {
 public:
  Worker(const ClaimOptions& options, std::optional<RuntimeCredentials> credentials)
      : options_(options), client_(options.target, std::move(credentials), beat_every(options)) {}

  int run() {
    if (const auto ok = client_.enter(labels()); !ok)
      return complain(ok.error().code == ErrorCode::invalid_request ? kUsage : kRefused, ok.error().detail);
    const int code = claim_and_work();
    return client_.closed().empty() ? code : complain(kUsage, client_.closed());
  }

 private:
  // What a server bears in silence is its own setting, 45 s by default.
  static std::chrono::milliseconds beat_every(const ClaimOptions& options) {
    return std::chrono::milliseconds(std::min<std::int64_t>(options.lease_ms / 3, 10'000));
  }

  int claim_and_work() {
    std::uint64_t turns = 0;
    auto pause = std::chrono::milliseconds(200);
    while (!g_stop) {
      client_.beat_if_due();
      auto answer = client_.request("POST", "/v1/claims", claim_body(), {}, std::chrono::seconds(90));
      if (!client_.closed().empty()) return kUsage;
      if (!answer || answer->status == 503 || answer->status == 429) {
        if (turns == 0 && !answer) return complain(kRefused, answer.error().detail);
        std::this_thread::sleep_for(pause);  // the server restarts: what was handed out comes again
        pause = std::min(pause * 2, std::chrono::milliseconds(5'000));
        continue;
      }
      pause = std::chrono::milliseconds(200);
      if (answer->status == 204) {
        if (options_.once) return kOk;
        continue;
      }
      if (answer->status != 200) return complain(kRefused, problem_text(*answer));
      json::Parser parser;
      const auto parsed = parser.parse(answer->body);
      json::Array deliveries;
      if (!parsed || parsed->at_key("deliveries").get(deliveries) != simdjson::SUCCESS) return kRefused;
      std::vector<Turn> claimed;
      for (const auto delivery : deliveries) claimed.push_back(turn_of(delivery));
      for (const auto& turn : claimed) {
        work(turn);
        if (!client_.closed().empty()) return kUsage;
        ++turns;
      }
      if (options_.once || (options_.max_turns != 0 && turns >= options_.max_turns)) return kOk;
    }
    return kOk;
  }

  // As JSON; empty when there are none.
  std::string labels() const {
    std::string labels;
    if (options_.labels.empty()) return labels;
    json::ObjectWriter l(labels);
    for (const auto& label : options_.labels) {
      const auto equals = label.find('=');
      l.text(label.substr(0, equals), equals == std::string::npos ? "" : label.substr(equals + 1));
    }
    l.end();
    return labels;
  }

  std::string claim_body() const {
    std::string sessions = "[";
    for (const auto& session : options_.sessions) sessions += (sessions.size() > 1 ? "," : "") + json::quote(session);
    sessions += "]";
    std::string body;
    json::ObjectWriter b(body);
    b.number("max", 1)
        .number("wait_ms", options_.once ? 0 : 20'000)
        .number("lease_ms", static_cast<std::uint64_t>(options_.lease_ms));
    b.text_if("runtime", options_.runtime);
    if (!options_.sessions.empty()) b.raw("sessions", sessions);
    b.raw_if("labels", labels());
    b.end();
    return body;
  }

  static Turn turn_of(json::Element d) {
    Turn turn;
    turn.json = json::canonical(d);
    const auto text = [&](const char* pointer) {
      std::string_view value;
      return d.at_pointer(pointer).get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
    };
    turn.delivery = text("/delivery");
    turn.lease = text("/lease");
    turn.session = text("/session/session");
    turn.message = text("/message/message");
    turn.content = text("/message/turn/content");
    turn.token = text("/credential/token");
    if (d.at_key("attempt").get(turn.attempt) != simdjson::SUCCESS) turn.attempt = 1;
    return turn;
  }

  // A delivery call; the status, 0 when the server could not be reached or takes no calls of this runtime.
  int tell(const Turn& turn, const char* what, const std::string& body = "{}") {
    for (int attempt = 0; attempt < 20; ++attempt) {
      auto answer = client_.request("POST", "/v1/deliveries/" + turn.delivery + "/" + what, body,
                                    {{"Holdfast-Lease", turn.lease}});
      if (!client_.closed().empty()) return 0;
      if (answer && answer->status != 503) {
        if (answer->status >= 400 && answer->status != 409) (void)complain(kRefused, problem_text(*answer));
        return answer->status;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(250));
    }
    return 0;
  }

  void work(const Turn& turn) {
    std::printf("%s %s %s attempt %llu\n", paint(Colour::blue, "turn").c_str(), turn.session.c_str(),
                turn.message.c_str(), static_cast<unsigned long long>(turn.attempt));
    std::fflush(stdout);
    if (tell(turn, "accept") != 204) return;  // somebody else has it, or it comes again when its lease runs out
    Child child(options_.exec, turn.json + "\n", environment_of(turn));
    const Outputs outputs = follow(turn, child);
    if (!client_.closed().empty()) {
      child.stop();
      std::printf("%s the server takes nothing from this runtime; the turn comes again when its lease runs out\n",
                  paint(Colour::red, "stopped").c_str());
      return;
    }
    if (outputs.lost) {
      child.stop();
      return say_lost();
    }
    if (g_stop) {
      child.stop();
      tell(turn, "release");
      std::printf("%s the turn goes back to the queue\n", paint(Colour::yellow, "released").c_str());
      return;
    }
    report(turn, child.wait(), outputs.last);
  }

  static void say_lost() {
    std::printf("%s the lease is lost; somebody else has the turn\n", paint(Colour::yellow, "dropped").c_str());
  }

  void report(const Turn& turn, int code, const std::string& last) {
    std::string result;
    json::ObjectWriter(result).number("exit_code", static_cast<std::uint64_t>(code)).text("output", last).end();
    if (code == 0) {
      if (const int status = tell(turn, "complete", "{\"result\":" + result + "}"); status != 204)
        return status == 409 ? say_lost() : void();
      std::printf("%s %s\n", paint(Colour::green, "completed").c_str(), turn.message.c_str());
    } else {
      std::string body;
      json::ObjectWriter(body)
          .text("code", "exit_" + std::to_string(code))
          .boolean("retryable", true)
          .text("detail", last)
          .end();
      tell(turn, "fail", body);
      std::printf("%s %s exit code %d\n", paint(Colour::red, "failed").c_str(), turn.message.c_str(), code);
    }
    std::fflush(stdout);
  }

  struct Outputs {
    std::string last;
    bool lost = false;
  };

  // Reads the child's lines until it ends; sends them as events and keeps the lease alive.
  Outputs follow(const Turn& turn, const Child& child) {
    constexpr std::size_t kBatch = 64;
    constexpr std::size_t kLineMax = 64 << 10;
    constexpr auto kFlush = std::chrono::milliseconds(50);
    constexpr auto kEnd = std::chrono::milliseconds(5);
    Outputs outputs;
    std::string buffer;
    std::vector<std::string> lines;
    bool silent = false;  // its output is closed; it may still work
    const auto beat_every = std::chrono::milliseconds(options_.lease_ms / 3);
    auto beat_at = std::chrono::steady_clock::now() + beat_every;
    const auto flush = [&] {
      if (lines.empty()) return;
      std::string events = "[";
      for (const auto& line : lines) {
        std::string data;
        json::ObjectWriter(data).text("line", line).end();
        events += (events.size() > 1 ? "," : "") + std::string("{\"type\":\"output\",\"data\":") + data + "}";
      }
      lines.clear();
      if (tell(turn, "events", events + "]") == 409) outputs.lost = true;
    };
    const auto take_line = [&](std::string line) {
      outputs.last = line;
      lines.push_back(std::move(line));
      if (lines.size() >= kBatch) flush();
    };
    while (!silent || !child.ended()) {
      pollfd ready{silent ? -1 : child.output(), POLLIN, 0};
      const int n = ::poll(&ready, 1, static_cast<int>(silent ? kEnd.count() : kFlush.count()));
      if (n == 0) flush();
      if (n > 0) {
        std::array<char, 16'384> piece{};
        const auto got = ::read(child.output(), piece.data(), piece.size());
        silent = got <= 0;
        if (got > 0) buffer.append(piece.data(), static_cast<std::size_t>(got));
        std::size_t end = 0;
        while ((end = buffer.find('\n')) != std::string::npos || buffer.size() > kLineMax) {
          end = std::min(end, std::min(buffer.size(), kLineMax));
          take_line(valid_utf8(buffer.substr(0, end)));
          buffer.erase(0, end < buffer.size() && buffer[end] == '\n' ? end + 1 : end);
        }
      }
      if (outputs.lost || g_stop || !client_.closed().empty()) return outputs;
      client_.beat_if_due();
      if (std::chrono::steady_clock::now() >= beat_at) {
        if (tell(turn, "heartbeat") == 409) outputs.lost = true;
        beat_at = std::chrono::steady_clock::now() + beat_every;
      }
    }
    if (!buffer.empty()) take_line(valid_utf8(buffer));
    flush();
    return outputs;
  }

  // Bytes that are not UTF-8 cannot stand in JSON; each becomes '?'.
  static std::string valid_utf8(std::string text) {
    if (simdjson::validate_utf8(text)) return text;
    for (auto& c : text) {
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
    return text;
  }

  const ClaimOptions& options_;
  WorkerClient client_;
};

int claim(ClaimOptions& o) {
  if (auto ok = o.target.resolve(); !ok) return complain(kUsage, ok.error().detail);
  std::optional<RuntimeCredentials> credentials;
  if (!o.runtime.empty()) {
    auto opened = RuntimeCredentials::open(o.runtime, o.credentials);
    if (!opened) return complain(kUsage, opened.error().detail);
    credentials = std::move(*opened);
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGINT, [](int) { g_stop = true; });
  std::signal(SIGTERM, [](int) { g_stop = true; });
  return Worker(o, std::move(credentials)).run();
}

}  // namespace

void add_claim(CLI::App& app, int& exit) {
  auto o = std::make_shared<ClaimOptions>();
  auto* command = app.add_subcommand("claim", "work: run a command for each turn");
  o->target.declare(*command);
  command->add_option("--exec", o->exec, "run by /bin/sh for each delivery")->required()->type_name("CMD");
  command->add_option("--runtime", o->runtime, "work as the registered runtime of this name; registers it at first");
  command
      ->add_option("--credentials", o->credentials,
                   "where runtimes keep their tokens and secrets [~/.local/state/holdfast/runtimes]")
      ->envname("HOLDFAST_CREDENTIALS")
      ->type_name("DIR");
  command->add_option("--session", o->sessions, "only turns of this session (repeatable)");
  command->add_option("--label", o->labels, "K=V that this worker carries (repeatable)");
  command->add_option("--lease-ms", o->lease_ms, "how long a silent worker keeps a turn [30000]")
      ->check(CLI::Range(1'000, 3'600'000));
  command->add_option("--max-turns", o->max_turns, "end after so many [0: never]");
  command->add_flag("--once", o->once, "take what is there now, at most one turn, and end");
  command->footer(
      "The command gets the delivery as JSON on standard input, and HOLDFAST_SESSION, _MESSAGE, _ATTEMPT,\n"
      "_DELIVERY, _CONTENT and (with a credential) _GIT_TOKEN in its environment. Each line that it prints becomes an\n"
      "event `output`; exit code 0 completes the turn, another one fails it, to be tried again.\n\n"
      "With --runtime the worker registers by HOLDFAST_PROVISIONING_TICKET, HOLDFAST_API_KEY or, where auth is off,\n"
      "nothing. Its token, from then on its only credential, and its inbound secret are kept in DIR/NAME.token and\n"
      "DIR/NAME.secret. A token that the server does not take any more ends the worker with exit code 2.\n\n"
      "Examples:\n"
      "  holdfast claim --exec 'echo you said: $HOLDFAST_CONTENT'\n"
      "  holdfast claim --label gpu=yes --exec ./run-turn.sh\n"
      "  HOLDFAST_PROVISIONING_TICKET=tkt_... holdfast claim --runtime gpu-1 --exec ./run-turn.sh\n");
  command->callback([o, &exit] { exit = claim(*o); });
}

}  // namespace holdfast::cli
