#include "storage/rocks_store.hpp"

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/listener.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "storage/background.hpp"
#include "storage/backup.hpp"
#include "storage/disk_space.hpp"
#include "storage/fault_file_system.hpp"
#include "storage/rocks_errors.hpp"
#include "storage/rocks_options.hpp"
#include "storage/rocks_stats.hpp"
#include "storage/table_file_system.hpp"
#include "storage/wal_file_system.hpp"
#include "storage/wal_repair.hpp"

namespace holdfast {
namespace {

using Handles = std::array<rocksdb::ColumnFamilyHandle*, kFamilies>;

constexpr std::size_t kBatchReserveBytes = std::size_t{256} << 10;

std::size_t at(Family family) { return static_cast<std::size_t>(family); }

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// The statuses of the single operations cannot fail: there is no size limit and no savepoint.
void append_op(rocksdb::WriteBatch& batch, rocksdb::ColumnFamilyHandle* family, const WriteOp& op) {
  switch (op.kind) {
    case WriteOp::Kind::put: batch.Put(family, op.key, op.value).PermitUncheckedError(); return;
    case WriteOp::Kind::erase: batch.Delete(family, op.key).PermitUncheckedError(); return;
    case WriteOp::Kind::erase_range:
      // RocksDB refuses a whole batch for a range that ends before it begins; an empty one needs no row.
      if (op.key < op.value) batch.DeleteRange(family, op.key, op.value).PermitUncheckedError();
      return;
  }
}

class RocksBatch final : public Batch {
 public:
  explicit RocksBatch(const Handles& families) : families_(families), batch_(kBatchReserveBytes) {}

  void append(const WriteSet& writes) override {
    for (const WriteOp& op : writes.ops) append_op(batch_, families_[at(op.family)], op);
  }
  void clear() noexcept override { batch_.Clear(); }
  [[nodiscard]] std::size_t bytes() const noexcept override { return empty() ? 0 : batch_.GetDataSize(); }
  [[nodiscard]] bool empty() const noexcept override { return batch_.Count() == 0; }
  [[nodiscard]] rocksdb::WriteBatch& raw() noexcept { return batch_; }

 private:
  const Handles& families_;
  rocksdb::WriteBatch batch_;
};

rocksdb::WriteOptions write_options(Durability durability) {
  rocksdb::WriteOptions options;
  options.sync = durability == Durability::synced;
  options.disableWAL = false;
  return options;
}

// RocksDB counts for each thread what it does, and nobody here reads that.
void count_nothing() {
  thread_local const bool kSet = (rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable), true);
  (void)kSet;
}

using VisitPair = std::function<Visit(std::string_view key, std::string_view value)>;

// Without a snapshot both read the store as it is now; a scan sees it as of its creation.
Result<std::optional<std::string>> get_from(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, std::string_view key,
                                            const rocksdb::Snapshot* snapshot) {
  count_nothing();
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  rocksdb::PinnableSlice value;
  const auto status = db.Get(options, family, slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return read_failed(status);
  return std::optional<std::string>(view(value));
}

Result<void> scan_of(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, const Range& range, const VisitPair& visit,
                     const rocksdb::Snapshot* snapshot) {
  if (!range.to.empty() && range.from >= range.to) return {};
  const rocksdb::Slice from(range.from);
  const rocksdb::Slice to(range.to);
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  options.iterate_lower_bound = &from;
  if (!range.to.empty()) options.iterate_upper_bound = &to;

  const std::unique_ptr<rocksdb::Iterator> rows(db.NewIterator(options, family));
  const bool ascending = range.order == Range::Order::ascending;
  ascending ? rows->SeekToFirst() : rows->SeekToLast();
  while (rows->Valid()) {
    if (visit(view(rows->key()), view(rows->value())) == Visit::stop) return {};
    ascending ? rows->Next() : rows->Prev();
  }
  if (const auto status = rows->status(); !status.ok()) return read_failed(status);
  return {};
}

class RocksSnapshot final : public Readable {
 public:
  RocksSnapshot(rocksdb::DB& db, const Handles& families) : db_(db), families_(families), snapshot_(db.GetSnapshot()) {}
  ~RocksSnapshot() override { db_.ReleaseSnapshot(snapshot_); }
  RocksSnapshot(const RocksSnapshot&) = delete;
  RocksSnapshot& operator=(const RocksSnapshot&) = delete;

  [[nodiscard]] Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    return get_from(db_, families_[at(family)], key, snapshot_);
  }
  [[nodiscard]] Result<void> scan(Family family, const Range& range, const VisitPair& visit) const override {
    return scan_of(db_, families_[at(family)], range, visit, snapshot_);
  }

 private:
  rocksdb::DB& db_;
  const Handles& families_;
  const rocksdb::Snapshot* snapshot_;
};

std::vector<rocksdb::ColumnFamilyDescriptor> describe_families(const StoreMemory& memory) {
  // RocksDB insists on a family of this name; it stays empty.
  std::vector<rocksdb::ColumnFamilyDescriptor> families{{rocksdb::kDefaultColumnFamilyName, {}}};
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    families.emplace_back(std::string(name_of(family)), family_options(family, memory));
  }
  return families;
}

// The faults lie under the log's file system, so that they hit what that does.
std::shared_ptr<WalFileSystem> make_file_system(const std::filesystem::path& directory, const RocksOpening& opening) {
  auto files = rocksdb::FileSystem::Default();
  if (opening.faults != nullptr) files = std::make_shared<FaultFileSystem>(files, *opening.faults);
  files = std::make_shared<TableFileSystem>(files);
  return std::make_shared<WalFileSystem>(files, directory.string(), opening.recovery);
}

// On RocksDB's own threads. Hears that it gave up a flush or a compaction for want of space: until it is told to resume
// it does none, and after a flush it writes nothing either.
class BackgroundWork final : public rocksdb::EventListener {
 public:
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { give_way_to_commits(); }
  void OnCompactionBegin(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override { give_way_to_commits(); }
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* error) override {
    if (error->IsNoSpace()) stop();
  }
  // RocksDB looks for space again every five seconds, and until then no one else may make it resume: tend() is sooner.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* by_itself) override {
    *by_itself = false;
  }
  void stop() noexcept { stopped_.store(true, std::memory_order_release); }
  [[nodiscard]] bool stopped() const noexcept { return stopped_.load(std::memory_order_acquire); }
  void resumed() noexcept { stopped_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> stopped_{false};
};

// While it lives, no file of the database is deleted.
class FilesKept {
 public:
  explicit FilesKept(rocksdb::DB& db) : db_(db), kept_(db.DisableFileDeletions().ok()) {}
  ~FilesKept() {
    constexpr bool kForce = false;  // others may keep them, too
    if (kept_) db_.EnableFileDeletions(kForce).PermitUncheckedError();
  }
  FilesKept(const FilesKept&) = delete;
  FilesKept& operator=(const FilesKept&) = delete;

 private:
  rocksdb::DB& db_;
  const bool kept_;
};

// Without an answer a write is begun, and finds out itself.
std::uint64_t ask_free_bytes(rocksdb::FileSystem& files, const std::filesystem::path& directory) {
  std::uint64_t bytes = 0;
  return files.GetFreeSpace(directory.string(), {}, &bytes, nullptr).ok() ? bytes : UINT64_MAX;
}

}  // namespace

class RocksStore::Impl {
 public:
  Impl(std::filesystem::path place, const RocksOpening& opening)
      : directory(std::move(place)),
        files(make_file_system(directory, opening)),
        env(rocksdb::NewCompositeEnv(files)) {}

  rocksdb::Status open() {
    const StoreMemory memory;
    auto options = database_options(memory);
    options.env = env.get();
    options.listeners.push_back(background);
    rocksdb::DB* opened = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    auto status = rocksdb::DB::Open(options, directory.string(), describe_families(memory), &handles, &opened);
    if (!status.ok()) return status;
    db.reset(opened);
    default_family = handles.front();
    std::copy(handles.begin() + 1, handles.end(), families.begin());
    remove_gone(*files, directory.string());
    return status;
  }
  ~Impl() {
    if (!db) return;
    for (auto* handle : families) destroy(handle);
    destroy(default_family);
    db->Close().PermitUncheckedError();  // the log has every acknowledged row; there is nothing left to fail
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const std::filesystem::path directory;
  const std::shared_ptr<WalFileSystem> files;
  const std::unique_ptr<rocksdb::Env> env;  // outlives the database
  const std::shared_ptr<BackgroundWork> background = std::make_shared<BackgroundWork>();
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle* default_family = nullptr;
  Handles families{};
  DiskSpace space{[this] { return ask_free_bytes(*files, directory); }};
  std::atomic<bool> beyond_help{false};  // there is space, and RocksDB does not take up again what it gave up

 private:
  void destroy(rocksdb::ColumnFamilyHandle* handle) { db->DestroyColumnFamilyHandle(handle).PermitUncheckedError(); }
};

RocksStore::RocksStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksStore::~RocksStore() = default;

Result<std::unique_ptr<RocksStore>> RocksStore::open(const std::filesystem::path& directory, Logger& logger,
                                                     RocksOpening opening) {
  if (!opening.recovery) opening.recovery = std::make_shared<Recovery>();  // nobody looks
  auto& recovery = *opening.recovery;
  recovery.phase = Recovery::Phase::checking_log;
  if (auto repaired = repair_wals(directory, logger); !repaired) return tl::unexpected(repaired.error());
  recovery.log_bytes = log_bytes(directory);
  recovery.phase = Recovery::Phase::replaying;
  auto impl = std::make_unique<Impl>(directory, opening);
  if (const auto status = impl->open(); !status.ok()) return open_failed(status, directory);
  logger.debug("store opened in {}", directory.string());
  return std::unique_ptr<RocksStore>(new RocksStore(std::move(impl)));
}

Result<std::optional<std::string>> RocksStore::get(Family family, std::string_view key) const {
  return get_from(*impl_->db, impl_->families[at(family)], key, nullptr);
}

Result<void> RocksStore::scan(Family family, const Range& range, const VisitPair& visit) const {
  return scan_of(*impl_->db, impl_->families[at(family)], range, visit, nullptr);
}

std::unique_ptr<Readable> RocksStore::snapshot() const {
  return std::make_unique<RocksSnapshot>(*impl_->db, impl_->families);
}

std::unique_ptr<Batch> RocksStore::make_batch() const { return std::make_unique<RocksBatch>(impl_->families); }

Result<void> RocksStore::write(Batch& batch, Durability durability) {
  count_nothing();
  if (!impl_->space.take(batch.bytes(), kSpareBytes)) return no_room(impl_->directory);
  impl_->files->expect(durability);
  const auto appends = impl_->files->appends();
  const auto status = impl_->db->Write(write_options(durability), &static_cast<RocksBatch&>(batch).raw());
  if (status.ok()) return {};
  // RocksDB stopped writing before this batch: not a byte of it is in the log.
  const bool begun = impl_->files->appends() != appends;
  if (!begun && status.IsNoSpace() && !impl_->beyond_help) return no_room(impl_->directory);
  return write_failed(status);
}

std::uint64_t RocksStore::free_bytes() const noexcept {
  return impl_->background->stopped() ? 0 : impl_->space.known();
}

void RocksStore::tend() {
  if (impl_->space.measure() < kSpareBytes || !impl_->background->stopped()) return;
  impl_->background->resumed();  // before it may stop again
  const auto status = impl_->db->Resume();
  if (status.ok()) return;
  impl_->background->stop();
  impl_->beyond_help = status.severity() >= rocksdb::Status::Severity::kFatalError;
}

Result<void> RocksStore::sync() {
  if (const auto status = impl_->db->SyncWAL(); !status.ok()) return write_failed(status);
  return {};
}

Result<void> RocksStore::compact(Family family, const Range& range) {
  // What is in tables of every family needs no log, so the log with the old rows goes too.
  const std::vector<rocksdb::ColumnFamilyHandle*> families(impl_->families.begin(), impl_->families.end());
  if (const auto status = impl_->db->Flush(rocksdb::FlushOptions(), families); !status.ok()) return read_failed(status);
  const rocksdb::Slice from(range.from);
  const rocksdb::Slice to(range.to);
  rocksdb::CompactRangeOptions options;
  // The last level too: an erased value must leave every file.
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  const auto status =
      impl_->db->CompactRange(options, impl_->families[at(family)], &from, range.to.empty() ? nullptr : &to);
  if (!status.ok()) return read_failed(status);
  return {};
}

StoreStats RocksStore::stats() const { return read_stats(*impl_->db, impl_->families, impl_->directory); }
Result<Backup> RocksStore::backup(const BackupTask& task) { return make_backup(*impl_->db, task); }

Result<void> RocksStore::verify_tables(const std::function<void(std::uint64_t, std::uint64_t)>& watch,
                                       const std::function<void(const std::string&)>& damaged) const {
  const FilesKept kept(*impl_->db);
  std::vector<rocksdb::LiveFileMetaData> tables;
  impl_->db->GetLiveFilesMetaData(&tables);
  std::uint64_t total = 0;
  std::uint64_t done = 0;
  for (const auto& table : tables) total += table.size;
  for (const auto& table : tables) {
    rocksdb::Options options;
    options.env = impl_->env.get();
    rocksdb::SstFileReader reader(options);
    const auto path = table.db_path + table.name;
    auto status = reader.Open(path);
    if (status.ok()) status = reader.VerifyChecksum();
    if (!status.ok()) damaged("the table " + path + " is damaged (" + status.ToString() + ")");
    done += table.size;
    if (watch) watch(done, total);
  }
  return {};
}

}  // namespace holdfast
