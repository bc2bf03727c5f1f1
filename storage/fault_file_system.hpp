// FaultFileSystem: a file system that fails as a plan says.
//
// Operation: before each operation it asks the plan (storage/faults.hpp). What may proceed goes to the target; what
// may not is answered with an error in place of the target. After a crash every operation fails, until the object is
// gone: what the files have then is what a new process finds, less what the plan takes away as never synced.
//
// Concurrency: as the target's. The plan must outlive every file. Limits: for tests; a store that is given no plan has
// no such layer.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "storage/faults.hpp"

namespace holdfast {

// Asks the plan, and remembers the crash.
class FaultGate {
 public:
  explicit FaultGate(Faults& faults) : faults_(faults) {}
  [[nodiscard]] FaultVerdict ask(const FileOperation& operation);
  // ask() for what is not a write: an error unless it may proceed.
  [[nodiscard]] rocksdb::IOStatus pass(const FileOperation& operation);
  [[nodiscard]] std::uint64_t free_bytes(std::uint64_t bytes) { return faults_.free_bytes(bytes); }

 private:
  Faults& faults_;
  std::atomic<bool> crashed_{false};
};

class FaultFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  FaultFileSystem(const std::shared_ptr<rocksdb::FileSystem>& target, Faults& faults)
      : FileSystemWrapper(target), gate_(std::make_shared<FaultGate>(faults)) {}

  [[nodiscard]] const char* Name() const override { return "holdfast.FaultFileSystem"; }

  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReuseWritableFile(const std::string& path, const std::string& old,
                                      const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetChildren(const std::string& path, const rocksdb::IOOptions& options,
                                std::vector<std::string>* names, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Truncate(const std::string& path, std::size_t size, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDir(const std::string& path, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& path, const rocksdb::IOOptions& options,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options, std::uint64_t* bytes,
                                 rocksdb::IODebugContext* debug) override;

 private:
  std::shared_ptr<FaultGate> gate_;  // shared with the files
};

}  // namespace holdfast
