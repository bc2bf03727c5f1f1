#include "storage/wal_file_system.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
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

constexpr std::uint64_t kChunkBytes = std::uint64_t{16} << 20;
constexpr std::string_view kWalSuffix = ".log";

IOStatus failed(std::string_view doing, const std::string& path) {
  const std::string what = std::string("While ").append(doing).append(": ").append(path);
  return errno == ENOSPC ? IOStatus::NoSpace(what, std::strerror(errno))
                         : IOStatus::IOError(what, std::strerror(errno));
}

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

template <class OpenLogs>
class WalFile final : public rocksdb::FSWritableFile {
 public:
  WalFile(std::string path, int fd, std::shared_ptr<OpenLogs> open)
      : path_(std::move(path)), fd_(fd), open_(std::move(open)) {
    open_->add(path_, size_);
  }
  ~WalFile() override { close_file().PermitUncheckedError(); }

  using rocksdb::FSWritableFile::Append;
  IOStatus Append(const rocksdb::Slice& data, const IOOptions&, IODebugContext*) override {
    grow_ahead(data.size());
    std::string_view rest(data.data(), data.size());
    while (!rest.empty()) {
      const ssize_t written = ::pwrite(fd_, rest.data(), rest.size(), static_cast<off_t>(size_));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("writing the log", path_);
      size_ += static_cast<std::uint64_t>(written);
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    return IOStatus::OK();
  }

  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }  // nothing is buffered here

  // fdatasync also writes the metadata that reading the data needs, so it covers a size that just grew.
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    const std::uint64_t end = size_;
    if (::fdatasync(fd_) != 0) return failed("syncing the log", path_);
    synced_ = end;
    return IOStatus::OK();
  }

  bool IsSyncThreadSafe() const override { return true; }  // SyncWAL may run beside an append

  IOStatus Close(const IOOptions&, IODebugContext*) override { return close_file(); }

  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  void grow_ahead(std::size_t bytes) {
    const bool every_append_is_synced = size_ > 0 && synced_ == size_;
    if (size_ + bytes <= allocated_ || !every_append_is_synced || !may_grow_) return;
    const std::uint64_t end = size_ + bytes + kChunkBytes;
    // Without the space or the file system's support the log is a plain file.
    may_grow_ = ::fallocate(fd_, 0, static_cast<off_t>(size_), static_cast<off_t>(end - size_)) == 0;
    if (may_grow_) allocated_ = end;
  }

  IOStatus close_file() {
    if (fd_ < 0) return IOStatus::OK();
    open_->remove(path_, size_);
    const bool cut = allocated_ <= size_ || ::ftruncate(fd_, static_cast<off_t>(size_)) == 0;
    IOStatus status = cut ? IOStatus::OK() : failed("cutting the log", path_);
    if (::close(std::exchange(fd_, -1)) != 0 && status.ok()) status = failed("closing the log", path_);
    return status;
  }

  const std::string path_;
  int fd_;
  const std::shared_ptr<OpenLogs> open_;
  Size size_{0};                 // end of the content
  Size synced_{0};               // end of the content at the last sync
  std::uint64_t allocated_ = 0;  // end of the file, when that is ahead of the content
  bool may_grow_ = true;
};

bool is_wal(std::string_view path) { return path.ends_with(kWalSuffix); }

}  // namespace

WalFileSystem::WalFileSystem(const std::shared_ptr<rocksdb::FileSystem>& target)
    : FileSystemWrapper(target), open_(std::make_shared<OpenLogs>()) {}

WalFileSystem::~WalFileSystem() = default;

IOStatus WalFileSystem::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  if (!is_wal(path)) return target()->NewWritableFile(path, options, file, debug);
  const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0) return failed("creating the log", path);
  *file = std::make_unique<WalFile<OpenLogs>>(path, fd, open_);
  return IOStatus::OK();
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
