// holdfast claim --exec: a worker in one line. Each delivery runs a command; its output lines become events.
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <map>
#include <thread>

#include "src/cli/cli.hpp"
#include "src/cli/client.hpp"
#include "src/cli/terminal.hpp"
#include "src/core/json.hpp"

extern char** environ;

namespace holdfast::cli {
namespace {

std::atomic<bool> g_stop{false};  // set by SIGINT and SIGTERM
static_assert(std::atomic<bool>::is_always_lock_free);

struct ClaimOptions {
  Target target;
  std::string exec;
  std::string runtime;
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

// A child with its standard input and output on pipes.
class Child {
 public:
  Child(const std::string& command, const Turn& turn) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) return;
    auto environment = environment_of(turn);
    std::vector<char*> variables;
    for (auto& variable : environment) variables.push_back(variable.data());
    variables.push_back(nullptr);
    std::array<std::string, 3> words{"sh", "-c", command};
    std::array<char*, 4> argv{words[0].data(), words[1].data(), words[2].data(), nullptr};
    pid_ = ::fork();
    if (pid_ == 0) {
      ::setpgid(0, 0);  // so that what the command starts ends with it
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      sigset_t none;
      sigemptyset(&none);
      ::sigprocmask(SIG_SETMASK, &none, nullptr);
      ::execve("/bin/sh", argv.data(), variables.data());
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    output_ = out[0];
    writer_ = std::thread([fd = std::exchange(input_, -1), text = turn.json + "\n"] {
      for (std::size_t at = 0; at < text.size();) {
        const auto n = ::write(fd, text.data() + at, text.size() - at);
        if (n <= 0) break;  // a command need not read its input
        at += static_cast<std::size_t>(n);
      }
      ::close(fd);
    });
  }
  ~Child() {
    stop();
    if (output_ >= 0) ::close(output_);
    if (writer_.joinable()) writer_.join();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] int output() const noexcept { return output_; }
  void stop() {
    if (pid_ > 0) ::kill(-pid_, SIGKILL);
    if (pid_ > 0) (void)wait();
  }
  // The exit code; 128 + the signal that ended it.
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  static std::vector<std::string> environment_of(const Turn& turn) {
    std::vector<std::string> environment;
    for (char** variable = environ; *variable != nullptr; ++variable) environment.emplace_back(*variable);
    environment.push_back("HOLDFAST_SESSION=" + turn.session);
    environment.push_back("HOLDFAST_MESSAGE=" + turn.message);
    environment.push_back("HOLDFAST_DELIVERY=" + turn.delivery);
    environment.push_back("HOLDFAST_ATTEMPT=" + std::to_string(turn.attempt));
    // A variable holds at most 128 KiB on Linux; longer content is on standard input alone.
    if (turn.content.size() < 100'000) environment.push_back("HOLDFAST_CONTENT=" + turn.content);
    if (!turn.token.empty()) environment.push_back("HOLDFAST_GIT_TOKEN=" + turn.token);
    return environment;
  }

  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
  std::thread writer_;
};

class Worker {
 public:
  explicit Worker(const ClaimOptions& options) : options_(options), client_(options.target) {}

  int run() {
    std::uint64_t turns = 0;
    auto pause = std::chrono::milliseconds(200);
    while (!g_stop) {
      auto answer = client_.request("POST", "/v1/claims", claim_body(), {}, std::chrono::seconds(90));
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
        ++turns;
      }
      if (options_.once || (options_.max_turns != 0 && turns >= options_.max_turns)) return kOk;
    }
    return kOk;
  }

 private:
  std::string claim_body() const {
    std::string labels;
    json::ObjectWriter l(labels);
    for (const auto& label : options_.labels) {
      const auto equals = label.find('=');
      l.text(label.substr(0, equals), equals == std::string::npos ? "" : label.substr(equals + 1));
    }
    l.end();
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
    if (!options_.labels.empty()) b.raw("labels", labels);
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

  // A delivery call; the status, 0 when the server could not be reached.
  int tell(const Turn& turn, const char* what, const std::string& body = "{}") {
    for (int attempt = 0; attempt < 20; ++attempt) {
      auto answer = client_.request("POST", "/v1/deliveries/" + turn.delivery + "/" + what, body,
                                    {{"Holdfast-Lease", turn.lease}});
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
    if (tell(turn, "accept") == 409) return;
    Child child(options_.exec, turn);
    Outputs outputs = follow(turn, child);
    if (outputs.lost) {
      child.stop();
      std::printf("%s the lease is lost; somebody else has the turn\n", paint(Colour::yellow, "dropped").c_str());
      return;
    }
    if (g_stop) {
      child.stop();
      tell(turn, "release");
      std::printf("%s the turn goes back to the queue\n", paint(Colour::yellow, "released").c_str());
      return;
    }
    const int code = child.wait();
    std::string result;
    json::ObjectWriter(result).number("exit_code", static_cast<std::uint64_t>(code)).text("output", outputs.last).end();
    if (code == 0) {
      tell(turn, "complete", "{\"result\":" + result + "}");
      std::printf("%s %s\n", paint(Colour::green, "completed").c_str(), turn.message.c_str());
    } else {
      std::string body;
      json::ObjectWriter(body)
          .text("code", "exit_" + std::to_string(code))
          .boolean("retryable", true)
          .text("detail", outputs.last)
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
    Outputs outputs;
    std::string buffer;
    std::vector<std::string> lines;
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
    for (;;) {
      pollfd ready{child.output(), POLLIN, 0};
      const int n = ::poll(&ready, 1, static_cast<int>(kFlush.count()));
      if (n == 0) flush();
      if (n > 0) {
        std::array<char, 16'384> piece{};
        const auto got = ::read(child.output(), piece.data(), piece.size());
        if (got <= 0) break;
        buffer.append(piece.data(), static_cast<std::size_t>(got));
        std::size_t end = 0;
        while ((end = buffer.find('\n')) != std::string::npos || buffer.size() > kLineMax) {
          end = std::min(end, std::min(buffer.size(), kLineMax));
          take_line(valid_utf8(buffer.substr(0, end)));
          buffer.erase(0, end < buffer.size() && buffer[end] == '\n' ? end + 1 : end);
        }
      }
      if (outputs.lost || g_stop) return outputs;
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
  Client client_;
};

int claim(ClaimOptions& o) {
  if (auto ok = o.target.resolve(); !ok) return complain(kUsage, ok.error().detail);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGINT, [](int) { g_stop = true; });
  std::signal(SIGTERM, [](int) { g_stop = true; });
  return Worker(o).run();
}

}  // namespace

void add_claim(CLI::App& app, int& exit) {
  auto o = std::make_shared<ClaimOptions>();
  auto* command = app.add_subcommand("claim", "work: run a command for each turn");
  o->target.declare(*command);
  command->add_option("--exec", o->exec, "run by /bin/sh for each delivery")->required()->type_name("CMD");
  command->add_option("--runtime", o->runtime, "name shown as the one who has the turn");
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
      "Examples:\n"
      "  holdfast claim --exec 'echo you said: $HOLDFAST_CONTENT'\n"
      "  holdfast claim --label gpu=yes --exec ./run-turn.sh\n");
  command->callback([o, &exit] { exit = claim(*o); });
}

}  // namespace holdfast::cli
