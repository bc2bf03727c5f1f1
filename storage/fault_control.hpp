// FaultControl: faults that another process turns on and off while this one runs.
//
// What: a block of a few atomics in a file that both processes map. `holdfast torture` writes it, and `holdfast serve
// --fault-control FILE` obeys it: below its store, as a plan of FaultFileSystem, and as its wall clock.
// Operation: a value takes effect with the next operation on a file, or the next look at the clock. The block outlives
// a kill of either process, so a restarted server goes on under the same faults and in the same time.
// Concurrency: any thread of both processes. Limits: one machine; without the option there is no such layer.
#pragma once

#include <atomic>
#include <filesystem>
#include <holdfast/error.hpp>
#include <memory>

#include "src/core/clock.hpp"
#include "storage/faults.hpp"

namespace holdfast {

struct FaultBlock {
  std::atomic<std::uint64_t> magic;           // of a block of this layout
  std::atomic<std::int64_t> clock_offset_ms;  // added to the wall clock
  std::atomic<std::uint32_t> sync_delay_us;   // before each sync
  std::atomic<std::uint32_t> syncs_to_fail;   // the next so many
  std::atomic<std::uint32_t> no_space;        // 1: no file grows, and the disk says so
  std::atomic<std::uint32_t> injected;        // how often this block made an operation fail
};

class FaultControl final : public Faults {
 public:
  // Maps `file`; makes it, all faults off, when it is not there. Errors: invalid_request with what to do.
  [[nodiscard]] static Result<std::unique_ptr<FaultControl>> open(const std::filesystem::path& file);
  ~FaultControl() override;
  FaultControl(const FaultControl&) = delete;
  FaultControl& operator=(const FaultControl&) = delete;

  [[nodiscard]] FaultVerdict on(const FileOperation& operation) override;
  [[nodiscard]] std::uint64_t free_bytes(std::uint64_t bytes) override { return block_->no_space != 0 ? 0 : bytes; }
  [[nodiscard]] FaultBlock& block() const noexcept { return *block_; }
  // Everything off but the clock's offset, which only ever goes on from where it is.
  void calm() const noexcept;

 private:
  explicit FaultControl(FaultBlock* block) : block_(block) {}
  FaultBlock* block_;
};

// The wall clock with the offset of the block, which must outlive it.
class OffsetClock final : public Clock {
 public:
  explicit OffsetClock(const FaultBlock& block) : block_(block) {}
  [[nodiscard]] Time now() const noexcept override { return clock_.now() + block_.clock_offset_ms.load(); }

 private:
  SystemClock clock_;
  const FaultBlock& block_;
};

}  // namespace holdfast
