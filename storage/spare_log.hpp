// SpareLog: a file of zeros on the disk that becomes the next write-ahead log.
//
// What: a commit that overwrites zeros which are there already syncs its data alone (storage/wal_file_system.hpp).
// Writing them when they are needed delays that commit; a thread of this writes them beside the store's work, a piece
// at a time with rests between, so that no commit waits for long behind one.
//
// Operation: want() has a spare made, unless there is one; take() makes it a log. One that a killed process left is
// removed by the first take(), which RocksDB's opening does: how far it came is not known. Without much free space, or
// without a thread to be had, none is made.
// Concurrency: all members from any thread. Limits: one spare of kBytes a store.
#pragma once

#include <rocksdb/file_system.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace holdfast {

class SpareLog {
 public:
  static constexpr std::uint64_t kBytes = std::uint64_t{64} << 20;

  SpareLog(std::shared_ptr<rocksdb::FileSystem> files, std::string directory);
  ~SpareLog();
  SpareLog(const SpareLog&) = delete;
  SpareLog& operator=(const SpareLog&) = delete;

  void want();
  // The spare, now called `path`, to be written from its beginning on. Nothing when none is ready.
  [[nodiscard]] std::unique_ptr<rocksdb::FSWritableFile> take(const std::string& path,
                                                              const rocksdb::FileOptions& options,
                                                              rocksdb::IODebugContext* debug);

 private:
  enum class State : std::uint8_t { none, wanted, making, ready, stopping };

  [[nodiscard]] bool begin();
  void run();
  [[nodiscard]] bool fill();
  [[nodiscard]] bool rest_until(std::chrono::steady_clock::time_point due);
  void remove() const;

  const std::shared_ptr<rocksdb::FileSystem> files_;
  const std::string directory_;
  const std::string path_;
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::none;
  bool looked_ = false;  // for one that was left
  std::thread thread_;   // from the first want() on
};

}  // namespace holdfast
