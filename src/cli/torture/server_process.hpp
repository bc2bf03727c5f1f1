// ServerProcess: `holdfast serve` of this very binary as a child, on one data directory.
//
// It dies with the thread that started it, so that no server is left behind whatever becomes of the harness. One
// thread, which lives as long as the server may.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <holdfast/error.hpp>
#include <optional>
#include <string>
#include <vector>

namespace holdfast::cli::torture {

class ServerProcess {
 public:
  struct Place {
    std::filesystem::path store;
    std::filesystem::path control;  // of the faults
    std::filesystem::path log;      // what the server says on standard error
  };
  explicit ServerProcess(Place place) : place_(std::move(place)) {}
  ~ServerProcess() { kill(); }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  enum class Start : std::uint8_t { ready, ended, hangs };
  // Starts it and waits for its ready line. `ended`: exit_code() says how. `hangs`: it was killed.
  Start start(std::chrono::seconds at_most);
  [[nodiscard]] int port() const noexcept { return port_; }

  void kill();  // SIGKILL, and waits for it
  void signal(int number) const;
  // Whether it has ended; exit_code() says how.
  [[nodiscard]] bool ended();
  // Until it ends by itself; false: it is still there.
  [[nodiscard]] bool wait(std::chrono::milliseconds at_most);
  [[nodiscard]] int exit_code() const noexcept { return exit_code_; }  // 128 + the signal that ended it
  [[nodiscard]] std::string last_words() const;                        // the end of its log

 private:
  void take(int status);

  const Place place_;
  pid_t pid_ = -1;
  int output_ = -1;
  int port_ = 0;
  int exit_code_ = 0;
};

}  // namespace holdfast::cli::torture
