#include "storage/wal_file_system.hpp"

#include <atomic>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace holdfast {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr std::size_t kChunkBytes = std::size_t{256} << 10;
constexpr std::uint64_t kBusyBytes = std::uint64_t{4} << 20;  // a log that has got so far will need a successor
constexpr std::string_view kWalSuffix = ".log";

using Size = std::atomic<std::uint64_t>;

}  // namespace

// The logs that are open, by path.
class WalFileSystem::OpenLogs {
 public:
  void add(const std::string& path, const Size& size) {
    const std::lock_guard lock(mutex_);
    sizes_[path] = &size;
  }
  void remove(const std::string& path, const Size& size) {
    const std::lock_guard lock(mutex_);
    const auto found = sizes_.find(path);
    if (found != sizes_.end() && found->second == &size) sizes_.erase(found);
  }
  [[nodiscard]] std::optional<std::uint64_t> size_of(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto found = sizes_.find(path);
    if (found == sizes_.end()) return std::nullopt;
    return found->second->load();
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, const Size*> sizes_;
};

namespace {

// Not a wrapper: RocksDB's own preallocation (PrepareWrite) must not reach the target.
template <class OpenLogs>
class WalFile final : public rocksdb::FSWritableFile {
 public:
  WalFile(std::string path, std::unique_ptr<rocksdb::FSWritableFile> target, std::atomic<std::uint64_t>& appends,
          const std::atomic<Durability>& expected, std::shared_ptr<OpenLogs> open, std::shared_ptr<SpareLog> spare,
          std::uint64_t allocated)
      : path_(std::move(path)),
        target_(std::move(target)),
        appends_(appends),
        expected_(expected),
        open_(std::move(open)),
        spare_(std::move(spare)),
        allocated_(allocated) {
    open_->add(path_, size_);
  }
  ~WalFile() override { close_file({}, nullptr).PermitUncheckedError(); }

  using rocksdb::FSWritableFile::Append;
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options, IODebugContext* debug) override {
    appends_.fetch_add(1, std::memory_order_relaxed);
    grow_ahead(data.size(), options, debug);
    auto appended = target_->Append(data, options, debug);
    if (appended.ok()) size_ += data.size();
    return appended;
  }

  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }  // nothing is buffered here

  // fdatasync also writes the metadata that reading the data needs, so it covers a size that just grew.
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const std::uint64_t end = size_;
    auto synced = target_->Sync(options, debug);
    if (synced.ok()) synced_ = end;
    return synced;
  }

  bool IsSyncThreadSafe() const override { return true; }  // SyncWAL may run beside an append

  IOStatus Close(const IOOptions& options, IODebugContext* debug) override { return close_file(options, debug); }

  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  void grow_ahead(std::size_t bytes, const IOOptions& options, IODebugContext* debug) {
    const bool every_append_is_synced =
        size_ > 0 && synced_ == size_ && expected_.load(std::memory_order_relaxed) == Durability::synced;
    if (size_ > kBusyBytes && every_append_is_synced && !std::exchange(wanted_, true)) spare_->want();
    if (size_ + bytes <= allocated_ || !every_append_is_synced || !may_grow_) return;
    // Written, not reserved: the first write into a block that is only reserved changes the file's metadata, as an
    // append does. Without space for it the log is a plain file.
    static const std::string zeros(kChunkBytes, '\0');
    const std::uint64_t from = size_ + bytes;
    allocated_ = from + kChunkBytes;
    may_grow_ = target_->PositionedAppend(zeros, from, options, debug).ok();
  }

  IOStatus close_file(const IOOptions& options, IODebugContext* debug) {
    if (std::exchange(closed_, true)) return IOStatus::OK();
    IOStatus cut = allocated_ > size_ ? cut_in_steps(*target_, allocated_, size_, options, debug) : IOStatus::OK();
    IOStatus closed = target_->Close(options, debug);
    open_->remove(path_, size_);
    return cut.ok() ? closed : cut;
  }

  const std::string path_;
  const std::unique_ptr<rocksdb::FSWritableFile> target_;
  std::atomic<std::uint64_t>& appends_;
  const std::atomic<Durability>& expected_;
  const std::shared_ptr<OpenLogs> open_;
  const std::shared_ptr<SpareLog> spare_;
  Size size_{0};                 // end of the content
  Size synced_{0};               // end of the content at the last sync
  std::uint64_t allocated_ = 0;  // end of the file, when that is ahead of the content
  bool may_grow_ = true;
  bool wanted_ = false;  // the next spare
  bool closed_ = false;
};

// Counts what is read of a log.
class CountedLog final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  CountedLog(std::unique_ptr<rocksdb::FSSequentialFile> file, std::shared_ptr<Recovery> recovery)
      : FSSequentialFileOwnerWrapper(std::move(file)), recovery_(std::move(recovery)) {}
  IOStatus Read(std::size_t bytes, const IOOptions& options, rocksdb::Slice* result, char* scratch,
                IODebugContext* debug) override {
    auto status = FSSequentialFileOwnerWrapper::Read(bytes, options, result, scratch, debug);
    recovery_->log_bytes_read.fetch_add(result->size(), std::memory_order_relaxed);
    return status;
  }

 private:
  const std::shared_ptr<Recovery> recovery_;
};

bool is_wal(std::string_view path) { return path.ends_with(kWalSuffix); }

}  // namespace

WalFileSystem::WalFileSystem(const std::shared_ptr<rocksdb::FileSystem>& target, const std::string& directory,
                             std::shared_ptr<Recovery> recovery)
    : FileSystemWrapper(target),
      recovery_(std::move(recovery)),
      open_(std::make_shared<OpenLogs>()),
      spare_(std::make_shared<SpareLog>(target, directory)) {}

WalFileSystem::~WalFileSystem() = default;

IOStatus WalFileSystem::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  if (!is_wal(path)) return target()->NewWritableFile(path, options, file, debug);
  std::uint64_t allocated = SpareLog::kBytes;
  if (*file = spare_->take(path, options, debug); !*file) {
    allocated = 0;
    if (auto created = target()->NewWritableFile(path, options, file, debug); !created.ok()) return created;
  }
  *file = std::make_unique<WalFile<OpenLogs>>(path, std::move(*file), appends_, expected_, open_, spare_, allocated);
  return IOStatus::OK();
}

IOStatus WalFileSystem::NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSSequentialFile>* file, IODebugContext* debug) {
  auto status = target()->NewSequentialFile(path, options, file, debug);
  if (status.ok() && recovery_ && is_wal(path)) *file = std::make_unique<CountedLog>(std::move(*file), recovery_);
  return status;
}

IOStatus WalFileSystem::GetFileSize(const std::string& path, const IOOptions& options, std::uint64_t* size,
                                    IODebugContext* debug) {
  if (const auto open = open_->size_of(path)) {
    *size = *open;
    return IOStatus::OK();
  }
  return target()->GetFileSize(path, options, size, debug);
}

}  // namespace holdfast
