#include "src/cli/torture/server_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <thread>

extern char** environ;

namespace holdfast::cli::torture {
namespace {

constexpr std::string_view kReady = "listening on http://127.0.0.1:";

// Short leases and delays, so that what follows from them happens often; few live sessions, so that they come and go.
std::vector<std::string> words_of(const ServerProcess::Place& place) {
  return {"holdfast",
          "serve",
          "--data",
          place.store.string(),
          "--listen",
          "127.0.0.1:0",
          "--fault-control",
          place.control.string(),
          "--log-level",
          "warn",
          "--lease-ms-min",
          "100",
          "--lease-expiries-max",
          "100",
          "--interrupt-grace-ms",
          "500",
          "--retry-default-ms",
          "20,100,300",
          "--idle-evict-ms",
          "300",
          "--live-objects-max",
          "32",
          "--queue-capacity",
          "200"};
}

// Without HOLDFAST_*: what this process was told is not for the server.
std::vector<char*> environment() {
  std::vector<char*> out;
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (!std::string_view(*variable).starts_with("HOLDFAST_")) out.push_back(*variable);
  out.push_back(nullptr);
  return out;
}

}  // namespace

ServerProcess::Start ServerProcess::start(std::chrono::seconds at_most) {
  auto words = words_of(place_);
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const auto variables = environment();
  const auto log = place_.log.string();
  std::array<int, 2> out{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0) return Start::ended;
  pid_ = ::fork();
  if (pid_ == 0) {  // only what is safe between fork and exec in a program of many threads
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setpgid(0, 0);  // an interrupt of the terminal is for the harness
    ::dup2(out[1], STDOUT_FILENO);
    const int errors = ::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    ::dup2(errors, STDERR_FILENO);
    ::execve("/proc/self/exe", argv.data(), variables.data());
    ::_exit(127);
  }
  ::close(out[1]);
  output_ = out[0];
  const auto until = std::chrono::steady_clock::now() + at_most;
  std::string line;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    pollfd ready{output_, POLLIN, 0};
    if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) == 0) {
      kill();
      return Start::hangs;
    }
    char c = 0;
    if (::read(output_, &c, 1) != 1) {
      (void)wait(std::chrono::seconds(30));
      kill();
      return Start::ended;
    }
    if (c == '\n') break;
    line += c;
  }
  port_ = line.starts_with(kReady) ? std::atoi(line.c_str() + kReady.size()) : 0;
  return Start::ready;
}

void ServerProcess::take(int status) {
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  pid_ = -1;
  ::close(output_);
  output_ = -1;
}

void ServerProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  take(status);
}

void ServerProcess::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

bool ServerProcess::ended() {
  if (pid_ <= 0) return true;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
  take(status);
  return true;
}

bool ServerProcess::wait(std::chrono::milliseconds at_most) {
  const auto until = std::chrono::steady_clock::now() + at_most;
  while (!ended()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::string ServerProcess::last_words() const {
  std::ifstream in(place_.log);
  std::string text;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) text = line;
  return text;
}

}  // namespace holdfast::cli::torture
