// The directory of backups, locked and open: what making and restoring have in common.
#pragma once

#include <rocksdb/utilities/backup_engine.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>

#include "storage/backup.hpp"
#include "storage/store.hpp"

namespace holdfast {

// A lock on a directory, for as long as the object lives. It ends with the process.
class DirectoryLock {
 public:
  enum class Kind : std::uint8_t { shared, exclusive };
  // Errors: conflict (somebody else has it), internal.
  [[nodiscard]] static Result<DirectoryLock> take(const std::filesystem::path& directory, Kind kind);
  ~DirectoryLock();
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&&) = delete;

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

// Tells the watch how many bytes went by, and RocksDB when to stop.
class Meter {
 public:
  Meter(const BackupWatch& watch, const std::atomic<bool>* stop) : watch_(watch), stop_(stop) {}
  void begin(BackupStatus::State state, std::uint64_t total);
  Visit count(std::uint64_t bytes);
  [[nodiscard]] std::uint64_t done() const noexcept { return done_; }
  [[nodiscard]] bool stopped() const noexcept { return stop_ != nullptr && stop_->load(); }
  [[nodiscard]] BackupStatus::State state() const noexcept { return state_; }

 private:
  const BackupWatch& watch_;
  const std::atomic<bool>* stop_;
  BackupStatus::State state_ = BackupStatus::State::none;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

// Whether `directory` holds backups.
[[nodiscard]] bool holds_backups(const std::filesystem::path& directory);
[[nodiscard]] Backup describe(const rocksdb::BackupInfo& info);
[[nodiscard]] tl::unexpected<Error> backup_failed(const rocksdb::Status& status, const std::filesystem::path& directory,
                                                  std::string_view doing);

// A backup engine that reads. Errors: invalid_request, conflict, internal.
class BackupReader {
 public:
  [[nodiscard]] static Result<std::unique_ptr<BackupReader>> open(const std::filesystem::path& directory, Meter& meter);
  [[nodiscard]] rocksdb::BackupEngineReadOnly& engine() const noexcept { return *engine_; }

 private:
  explicit BackupReader(DirectoryLock lock) : lock_(std::move(lock)) {}
  DirectoryLock lock_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::BackupEngineReadOnly> engine_;
};

// An environment whose bytes `meter` counts.
[[nodiscard]] std::unique_ptr<rocksdb::Env> metered(Meter& meter);

// Copies a secret file, with mode 0600 and synced. Errors: internal, invalid_request.
[[nodiscard]] Result<void> copy_secret_file(const std::filesystem::path& from, const std::filesystem::path& to);
[[nodiscard]] Result<void> sync_path(const std::filesystem::path& path);

}  // namespace holdfast
