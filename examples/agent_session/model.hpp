// Model: a program that answers conversations, run as a child process.
//
// A conversation goes in as one line of JSON; lines of JSON come out, the last of which says what is to be done:
//
//     {"messages":[{"role":"user","content":"add 2 3"}]}
//     {"delta":"let me "}
//     {"delta":"see"}
//     {"tool":"add","arguments":[2,3]}                       or {"answer":"..."}
//
// The program keeps nothing in between: each line holds the whole conversation, as with the models behind HTTP. So the
// stub of this example can be replaced by twenty lines that call a real one.
//
// Thread-safety: one thread, but for kill().
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <stdexcept>
#include <string>

// It could not be started, it died, or it said something else than the above.
struct ModelGone : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Model {
 public:
  explicit Model(const std::string& program);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  void say(const std::string& line);
  [[nodiscard]] std::string hear();  // the next line
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  void kill() const noexcept;  // who waits in hear() gets ModelGone

 private:
  pid_t pid_ = -1;
  std::FILE* in_ = nullptr;
  std::FILE* out_ = nullptr;
};
