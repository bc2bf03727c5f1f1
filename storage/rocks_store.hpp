// RocksStore: the Store on RocksDB, one column family for each Family, one write-ahead log for all.
#pragma once

#include <filesystem>
#include <memory>

#include "src/core/log.hpp"
#include "storage/faults.hpp"
#include "storage/store.hpp"

namespace holdfast {

struct RocksOpening {
  Faults* faults = nullptr;              // its files fail as that says; it must outlive the store
  std::shared_ptr<Recovery> recovery{};  // how far the opening is
};

class RocksStore final : public Store {
 public:
  // Errors: internal, with what to do next (lock held, corruption, unknown column family).
  [[nodiscard]] static Result<std::unique_ptr<RocksStore>> open(const std::filesystem::path& directory, Logger& logger,
                                                                RocksOpening opening = {});
  ~RocksStore() override;

  [[nodiscard]] Result<std::optional<std::string>> get(Family family, std::string_view key) const override;
  [[nodiscard]] Result<void> scan(
      Family family, const Range& range,
      const std::function<Visit(std::string_view key, std::string_view value)>& visit) const override;
  [[nodiscard]] std::unique_ptr<Readable> snapshot() const override;
  [[nodiscard]] std::unique_ptr<Batch> make_batch() const override;
  [[nodiscard]] Result<void> write(Batch& batch, Durability durability) override;
  [[nodiscard]] Result<void> sync() override;
  [[nodiscard]] std::uint64_t free_bytes() const noexcept override;
  void tend() override;
  [[nodiscard]] Result<void> compact(Family family, const Range& range) override;
  [[nodiscard]] StoreStats stats() const override;
  [[nodiscard]] Result<Backup> backup(const BackupTask& task) override;
  [[nodiscard]] Result<void> verify_tables(const std::function<void(std::uint64_t done, std::uint64_t total)>& watch,
                                           const std::function<void(const std::string& what)>& damaged) const override;

 private:
  class Impl;
  explicit RocksStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
