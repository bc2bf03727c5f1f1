#include "storage/backup.hpp"

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <set>
#include <utility>

#include "src/core/json.hpp"
#include "storage/backup_directory.hpp"
#include "storage/open.hpp"

namespace holdfast {
namespace {

using State = BackupStatus::State;

Result<void> prepare(const std::filesystem::path& directory) {
  std::error_code error;
  const bool created = std::filesystem::create_directories(directory, error);
  if (!error && created) std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  if (error) {
    return fail(ErrorCode::invalid_request, "the directory " + directory.string() + " cannot be made: " +
                                                error.message() + "; choose another one, or correct its permissions");
  }
  if (!holds_backups(directory) && !std::filesystem::is_empty(directory, error)) {
    return fail(ErrorCode::invalid_request,
                directory.string() + " holds other files than backups; nothing was written, choose an empty directory");
  }
  return {};
}

// The bytes of the store's tables that no backup has yet. By number and size: good enough for a progress bar.
std::uint64_t new_table_bytes(rocksdb::DB& db, const std::vector<rocksdb::BackupInfo>& backups) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> known;
  if (!backups.empty()) {
    for (const auto& file : backups.back().file_details) {
      const auto name = std::filesystem::path(file.relative_filename).filename().string();
      known.emplace(std::strtoull(name.c_str(), nullptr, 10), file.size);
    }
  }
  std::vector<rocksdb::LiveFileMetaData> tables;
  db.GetLiveFilesMetaData(&tables);
  std::uint64_t bytes = 0;
  for (const auto& table : tables) {
    if (known.count({std::strtoull(table.name.c_str() + 1, nullptr, 10), table.size}) == 0) bytes += table.size;
  }
  return bytes;
}

class Writer {
 public:
  Writer(rocksdb::DB& db, const BackupTask& task) : db_(db), task_(task), meter_(task.watch, task.stop) {}

  Result<Backup> run() {
    const auto& directory = task_.request.directory;
    if (auto ok = prepare(directory); !ok) return tl::unexpected(std::move(ok.error()));
    auto lock = DirectoryLock::take(directory, DirectoryLock::Kind::exclusive);
    if (!lock) return tl::unexpected(lock.error());
    lock_.emplace(std::move(*lock));
    if (auto ok = open(); !ok) return tl::unexpected(std::move(ok.error()));
    auto backup = copy();
    if (!backup) return backup;
    if (auto ok = read_back(*backup); !ok) return tl::unexpected(std::move(ok.error()));
    if (task_.request.master_key == BackupRequest::MasterKey::copy) {
      auto copied = copy_secret_file(task_.master_key_file, directory / kMasterKeyFile);
      if (copied) copied = sync_path(directory);
      if (!copied) return tl::unexpected(std::move(copied.error()));
    }
    if (task_.request.keep != 0) {
      if (const auto status = engine_->PurgeOldBackups(task_.request.keep); !status.ok())
        return backup_failed(status, directory, "removing old backups");
    }
    return backup;
  }

 private:
  Result<void> open() {
    const auto& directory = task_.request.directory;
    env_ = metered(meter_);
    rocksdb::BackupEngine* engine = nullptr;
    auto status = rocksdb::BackupEngine::Open(rocksdb::BackupEngineOptions(directory.string(), env_.get()),
                                              rocksdb::Env::Default(), &engine);
    engine_.reset(engine);
    if (status.ok()) status = engine_->GarbageCollect();  // what an interrupted backup left
    if (!status.ok()) return backup_failed(status, directory, "opening the backups");
    engine_->GetBackupInfo(&earlier_, true);
    for (const auto& backup : earlier_) {
      if (const auto store = describe(backup).store; store != task_.store) {
        return fail(ErrorCode::invalid_request, directory.string() + " holds backups of another store (" + store +
                                                    "); nothing was written, choose another directory");
      }
    }
    return {};
  }

  Result<Backup> copy() {
    meter_.begin(State::copying, new_table_bytes(db_, earlier_));
    std::string metadata;
    json::ObjectWriter(metadata)
        .text("store", task_.store)
        .time("began_at", task_.now)
        .number("format", kFormatVersion)
        .end();
    rocksdb::CreateBackupOptions options;
    options.flush_before_backup = true;
    rocksdb::BackupID id = 0;
    const auto status = engine_->CreateNewBackupWithMetadata(options, &db_, metadata, &id);
    if (!status.ok()) return backup_failed(status, task_.request.directory, "the backup");
    rocksdb::BackupInfo info;
    if (const auto read = engine_->GetBackupInfo(id, &info); !read.ok())
      return backup_failed(read, task_.request.directory, "the backup");
    auto backup = describe(info);
    backup.new_bytes = meter_.done();
    return backup;
  }

  // A backup that does not read back as it was written is none.
  Result<void> read_back(const Backup& backup) {
    meter_.begin(State::verifying, backup.bytes);
    const auto id = static_cast<rocksdb::BackupID>(backup.id);
    const auto status = engine_->VerifyBackup(id, true);
    if (status.ok()) return {};
    engine_->DeleteBackup(id).PermitUncheckedError();  // the error that matters is the first
    return backup_failed(status, task_.request.directory, "reading the new backup back");
  }

  rocksdb::DB& db_;
  const BackupTask& task_;
  Meter meter_;
  std::optional<DirectoryLock> lock_;  // until the engine's threads have ended
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::BackupEngine> engine_;
  std::vector<rocksdb::BackupInfo> earlier_;
};

}  // namespace

Result<Backup> make_backup(rocksdb::DB& db, const BackupTask& task) { return Writer(db, task).run(); }

Result<std::vector<Backup>> list_backups(const std::filesystem::path& directory) {
  const BackupWatch nobody;
  Meter meter(nobody, nullptr);
  const auto reader = BackupReader::open(directory, meter);
  if (!reader) return tl::unexpected(reader.error());
  std::vector<rocksdb::BackupInfo> infos;
  (*reader)->engine().GetBackupInfo(&infos);
  std::vector<Backup> backups;
  for (const auto& info : infos) backups.push_back(describe(info));
  return backups;
}

Result<void> verify_backup(const std::filesystem::path& directory, std::uint64_t id, const BackupWatch& watch) {
  Meter meter(watch, nullptr);
  const auto reader = BackupReader::open(directory, meter);
  if (!reader) return tl::unexpected(reader.error());
  const auto number = static_cast<rocksdb::BackupID>(id);
  rocksdb::BackupInfo info;
  auto status = (*reader)->engine().GetBackupInfo(number, &info);
  meter.begin(State::verifying, info.size);
  if (status.ok()) status = (*reader)->engine().VerifyBackup(number, true);
  if (!status.ok()) return backup_failed(status, directory, "verifying backup " + std::to_string(id));
  return {};
}

std::string_view name_of(BackupStatus::State state) noexcept {
  switch (state) {
    case State::none: return "none";
    case State::copying: return "copying";
    case State::verifying: return "verifying";
    case State::done: return "done";
    case State::failed: return "failed";
  }
  return "none";
}

Json to_json(const Backup& backup) {
  Json out;
  json::ObjectWriter o(out);
  o.number("id", backup.id).time("began_at", backup.began_at).number("bytes", backup.bytes);
  if (backup.new_bytes != 0) o.number("new_bytes", backup.new_bytes);
  o.number("files", backup.files).text("store", backup.store).end();
  return out;
}

Json to_json(const BackupStatus& status) {
  Json out;
  json::ObjectWriter o(out);
  o.text("state", name_of(status.state));
  if (status.state == State::none) return o.end(), out;
  o.text("directory", status.directory.string()).time("began_at", status.began_at);
  o.number("done_bytes", status.done_bytes).number("total_bytes", status.total_bytes);
  if (status.backup) o.raw("backup", to_json(*status.backup));
  if (status.error) o.text("code", name_of(status.error->code)).text("detail", status.error->detail);
  o.end();
  return out;
}

}  // namespace holdfast
