#include "src/cli/child.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

extern char** environ;

namespace holdfast::cli {

Child::Child(const std::string& command, std::string input, std::vector<std::string> variables) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) return;
  std::vector<char*> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) environment.push_back(*variable);
  for (auto& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
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
    ::execve("/bin/sh", argv.data(), environment.data());
    ::_exit(127);
  }
  if (pid_ > 0) ::setpgid(pid_, pid_);  // both sides do it: a stop() may come before the child has run
  ::close(in[0]);
  ::close(out[1]);
  output_ = out[0];
  writer_ = std::thread([fd = in[1], text = std::move(input)] {
    for (std::size_t at = 0; at < text.size();) {
      const auto n = ::write(fd, text.data() + at, text.size() - at);
      if (n <= 0) break;  // a command need not read its input
      at += static_cast<std::size_t>(n);
    }
    ::close(fd);
  });
}

Child::~Child() {
  stop();
  if (output_ >= 0) ::close(output_);
  if (writer_.joinable()) writer_.join();
}

bool Child::ended() const {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid_;
}

void Child::stop() {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  (void)wait();
}

int Child::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace holdfast::cli
