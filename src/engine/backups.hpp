// Backups: the one backup that an engine makes at a time, and where it stands.
//
// It runs on a thread of its own, or on the caller's; the store copies itself while it is used. Concurrency: any
// thread.
#pragma once

#include <atomic>
#include <holdfast/backup.hpp>
#include <mutex>
#include <thread>

#include "src/core/clock.hpp"
#include "src/core/log.hpp"
#include "storage/store.hpp"

namespace holdfast {

class Backups {
 public:
  Backups(Store& store, std::string store_id, const Clock& clock, Logger& logger, std::filesystem::path master_key_file)
      : store_(store),
        store_id_(std::move(store_id)),
        clock_(clock),
        logger_(logger),
        master_key_file_(std::move(master_key_file)) {}
  ~Backups() { stop(); }
  Backups(const Backups&) = delete;
  Backups& operator=(const Backups&) = delete;

  // Errors: conflict (one is under way), shutting_down; start: overloaded (no thread for it), and then it has failed.
  [[nodiscard]] Result<BackupStatus> start(BackupRequest request);
  [[nodiscard]] Result<Backup> make(const BackupRequest& request);
  [[nodiscard]] BackupStatus status() const;
  // The one that is under way ends soon, and its thread with it; no other begins.
  void stop();

 private:
  [[nodiscard]] Result<void> begin(const BackupRequest& request);
  Result<Backup> run(const BackupRequest& request);

  Store& store_;
  const std::string store_id_;
  const Clock& clock_;
  Logger& logger_;
  const std::filesystem::path master_key_file_;
  mutable std::mutex mutex_;
  BackupStatus status_;
  std::thread thread_;
  std::atomic<bool> stopped_{false};
};

}  // namespace holdfast
