// CountingFileSystem: another file system, that counts the bytes which are read and written and can be told to stop.
//
// What: RocksDB says nothing while it verifies or restores a backup; this is how a progress bar knows. `each` is called
// after every read and append, on the thread that made it; once it answers Visit::stop, reads and appends fail.
// Concurrency: as the target's. Only files that are read from front to back and written are counted.
#pragma once

#include <rocksdb/file_system.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "storage/store.hpp"

namespace holdfast {

class CountingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  using Each = std::function<Visit(std::uint64_t read, std::uint64_t written)>;
  CountingFileSystem(const std::shared_ptr<rocksdb::FileSystem>& target, Each each)
      : FileSystemWrapper(target), each_(std::move(each)) {}

  [[nodiscard]] const char* Name() const override { return "holdfast.CountingFileSystem"; }

  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* debug) override {
    auto status = target()->NewSequentialFile(path, options, file, debug);
    if (status.ok()) *file = std::make_unique<Reading>(std::move(*file), each_);
    return status;
  }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    auto status = target()->NewWritableFile(path, options, file, debug);
    if (status.ok()) *file = std::make_unique<Writing>(std::move(*file), each_);
    return status;
  }

 private:
  static rocksdb::IOStatus counted(const Each& each, std::uint64_t read, std::uint64_t written) {
    return each(read, written) == Visit::next ? rocksdb::IOStatus::OK() : rocksdb::IOStatus::Aborted("stopped");
  }

  class Reading final : public rocksdb::FSSequentialFileOwnerWrapper {
   public:
    Reading(std::unique_ptr<rocksdb::FSSequentialFile>&& file, const Each& each)
        : FSSequentialFileOwnerWrapper(std::move(file)), each_(each) {}
    rocksdb::IOStatus Read(std::size_t n, const rocksdb::IOOptions& options, rocksdb::Slice* result, char* scratch,
                           rocksdb::IODebugContext* debug) override {
      auto status = FSSequentialFileOwnerWrapper::Read(n, options, result, scratch, debug);
      return status.ok() ? counted(each_, result->size(), 0) : status;
    }

   private:
    const Each& each_;
  };

  class Writing final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    Writing(std::unique_ptr<rocksdb::FSWritableFile>&& file, const Each& each)
        : FSWritableFileOwnerWrapper(std::move(file)), each_(each) {}
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
      auto status = FSWritableFileOwnerWrapper::Append(data, options, debug);
      return status.ok() ? counted(each_, 0, data.size()) : status;
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& info, rocksdb::IODebugContext* debug) override {
      auto status = FSWritableFileOwnerWrapper::Append(data, options, info, debug);
      return status.ok() ? counted(each_, 0, data.size()) : status;
    }

   private:
    const Each& each_;
  };

  const Each each_;
};

}  // namespace holdfast
