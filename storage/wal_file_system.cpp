#include "storage/wal_file_system.hpp"

#include <atomic>
#include <string_view>
#include <utility>

namespace holdfast {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr std::uint64_t kChunkBytes = std::uint64_t{16} << 20;
constexpr std::string_view kWalSuffix = ".log";

// Not a wrapper: RocksDB's own preallocation (PrepareWrite) must not reach the target.
class WalFile final : public rocksdb::FSWritableFile {
 public:
  explicit WalFile(std::unique_ptr<rocksdb::FSWritableFile> target) : target_(std::move(target)) {}
  ~WalFile() override { close_file({}, nullptr).PermitUncheckedError(); }

  using rocksdb::FSWritableFile::Append;
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options, IODebugContext* debug) override {
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
    const bool every_append_is_synced = size_ > 0 && synced_ == size_;
    if (size_ + bytes <= allocated_ || !every_append_is_synced || !may_grow_) return;
    const std::uint64_t end = size_ + bytes + kChunkBytes;
    // Without the space or the file system's support the log is a plain file.
    may_grow_ = target_->Allocate(size_, end - size_, options, debug).ok();
    if (may_grow_) allocated_ = end;
  }

  IOStatus close_file(const IOOptions& options, IODebugContext* debug) {
    if (std::exchange(closed_, true)) return IOStatus::OK();
    IOStatus cut = allocated_ > size_ ? target_->Truncate(size_, options, debug) : IOStatus::OK();
    IOStatus closed = target_->Close(options, debug);
    return cut.ok() ? closed : cut;
  }

  const std::unique_ptr<rocksdb::FSWritableFile> target_;
  std::atomic<std::uint64_t> size_{0};    // end of the content
  std::atomic<std::uint64_t> synced_{0};  // end of the content at the last sync
  std::uint64_t allocated_ = 0;           // end of the file, when that is ahead of the content
  bool may_grow_ = true;
  bool closed_ = false;
};

bool is_wal(std::string_view path) { return path.ends_with(kWalSuffix); }

}  // namespace

IOStatus WalFileSystem::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  if (!is_wal(path)) return target()->NewWritableFile(path, options, file, debug);
  rocksdb::FileOptions grows = options;
  grows.allow_fallocate = true;
  grows.fallocate_with_keep_size = false;  // the size is what is to be there ahead
  auto created = target()->NewWritableFile(path, grows, file, debug);
  if (created.ok()) *file = std::make_unique<WalFile>(std::move(*file));
  return created;
}

}  // namespace holdfast
