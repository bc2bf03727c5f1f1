// Child: a shell command with its standard input and output on pipes, in a process group of its own. One thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <thread>
#include <vector>

namespace holdfast::cli {

class Child {
 public:
  // Starts `command` with `input` on its standard input and `variables` (NAME=value) on top of this environment.
  Child(const std::string& command, std::string input, std::vector<std::string> variables);
  ~Child();  // kills what still runs
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] int output() const noexcept { return output_; }
  [[nodiscard]] bool ended() const;
  // Kills the command and what it started.
  void stop();
  // The exit code; 128 + the signal that ended it.
  int wait();

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::thread writer_;
};

}  // namespace holdfast::cli
