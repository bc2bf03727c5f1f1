#include "storage/fault_file_system.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace holdfast {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using Kind = FileOperation::Kind;
using Gate = std::shared_ptr<FaultGate>;

// As RocksDB makes them of the system's errors.
IOStatus error_of(FaultVerdict::Kind kind, std::string_view path) {
  const auto error = [&](IOStatus (*make)(const rocksdb::Slice&, const rocksdb::Slice&), int number) {
    return make("Injected at " + std::string(path), std::strerror(number));
  };
  IOStatus status;
  switch (kind) {
    case FaultVerdict::Kind::proceed: break;
    case FaultVerdict::Kind::no_space:
      status = error(&IOStatus::NoSpace, ENOSPC);
      status.SetRetryable(true);
      break;
    case FaultVerdict::Kind::interrupted:
      status = error(&IOStatus::IOError, EINTR);
      status.SetRetryable(true);
      break;
    case FaultVerdict::Kind::io_error:
    case FaultVerdict::Kind::crash: status = error(&IOStatus::IOError, EIO); break;
  }
  return status;
}

class SequentialFile final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  SequentialFile(std::unique_ptr<rocksdb::FSSequentialFile> file, std::string path, Gate gate)
      : FSSequentialFileOwnerWrapper(std::move(file)), path_(std::move(path)), gate_(std::move(gate)) {}

  IOStatus Read(std::size_t bytes, const IOOptions& options, rocksdb::Slice* result, char* scratch,
                IODebugContext* debug) override {
    auto passed = gate_->pass({.kind = Kind::read, .path = path_, .bytes = bytes});
    return passed.ok() ? target()->Read(bytes, options, result, scratch, debug) : passed;
  }

 private:
  const std::string path_;
  const Gate gate_;
};

// Reads of several places and asynchronous ones come one by one, by the base's own way.
class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  RandomAccessFile(std::unique_ptr<rocksdb::FSRandomAccessFile> file, std::string path, Gate gate)
      : file_(std::move(file)), path_(std::move(path)), gate_(std::move(gate)) {}

  IOStatus Read(std::uint64_t offset, std::size_t bytes, const IOOptions& options, rocksdb::Slice* result,
                char* scratch, IODebugContext* debug) const override {
    auto passed = gate_->pass({.kind = Kind::read, .path = path_, .offset = offset, .bytes = bytes});
    return passed.ok() ? file_->Read(offset, bytes, options, result, scratch, debug) : passed;
  }
  std::size_t GetUniqueId(char* id, std::size_t max_size) const override { return file_->GetUniqueId(id, max_size); }
  void Hint(AccessPattern pattern) override { file_->Hint(pattern); }

 private:
  const std::unique_ptr<rocksdb::FSRandomAccessFile> file_;
  const std::string path_;
  const Gate gate_;
};

class WritableFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WritableFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::string path, Gate gate, std::uint64_t size)
      : FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), gate_(std::move(gate)), size_(size) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const std::uint64_t offset = size_;
    const FaultVerdict verdict = gate_->ask({.kind = Kind::write,
                                             .path = path_,
                                             .offset = offset,
                                             .bytes = data.size(),
                                             .data = {data.data(), data.size()}});
    const bool proceeds = verdict.kind == FaultVerdict::Kind::proceed;
    const std::size_t bytes = proceeds ? data.size() : std::min<std::size_t>(verdict.first_bytes, data.size());
    if (bytes > 0) {
      auto written = target()->Append({data.data(), bytes}, options, debug);
      if (!written.ok()) return written;
      size_ += bytes;
    }
    return error_of(verdict.kind, path_);
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    auto passed = gate_->pass({.kind = Kind::truncate, .path = path_, .offset = size});
    if (!passed.ok()) return passed;
    size_ = size;
    return target()->Truncate(size, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    auto passed = gate_->pass({.kind = Kind::sync, .path = path_});
    return passed.ok() ? target()->Sync(options, debug) : passed;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    auto passed = gate_->pass({.kind = Kind::sync, .path = path_});
    return passed.ok() ? target()->Fsync(options, debug) : passed;
  }
  using FSWritableFileOwnerWrapper::PositionedAppend;
  IOStatus PositionedAppend(const rocksdb::Slice& zeros, std::uint64_t offset, const IOOptions& options,
                            IODebugContext* debug) override {
    auto passed = gate_->pass({.kind = Kind::reserve, .path = path_, .offset = offset, .bytes = zeros.size()});
    return passed.ok() ? target()->PositionedAppend(zeros, offset, options, debug) : passed;
  }
  // The target is closed with this object when it may not be closed now.
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    auto passed = gate_->pass({.kind = Kind::close, .path = path_});
    return passed.ok() ? target()->Close(options, debug) : passed;
  }

 private:
  const std::string path_;
  const Gate gate_;
  std::atomic<std::uint64_t> size_;
};

class Directory final : public rocksdb::FSDirectoryWrapper {
 public:
  Directory(std::unique_ptr<rocksdb::FSDirectory> directory, std::string path, Gate gate)
      : FSDirectoryWrapper(std::move(directory)), path_(std::move(path)), gate_(std::move(gate)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    auto passed = gate_->pass({.kind = Kind::sync_directory, .path = path_});
    return passed.ok() ? FSDirectoryWrapper::Fsync(options, debug) : passed;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions& how) override {
    auto passed = gate_->pass({.kind = Kind::sync_directory, .path = path_});
    return passed.ok() ? FSDirectoryWrapper::FsyncWithDirOptions(options, debug, how) : passed;
  }

 private:
  const std::string path_;
  const Gate gate_;
};

}  // namespace

FaultVerdict FaultGate::ask(const FileOperation& operation) {
  if (crashed_.load(std::memory_order_acquire)) return {.kind = FaultVerdict::Kind::crash};
  const FaultVerdict verdict = faults_.on(operation);
  if (verdict.kind == FaultVerdict::Kind::crash) crashed_.store(true, std::memory_order_release);
  return verdict;
}

IOStatus FaultGate::pass(const FileOperation& operation) { return error_of(ask(operation).kind, operation.path); }

IOStatus FaultFileSystem::NewSequentialFile(const std::string& path, const FileOptions& options,
                                            std::unique_ptr<rocksdb::FSSequentialFile>* file, IODebugContext* debug) {
  auto status = gate_->pass({.kind = Kind::open, .path = path});
  if (status.ok()) status = target()->NewSequentialFile(path, options, file, debug);
  if (status.ok()) *file = std::make_unique<SequentialFile>(std::move(*file), path, gate_);
  return status;
}

IOStatus FaultFileSystem::NewRandomAccessFile(const std::string& path, const FileOptions& options,
                                              std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                              IODebugContext* debug) {
  auto status = gate_->pass({.kind = Kind::open, .path = path});
  if (status.ok()) status = target()->NewRandomAccessFile(path, options, file, debug);
  if (status.ok()) *file = std::make_unique<RandomAccessFile>(std::move(*file), path, gate_);
  return status;
}

IOStatus FaultFileSystem::NewWritableFile(const std::string& path, const FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  auto status = gate_->pass({.kind = Kind::create, .path = path});
  if (status.ok()) status = target()->NewWritableFile(path, options, file, debug);
  if (status.ok()) *file = std::make_unique<WritableFile>(std::move(*file), path, gate_, 0);
  return status;
}

IOStatus FaultFileSystem::ReopenWritableFile(const std::string& path, const FileOptions& options,
                                             std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  auto status = gate_->pass({.kind = Kind::reopen, .path = path});
  if (status.ok()) status = target()->ReopenWritableFile(path, options, file, debug);
  if (!status.ok()) return status;
  const std::uint64_t size = (*file)->GetFileSize({}, debug);
  *file = std::make_unique<WritableFile>(std::move(*file), path, gate_, size);
  return status;
}

IOStatus FaultFileSystem::ReuseWritableFile(const std::string& path, const std::string& old, const FileOptions& options,
                                            std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  auto status = gate_->pass({.kind = Kind::rename, .path = old, .to = path});
  if (status.ok()) status = target()->ReuseWritableFile(path, old, options, file, debug);
  if (status.ok()) *file = std::make_unique<WritableFile>(std::move(*file), path, gate_, 0);
  return status;
}

IOStatus FaultFileSystem::NewDirectory(const std::string& path, const IOOptions& options,
                                       std::unique_ptr<rocksdb::FSDirectory>* directory, IODebugContext* debug) {
  auto status = target()->NewDirectory(path, options, directory, debug);
  if (status.ok()) *directory = std::make_unique<Directory>(std::move(*directory), path, gate_);
  return status;
}

IOStatus FaultFileSystem::GetChildren(const std::string& path, const IOOptions& options,
                                      std::vector<std::string>* names, IODebugContext* debug) {
  auto passed = gate_->pass({.kind = Kind::list, .path = path});
  return passed.ok() ? target()->GetChildren(path, options, names, debug) : passed;
}

IOStatus FaultFileSystem::DeleteFile(const std::string& path, const IOOptions& options, IODebugContext* debug) {
  auto passed = gate_->pass({.kind = Kind::remove, .path = path});
  return passed.ok() ? target()->DeleteFile(path, options, debug) : passed;
}

IOStatus FaultFileSystem::Truncate(const std::string& path, std::size_t size, const IOOptions& options,
                                   IODebugContext* debug) {
  auto passed = gate_->pass({.kind = Kind::truncate, .path = path, .offset = size});
  return passed.ok() ? target()->Truncate(path, size, options, debug) : passed;
}

IOStatus FaultFileSystem::CreateDir(const std::string& path, const IOOptions& options, IODebugContext* debug) {
  auto passed = gate_->pass({.kind = Kind::make_directory, .path = path});
  return passed.ok() ? target()->CreateDir(path, options, debug) : passed;
}

IOStatus FaultFileSystem::CreateDirIfMissing(const std::string& path, const IOOptions& options, IODebugContext* debug) {
  auto passed = gate_->pass({.kind = Kind::make_directory, .path = path});
  return passed.ok() ? target()->CreateDirIfMissing(path, options, debug) : passed;
}

IOStatus FaultFileSystem::RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                                     IODebugContext* debug) {
  auto passed = gate_->pass({.kind = Kind::rename, .path = from, .to = to});
  return passed.ok() ? target()->RenameFile(from, to, options, debug) : passed;
}

IOStatus FaultFileSystem::LinkFile(const std::string& from, const std::string& to, const IOOptions& options,
                                   IODebugContext* debug) {
  auto passed = gate_->pass({.kind = Kind::link, .path = from, .to = to});
  return passed.ok() ? target()->LinkFile(from, to, options, debug) : passed;
}

IOStatus FaultFileSystem::GetFreeSpace(const std::string& path, const IOOptions& options, std::uint64_t* bytes,
                                       IODebugContext* debug) {
  auto status = target()->GetFreeSpace(path, options, bytes, debug);
  if (status.ok()) *bytes = gate_->free_bytes(*bytes);
  return status;
}

}  // namespace holdfast
