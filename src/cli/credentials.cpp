#include "src/cli/credentials.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "actors/runtime/runtime.hpp"
#include "src/core/crypto.hpp"
#include "src/core/ids.hpp"

namespace holdfast::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kTokenSecretHex = 64;
constexpr std::chrono::milliseconds kLockWait{30'000};
constexpr std::chrono::milliseconds kLockPoll{20};

tl::unexpected<Error> bad(std::string what) { return fail(ErrorCode::invalid_request, std::move(what)); }
tl::unexpected<Error> bad(const std::string& path, const char* what) {
  return bad(path + " " + what + ": " + std::strerror(errno));
}

Result<fs::path> default_directory() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && fs::path(state).is_absolute()) return fs::path(state) / "holdfast" / "runtimes";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0')
    return bad("there is no HOME to keep a runtime's token in: use --credentials DIR");
  return fs::path(home) / ".local" / "state" / "holdfast" / "runtimes";
}

// The one line of a file that only its owner reads; nothing when there is no such file.
Result<std::optional<std::string>> read_line(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 && errno == ENOENT) return std::nullopt;
  auto content = read_secret_file(path);
  if (!content) return tl::unexpected(std::move(content.error()));
  while (!content->empty() && (content->back() == '\n' || content->back() == '\r')) content->pop_back();
  return std::move(*content);
}

bool token_of(const std::string& runtime, const std::string& token) {
  return runtime::name_in_token(token) == runtime && from_hex(token.substr(token.size() - kTokenSecretHex)).has_value();
}

bool write_all(int fd, const std::string& text) {
  return ::fchmod(fd, 0600) == 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
         ::fsync(fd) == 0;
}

}  // namespace

Result<RuntimeCredentials> RuntimeCredentials::open(std::string runtime, fs::path directory) {
  if (!valid_name(runtime))
    return bad("--runtime " + runtime +
               " is no name: letters, digits and . _ ~ : - after a letter or digit, up to 128");
  if (directory.empty()) {
    auto found = default_directory();
    if (!found) return tl::unexpected(std::move(found.error()));
    directory = std::move(*found);
  }
  if (!directory.has_filename()) directory = directory.parent_path();  // a slash at the end
  std::error_code ignored;                                             // mkdir says what is wrong
  if (directory.has_parent_path()) fs::create_directories(directory.parent_path(), ignored);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return bad(directory.string(), "cannot be made");
  if (!fs::is_directory(directory, ignored))
    return bad(directory.string() + " is not a directory: use --credentials DIR");
  return RuntimeCredentials(std::move(runtime), std::move(directory));
}

RuntimeCredentials::Lock::~Lock() {
  if (fd_ >= 0) ::close(fd_);
}

Result<RuntimeCredentials::Lock> RuntimeCredentials::lock() const {
  Lock held(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto until = std::chrono::steady_clock::now() + kLockWait;
  while (::flock(held.fd(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return bad(directory_.string(), "cannot be locked");
    if (std::chrono::steady_clock::now() >= until)
      return bad("another process has been registering in " + directory_.string() +
                 " for too long: end it, or try again");
    std::this_thread::sleep_for(kLockPoll);
  }
  return held;
}

Result<void> RuntimeCredentials::load() {
  auto line = read_line(token_file());
  if (!line) return tl::unexpected(std::move(line.error()));
  if (!*line) return {};
  if (!token_of(runtime_, **line))
    return bad("secret file " + token_file() + ": holds no auth token of runtime " + runtime_ +
               "; put there what the server issued for it, or use another --runtime name");
  token_ = std::move(**line);
  return {};
}

Result<bool> RuntimeCredentials::reread() {
  const auto before = std::exchange(token_, {});
  if (auto ok = load(); !ok) return tl::unexpected(std::move(ok.error()));
  if (token_.empty())
    return bad("the server does not take the token of runtime " + runtime_ + " any more, and " + token_file() +
               " is gone; put the token that is valid now there");
  return token_ != before;
}

Result<void> RuntimeCredentials::writable() const {
  if (::access(directory_.c_str(), R_OK | W_OK | X_OK) == 0) return {};
  return bad(directory_.string(), "cannot take the token");
}

Result<void> RuntimeCredentials::store_token(std::string token) {
  if (!token_of(runtime_, token)) return bad("the server issued no token of the form hfr_" + runtime_ + ".<64 hex>");
  if (auto ok = write(token_file(), token); !ok) return ok;
  token_ = std::move(token);
  return {};
}

Result<void> RuntimeCredentials::store_secret(const std::string& secret) const {
  const auto line = read_line(secret_file());
  if (!line) return tl::unexpected(line.error());
  if (*line == secret) return {};
  return write(secret_file(), secret);
}

Result<void> RuntimeCredentials::write(const std::string& path, const std::string& line) const {
  const auto temporary = path + ".new." + std::to_string(::getpid());
  ::unlink(temporary.c_str());  // of a process that had this id and crashed
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return bad(temporary, "cannot be created");
  const bool written = write_all(fd, line + "\n");
  ::close(fd);
  if (!written || ::rename(temporary.c_str(), path.c_str()) != 0) {
    auto error = bad(path, "cannot be written");
    ::unlink(temporary.c_str());
    return error;
  }
  const int directory = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = directory >= 0 && ::fsync(directory) == 0;
  if (directory >= 0) ::close(directory);
  if (!synced) return bad(directory_.string(), "cannot be synced");
  return {};
}

}  // namespace holdfast::cli
