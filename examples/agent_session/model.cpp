#include "model.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

namespace {

// With the signals as a program expects them, and in a group of its own: Ctrl-C is for the host, which ends its turns.
int spawn(pid_t& pid, const std::string& program, int in, int out) {
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t pipe = none;
  sigaddset(&pipe, SIGPIPE);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &pipe);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::string name = program;
  std::array<char*, 2> argv{name.data(), nullptr};
  const int error = ::posix_spawn(&pid, program.c_str(), &files, &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  return error;
}

}  // namespace

Model::Model(const std::string& program) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0) throw ModelGone("no pipe to the model");
  if (::pipe2(out.data(), O_CLOEXEC) != 0) {
    ::close(in[0]);
    ::close(in[1]);
    throw ModelGone("no pipe from the model");
  }
  const int error = spawn(pid_, program, in[0], out[1]);
  ::close(in[0]);
  ::close(out[1]);
  in_ = ::fdopen(in[1], "w");
  out_ = ::fdopen(out[0], "r");
  if (error == 0) return;
  std::fclose(in_);
  std::fclose(out_);
  throw ModelGone("cannot start " + program + ": " + std::strerror(error));
}

Model::~Model() {
  std::fclose(in_);
  std::fclose(out_);
  kill();
  ::waitpid(pid_, nullptr, 0);
}

void Model::say(const std::string& line) {
  if (std::fputs((line + "\n").c_str(), in_) < 0 || std::fflush(in_) != 0)
    throw ModelGone("the model ended and takes no question");
}

std::string Model::hear() {
  char* text = nullptr;
  std::size_t room = 0;
  const auto size = ::getline(&text, &room, out_);
  std::string line(text == nullptr || size < 1 ? "" : text, size < 1 ? 0 : static_cast<std::size_t>(size) - 1);
  std::free(text);
  if (size < 1) throw ModelGone("the model ended in the middle of an answer");
  return line;
}

void Model::kill() const noexcept { ::kill(pid_, SIGKILL); }
