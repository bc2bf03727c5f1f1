// The real binary as a child process on a directory of its own.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "src/core/check.hpp"

namespace holdfast::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    auto pattern = (std::filesystem::temp_directory_path() / "holdfast-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A child of this test: its standard output is read here, its standard error goes to a file.
class Process {
 public:
  Process(std::vector<std::string> words, const std::string& errors, const std::vector<std::string>& environment = {}) {
    std::array<int, 2> out{};
    HOLDFAST_CHECK(::pipe2(out.data(), O_CLOEXEC) == 0);  // not REQUIRE: Catch2 asserts on one thread at a time
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], STDOUT_FILENO);
      const int log = ::open(errors.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
      ::dup2(log, STDERR_FILENO);
      for (const auto& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
      std::vector<char*> argv;
      for (auto& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(out[1]);
    output_ = out[0];
  }
  ~Process() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      (void)wait();
    }
    ::close(output_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Up to the next newline; empty at the end.
  std::string line() {
    std::string text;
    char c = 0;
    while (::read(output_, &c, 1) == 1 && c != '\n') text += c;
    return text;
  }
  std::string rest() {
    std::string text;
    std::array<char, 4'096> piece{};
    for (ssize_t n = 0; (n = ::read(output_, piece.data(), piece.size())) > 0;)
      text.append(piece.data(), static_cast<std::size_t>(n));
    return text;
  }
  void signal(int number) const { ::kill(pid_, number); }
  // The exit code, or 128 + the signal.
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  pid_t pid_ = -1;
  int output_ = -1;
};

// Runs the binary to its end.
struct Ended {
  int code = 0;
  std::string output;
  std::string errors;
};
inline Ended run(std::vector<std::string> arguments, const std::vector<std::string>& environment = {}) {
  const TemporaryDirectory directory;
  arguments.insert(arguments.begin(), HOLDFAST_BINARY);
  Process process(std::move(arguments), directory / "errors", environment);
  Ended ended;
  ended.output = process.rest();
  ended.code = process.wait();
  ended.errors = read_file(directory / "errors");
  return ended;
}

class Server {
 public:
  explicit Server(std::vector<std::string> options = {}, std::vector<std::string> environment = {})
      : options_(std::move(options)), environment_(std::move(environment)) {
    start();
  }

  // A host of the examples instead of `holdfast serve`.
  struct Example {
    std::string name;
  };
  explicit Server(const Example& example, std::vector<std::string> options = {})
      : command_{HOLDFAST_BIN_DIR "/../examples/" + example.name}, options_(std::move(options)) {
    start();
  }

  void start() {
    auto words = command_;
    words.insert(words.end(), {"--data", data(), "--listen", "127.0.0.1:0"});
    words.insert(words.end(), options_.begin(), options_.end());
    process_ = std::make_unique<Process>(std::move(words), directory_ / "log", environment_);
    const auto ready = process_->line();
    const std::string expected = "listening on http://127.0.0.1:";
    INFO("the server's log: " << log());
    REQUIRE(ready.substr(0, expected.size()) == expected);
    port_ = std::atoi(ready.c_str() + expected.size());
  }
  void kill9() {
    process_->signal(SIGKILL);
    (void)process_->wait();
  }
  int terminate() {
    process_->signal(SIGTERM);
    return process_->wait();
  }
  // Until it ends by itself; the exit code.
  int wait() { return process_->wait(); }
  [[nodiscard]] int port() const noexcept { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string data() const { return directory_ / "data"; }
  [[nodiscard]] std::string log() const { return read_file(directory_ / "log"); }
  // Always 0 under the address sanitizer, which keeps what was freed.
  [[nodiscard]] std::uint64_t resident_kib() const {
#ifdef __SANITIZE_ADDRESS__
    return 0;
#endif
    std::ifstream statm("/proc/" + std::to_string(process_->pid()) + "/statm");
    std::uint64_t all = 0;
    std::uint64_t resident = 0;
    statm >> all >> resident;
    return resident * 4;
  }

 private:
  TemporaryDirectory directory_;
  std::vector<std::string> command_{HOLDFAST_BINARY, "serve"};
  std::vector<std::string> options_;
  std::vector<std::string> environment_;
  std::unique_ptr<Process> process_;
  int port_ = 0;
};

}  // namespace holdfast::test
