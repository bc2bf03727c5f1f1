#include "storage/backup_directory.hpp"

#include <fcntl.h>
#include <rocksdb/env.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "src/core/crypto.hpp"
#include "src/core/json.hpp"
#include "storage/counting_file_system.hpp"

namespace holdfast {
namespace {

constexpr const char* kMeta = "meta";  // where RocksDB keeps the descriptions

tl::unexpected<Error> file_failed(std::string_view doing, const std::filesystem::path& path) {
  const auto code = errno == ENOSPC ? ErrorCode::insufficient_storage : ErrorCode::internal;
  return fail(code, std::string(doing) + " " + path.string() + " failed: " + std::strerror(errno) +
                        ". Check its permissions, the disk and the free space.");
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<DirectoryLock> DirectoryLock::take(const std::filesystem::path& directory, Kind kind) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return file_failed("opening", directory);
  DirectoryLock lock(fd);
  if (::flock(fd, (kind == Kind::shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return file_failed("locking", directory);
  return fail(ErrorCode::conflict, directory.string() +
                                       " is in use by another backup, verification or restore. Nothing was changed. "
                                       "Try again when that is done.");
}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) ::close(fd_);
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

void Meter::begin(BackupStatus::State state, std::uint64_t total) {
  state_ = state;
  done_ = 0;
  total_ = total;
  if (watch_) watch_(state_, 0, total_);
}

Visit Meter::count(std::uint64_t bytes) {
  done_ += bytes;
  if (watch_ && state_ != BackupStatus::State::none) watch_(state_, done_, std::max(done_, total_));
  return stopped() ? Visit::stop : Visit::next;
}

bool holds_backups(const std::filesystem::path& directory) {
  std::error_code ignored;
  return std::filesystem::is_directory(directory / kMeta, ignored);
}

Backup describe(const rocksdb::BackupInfo& info) {
  Backup backup;
  backup.id = info.backup_id;
  backup.began_at = info.timestamp * 1'000;
  backup.bytes = info.size;
  backup.files = info.number_files;
  json::Parser parser;
  if (const auto ours = parser.parse(info.app_metadata); ours && ours->is_object()) {
    std::string_view text;
    if (ours->at_key("store").get(text) == simdjson::SUCCESS) backup.store = text;
    if (ours->at_key("began_at").get(text) == simdjson::SUCCESS)
      backup.began_at = json::parse_time(text).value_or(backup.began_at);
  }
  return backup;
}

tl::unexpected<Error> backup_failed(const rocksdb::Status& status, const std::filesystem::path& directory,
                                    std::string_view doing) {
  const std::string what = std::string(doing) + " in " + directory.string() + " failed (" + status.ToString() + "). ";
  if (status.IsAborted() || status.IsIncomplete())
    return fail(ErrorCode::shutting_down, std::string(doing) + " was stopped; earlier backups are as they were.");
  if (status.IsNoSpace())
    return fail(ErrorCode::insufficient_storage, what + "Free some space, or keep fewer backups.");
  if (status.IsNotFound()) return fail(ErrorCode::not_found, what + "`holdfast restore --list` shows what there is.");
  if (status.IsCorruption()) {
    return fail(ErrorCode::internal, what +
                                         "The backup is damaged: check the disk of the directory. `holdfast backup "
                                         "--verify` says which backups are whole; make new ones in another directory.");
  }
  return fail(ErrorCode::internal, what + "Check its permissions, the disk and the free space.");
}

std::unique_ptr<rocksdb::Env> metered(Meter& meter) {
  return rocksdb::NewCompositeEnv(std::make_shared<CountingFileSystem>(
      rocksdb::FileSystem::Default(), [&meter](std::uint64_t read, std::uint64_t written) {
        // While a backup is copied only what is written into the directory counts.
        return meter.count(meter.state() == BackupStatus::State::copying ? written : read);
      }));
}

Result<std::unique_ptr<BackupReader>> BackupReader::open(const std::filesystem::path& directory, Meter& meter) {
  if (!holds_backups(directory)) {
    return fail(ErrorCode::invalid_request,
                "there are no backups in " + directory.string() + "; `holdfast backup --to DIR` makes one");
  }
  auto lock = DirectoryLock::take(directory, DirectoryLock::Kind::shared);
  if (!lock) return tl::unexpected(std::move(lock.error()));
  std::unique_ptr<BackupReader> reader(new BackupReader(std::move(*lock)));
  reader->env_ = metered(meter);
  rocksdb::BackupEngineReadOnly* engine = nullptr;
  const auto status = rocksdb::BackupEngineReadOnly::Open(
      rocksdb::BackupEngineOptions(directory.string(), reader->env_.get()), rocksdb::Env::Default(), &engine);
  if (!status.ok()) return backup_failed(status, directory, "reading the backups");
  reader->engine_.reset(engine);
  return reader;
}

Result<void> sync_path(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 || ::fsync(file.get()) != 0) return file_failed("syncing", path);
  return {};
}

Result<void> copy_secret_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  auto content = read_secret_file(from.string());
  if (!content) return tl::unexpected(std::move(content.error()));
  // Beside it first: a crash leaves the key that was there before, or this one, and never half of it.
  const auto beside = to.string() + ".new";
  ::unlink(beside.c_str());
  const Descriptor file(::open(beside.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  const bool written = file.get() >= 0 &&
                       ::write(file.get(), content->data(), content->size()) == static_cast<ssize_t>(content->size()) &&
                       ::fsync(file.get()) == 0 && ::rename(beside.c_str(), to.c_str()) == 0;
  ::explicit_bzero(content->data(), content->size());
  if (!written) return file_failed("writing", to);
  return {};
}

}  // namespace holdfast
