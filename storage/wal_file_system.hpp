// WalFileSystem: RocksDB's file system, with write-ahead logs that are cheap to sync.
//
// What: syncing an append also syncs the file's new size, a second write of the disk. A log of this file system has
// its size ahead of its content: appends overwrite zeros that are there already, and a sync is the data alone.
//
// Operation: a log begins as a spare (storage/spare_log.hpp), or grows by a chunk of zeros whenever a synced append
// needs room; Close cuts the zeros off. After a crash they are still there, and behind them nothing: repair_wals()
// (storage/wal_repair.hpp) cuts them off before RocksDB reads the log. A buffered append (expect()) never makes a log
// grow ahead: there the operating system may write blocks in any order, and a file that ends with its content
// shows where it ended. Whoever asks for the size of a log that is open gets the end of its content, since a backup
// copies that much: what lies beyond may change while it is read.
//
// Concurrency: as RocksDB's files: one writer a file, and a sync may run beside it. Every other file and every other
// call goes to the target, but that a sync waits for no large file that is deleted. Limits: at most one chunk of space,
// or what is left of a spare, beyond the log's content; without space to grow ahead it appends plainly.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <holdfast/options.hpp>
#include <memory>
#include <string>

#include "storage/spare_log.hpp"
#include "storage/stepwise_cut.hpp"

namespace holdfast {

class WalFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  // For the store in `directory`. `recovery` is told how much of the logs was read; it may be empty.
  WalFileSystem(const std::shared_ptr<rocksdb::FileSystem>& target, const std::string& directory,
                std::shared_ptr<Recovery> recovery);
  ~WalFileSystem() override;

  [[nodiscard]] const char* Name() const override { return "holdfast.WalFileSystem"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFileSize(const std::string& path, const rocksdb::IOOptions& options, std::uint64_t* size,
                                rocksdb::IODebugContext* debug) override;
  // Of any file: a large one goes in steps (storage/stepwise_cut.hpp).
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    return delete_in_steps(*target(), path, options, debug);
  }

  // How the writes that follow are made. By the one thread that writes; until it is said, buffered.
  void expect(Durability durability) noexcept { expected_.store(durability, std::memory_order_relaxed); }
  // How often a byte of a log was handed on. A write during which this stays the same left nothing in the log.
  [[nodiscard]] std::uint64_t appends() const noexcept { return appends_.load(std::memory_order_relaxed); }

 private:
  class OpenLogs;
  const std::shared_ptr<Recovery> recovery_;
  // Both are shared with the files, which may be closed after this.
  std::shared_ptr<OpenLogs> open_;
  std::shared_ptr<SpareLog> spare_;
  std::atomic<std::uint64_t> appends_{0};
  std::atomic<Durability> expected_{Durability::buffered};
};

}  // namespace holdfast
