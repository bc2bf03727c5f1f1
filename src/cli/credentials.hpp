// RuntimeCredentials: the auth token and the inbound secret of a registered runtime, in two files of mode 0600.
//
// DIR/NAME.token and DIR/NAME.secret. A file is written beside its place, synced and renamed, and its directory synced:
// it holds the value before or the value after, whole, whatever crashes. Whoever rotates the token puts the new one
// into the file; reread() finds it. Processes that share DIR register one after the other: lock(). One thread.
#pragma once

#include <filesystem>
#include <holdfast/error.hpp>
#include <string>

namespace holdfast::cli {

class RuntimeCredentials {
 public:
  // Makes `directory` (mode 0700) when it is not there; empty: $XDG_STATE_HOME/holdfast/runtimes or, without that,
  // ~/.local/state/holdfast/runtimes. Errors: invalid_request with what to do.
  [[nodiscard]] static Result<RuntimeCredentials> open(std::string runtime, std::filesystem::path directory);

  class Lock {
   public:
    explicit Lock(int fd) : fd_(fd) {}
    ~Lock();
    Lock(Lock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Lock& operator=(Lock&&) = delete;
    [[nodiscard]] int fd() const noexcept { return fd_; }

   private:
    int fd_;
  };
  // Errors: invalid_request when another process holds it for too long.
  [[nodiscard]] Result<Lock> lock() const;

  // Reads the token; without a file token() stays empty.
  // Errors: invalid_request with what to do (open to others, unreadable, not a token of this runtime).
  [[nodiscard]] Result<void> load();
  // Reads the token anew: whether it is another one now. Errors: those of load(), and when the file is gone.
  [[nodiscard]] Result<bool> reread();
  // Whether store_token() can work; asked before a token is issued, which is shown only once. Errors: invalid_request.
  [[nodiscard]] Result<void> writable() const;
  [[nodiscard]] Result<void> store_token(std::string token);
  // Writes the secret when the file misses or holds another one.
  [[nodiscard]] Result<void> store_secret(const std::string& secret) const;

  [[nodiscard]] const std::string& runtime() const noexcept { return runtime_; }
  [[nodiscard]] const std::string& token() const noexcept { return token_; }
  [[nodiscard]] std::string token_file() const { return (directory_ / (runtime_ + ".token")).string(); }
  [[nodiscard]] std::string secret_file() const { return (directory_ / (runtime_ + ".secret")).string(); }

 private:
  RuntimeCredentials(std::string runtime, std::filesystem::path directory)
      : runtime_(std::move(runtime)), directory_(std::move(directory)) {}
  [[nodiscard]] Result<void> write(const std::string& path, const std::string& line) const;

  std::string runtime_;
  std::filesystem::path directory_;
  std::string token_;
};

}  // namespace holdfast::cli
