// MemtableBlocks: memory for the rows of memtables, touched before it is needed.
//
// What: rows are written by the one thread that every answer waits for. Memory that the process has not touched yet
// costs that thread the kernel's zeroing of it: 0.3 ms for 2 MiB, and 5 ms in a virtual machine whose host has to find
// the memory first. So a thread of this touches kAhead blocks beforehand, and those of a memtable that was flushed are
// used again.
//
// Operation: the first take() begins that thread; without one to be had, blocks come untouched. What was given back and
// is not taken for `kept` goes back to the allocator, but for kAhead blocks.
// Budget: a block counts as a memtable's memory from take() to give_back(), and as one that is written to until
// sealed(), as RocksDB counts its own.
// Thread-safety: all members from any thread.
#pragma once

#include <rocksdb/write_buffer_manager.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>

namespace holdfast {

class MemtableBlocks {
 public:
  static constexpr std::size_t kBytes = std::size_t{2} << 20;  // one page, where the kernel has such
  static constexpr std::size_t kAhead = 4;
  static constexpr std::chrono::minutes kKept{1};

  // Bytes of a block that its user may have begin here; until it is taken it is a link of a list.
  struct Block {
    Block* next = nullptr;
  };

  explicit MemtableBlocks(std::shared_ptr<rocksdb::WriteBufferManager> budget, std::chrono::milliseconds kept = kKept)
      : budget_(std::move(budget)), kept_(kept) {}
  ~MemtableBlocks();
  MemtableBlocks(const MemtableBlocks&) = delete;
  MemtableBlocks& operator=(const MemtableBlocks&) = delete;

  [[nodiscard]] Block* take();  // of kBytes, aligned to them; throws std::bad_alloc
  void sealed(std::size_t blocks) noexcept { budget_->ScheduleFreeMem(blocks * kBytes); }
  void give_back(Block* first, std::size_t blocks) noexcept;  // linked
  // How many nobody uses right now.
  [[nodiscard]] std::size_t spare();

 private:
  [[nodiscard]] static Block* make();
  static void release(Block* first) noexcept;
  void begin() noexcept;
  void run();
  [[nodiscard]] Block* pop() noexcept;
  void push(Block* block) noexcept;

  const std::shared_ptr<rocksdb::WriteBufferManager> budget_;
  const std::chrono::milliseconds kept_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Block* spare_ = nullptr;   // guarded by mutex_
  std::size_t spares_ = 0;   // guarded by mutex_
  std::uint64_t taken_ = 0;  // guarded by mutex_; how often one was
  bool begun_ = false;       // guarded by mutex_
  bool stopping_ = false;    // guarded by mutex_
  std::thread thread_;       // touches them; written under mutex_, from the first take() on
};

}  // namespace holdfast
