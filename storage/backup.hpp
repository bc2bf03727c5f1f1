// Backups of a RocksStore: make, list, verify, restore. On RocksDB's BackupEngine; docs/adr/0006-backups.md says why.
//
// What: a directory holds many backups. Tables never change, so backups share them; a new one adds what the directory
// lacks, the manifest, and the log's few records that came while it was made. Each file has its checksum in the
// backup's description, which is written last and renamed into place: a backup is there whole, or not at all.
//
// Operation: the memtables are flushed first, so that what is copied is tables, which the next backup shares; writers
// go on meanwhile. The log is copied up to its content (storage/wal_file_system.hpp). All files of the new backup are
// then read back, the shared ones too: rot is found on the night it happens, not on the day of the restore. What an
// interrupted backup left is removed by the next one.
//
// A restore is made in a folder of its target, and moved up when it was read back and opened. While that folder is
// there the store is not opened: a restore that was interrupted is begun anew, never taken for a store.
//
// Concurrency: from any thread, beside a store that is written. The directory is locked: one backup at a time, and no
// backup while somebody verifies or restores. Limits: memory by the number of files, not by their size.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <holdfast/backup.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/log.hpp"

namespace rocksdb {
class DB;
}

namespace holdfast {

// How far it is, from the thread that works. `total` is a good guess while files are copied.
using BackupWatch = std::function<void(BackupStatus::State state, std::uint64_t done, std::uint64_t total)>;

struct BackupTask {
  BackupRequest request;
  std::filesystem::path master_key_file;  // for MasterKey::copy
  std::string store;                      // its id
  Time now = 0;
  BackupWatch watch;
  const std::atomic<bool>* stop = nullptr;  // set: give up soon
};

inline constexpr std::string_view kMasterKeyFile = "master.key";
inline constexpr std::string_view kRestoring = ".restoring";  // in a data directory: the restore is not done

// Errors: invalid_request (the directory is not one for backups of this store), conflict (it is being used),
// insufficient_storage, shutting_down (stopped), internal; the earlier backups are as they were.
[[nodiscard]] Result<Backup> make_backup(rocksdb::DB& db, const BackupTask& task);

// Oldest first. Errors: invalid_request (no backups there), internal.
[[nodiscard]] Result<std::vector<Backup>> list_backups(const std::filesystem::path& directory);

// Reads every file of the backup and compares its checksum. Errors: internal, with the file that is damaged.
[[nodiscard]] Result<void> verify_backup(const std::filesystem::path& directory, std::uint64_t id,
                                         const BackupWatch& watch);

// Makes the store in `data`, which is not there or empty. Errors: invalid_request (there is something in it), internal.
[[nodiscard]] Result<void> restore_backup(const std::filesystem::path& directory, const Backup& backup,
                                          const std::filesystem::path& data, const BackupWatch& watch, Logger& logger);

}  // namespace holdfast
