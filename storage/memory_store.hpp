// MemoryStore: the Store in memory, with the crashes and faults that a disk has. For tests and the simulation.
//
// It keeps what is durable apart from what is written: crash() drops everything after the last sync, or, for the
// write that was in the air, keeps it or not as the caller's random says (a batch is atomic).
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include "src/core/random.hpp"
#include "storage/store.hpp"

namespace holdfast {

class MemoryStore final : public Store {
 public:
  enum class Fault : std::uint8_t {
    none,
    full,          // the next write fails, nothing written: insufficient_storage
    unknown_kept,  // the next write fails with commit_unknown, and is there after a crash
    unknown_lost,  // the next write fails with commit_unknown, and is not there after a crash
    read_error,    // the next get or scan fails
  };

  MemoryStore();
  ~MemoryStore() override;

  [[nodiscard]] Result<std::optional<std::string>> get(Family family, std::string_view key) const override;
  [[nodiscard]] Result<void> scan(
      Family family, const Range& range,
      const std::function<Visit(std::string_view key, std::string_view value)>& visit) const override;
  [[nodiscard]] std::unique_ptr<Readable> snapshot() const override;
  [[nodiscard]] std::unique_ptr<Batch> make_batch() const override;
  [[nodiscard]] Result<void> write(Batch& batch, Durability durability) override;
  [[nodiscard]] Result<void> sync() override;
  [[nodiscard]] Result<void> compact(Family family, const Range& range) override;
  [[nodiscard]] Result<void> verify_tables(const std::function<void(std::uint64_t, std::uint64_t)>&,
                                           const std::function<void(const std::string&)>&) const override {
    return {};  // it has none
  }
  [[nodiscard]] Result<Backup> backup(const BackupTask& task) override;

  [[nodiscard]] std::uint64_t free_bytes() const noexcept override { return free_bytes_.load(); }
  void tend() override {}

  // Until this is set again there is only so much space; what is written does not use it up.
  void set_free_bytes(std::uint64_t bytes) { free_bytes_.store(bytes); }
  Fault inject(Fault fault);  // the one that was waiting to happen
  // What a new process would find: buffered (unsynced) batches survive as a prefix of random length.
  [[nodiscard]] std::unique_ptr<MemoryStore> crash(Random& random) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
  std::atomic<std::uint64_t> free_bytes_{UINT64_MAX};
};

}  // namespace holdfast
