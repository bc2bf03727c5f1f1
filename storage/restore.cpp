// Restoring a backup: in a folder of the target, which may be a mount point; read back, opened, moved into place.
#include "storage/backup_directory.hpp"
#include "storage/open.hpp"
#include "storage/rocks_store.hpp"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

tl::unexpected<Error> cannot(std::string_view doing, const fs::path& path, const std::error_code& error) {
  return fail(ErrorCode::internal, std::string(doing) + " " + path.string() + " failed: " + error.message() +
                                       ". Check its permissions, the disk and the free space.");
}

Result<void> refuse_content(const fs::path& data) {
  std::error_code error;
  if (!fs::exists(data, error) || fs::is_empty(data, error) || fs::exists(data / kRestoring, error)) return {};
  return fail(ErrorCode::invalid_request,
              data.string() +
                  " is not empty; nothing was changed. A store is never overwritten: restore into a directory that is "
                  "empty or not there yet");
}

// Leaves nothing in `data` but an empty place to work in: what else is there is of a restore that was interrupted.
Result<void> clear(const fs::path& data) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(data, error)) {
    if (entry.path().filename() != kRestoring) fs::remove_all(entry.path(), error);
  }
  if (!error) {
    for (const auto& entry : fs::directory_iterator(data / kRestoring, error)) fs::remove_all(entry.path(), error);
  }
  if (error) return cannot("emptying", data, error);
  return {};
}

Result<void> sync_all(const fs::path& staging) {
  for (const auto& entry : fs::directory_iterator(staging)) {
    if (auto ok = sync_path(entry.path()); !ok) return ok;
  }
  return sync_path(staging);
}

// Into place; while the place to work in is there, nobody opens the store (open_rocks).
Result<void> move_up(const fs::path& data) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(data / kRestoring, error)) {
    fs::rename(entry.path(), data / entry.path().filename(), error);
    if (error) break;
  }
  if (error) return cannot("filling", data, error);
  if (auto ok = sync_path(data); !ok) return ok;
  fs::remove(data / kRestoring, error);
  if (error) return cannot("emptying", data / kRestoring, error);
  return sync_path(data);
}

// Opens it as a server would, and reads every table.
Result<void> try_out(const fs::path& staging, const Backup& backup, const BackupWatch& watch, Logger& logger) {
  auto store = RocksStore::open(staging, logger);
  if (!store) return tl::unexpected(std::move(store.error()));
  const auto identity = store_id(**store);
  if (!identity) return tl::unexpected(identity.error());
  if (*identity != backup.store) {
    return fail(ErrorCode::internal, "the backup says that it is of store " + backup.store + ", and holds " +
                                         *identity + ". It was not restored; try an earlier one.");
  }
  std::string damage;
  const auto looked = (*store)->verify_tables(
      [&](std::uint64_t done, std::uint64_t total) {
        if (watch) watch(BackupStatus::State::verifying, done, total);
      },
      [&](const std::string& what) { damage = what; });
  if (!looked) return looked;
  if (!damage.empty()) {
    return fail(ErrorCode::internal, "what was restored does not read back: " + damage +
                                         ". Check the disk of the target, or try an earlier backup.");
  }
  return {};
}

}  // namespace

Result<void> restore_backup(const fs::path& directory, const Backup& backup, const fs::path& data,
                            const BackupWatch& watch, Logger& logger) {
  if (auto ok = refuse_content(data); !ok) return ok;
  Meter meter(watch, nullptr);
  auto reader = BackupReader::open(directory, meter);
  if (!reader) return tl::unexpected(reader.error());
  const auto staging = data / kRestoring;
  std::error_code error;
  fs::create_directories(staging, error);
  if (!error) fs::permissions(data, fs::perms::owner_all, error);
  if (error) return cannot("making", staging, error);
  const auto lock = DirectoryLock::take(staging, DirectoryLock::Kind::exclusive);
  if (!lock) return tl::unexpected(lock.error());
  if (auto ok = clear(data); !ok) return ok;

  meter.begin(BackupStatus::State::copying, backup.bytes);
  const auto status = (*reader)->engine().RestoreDBFromBackup(static_cast<rocksdb::BackupID>(backup.id),
                                                              staging.string(), staging.string());
  Result<void> ok;
  if (!status.ok()) ok = backup_failed(status, directory, "restoring backup " + std::to_string(backup.id));
  if (ok && fs::exists(directory / kMasterKeyFile, error))
    ok = copy_secret_file(directory / kMasterKeyFile, staging / kMasterKeyFile);
  if (ok) ok = try_out(staging, backup, watch, logger);
  if (ok) ok = sync_all(staging);
  if (ok) return move_up(data);
  reader->reset();  // after a failure its threads may still be writing
  fs::remove_all(staging, error);
  return ok;
}

}  // namespace holdfast
