// SlowStore: a store whose writes wait for a permit, counted.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "storage/memory_store.hpp"

namespace holdfast::test {

class SlowStore final : public Store {
 public:
  Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    return store_.get(family, key);
  }
  Result<void> scan(Family family, const Range& range,
                    const std::function<Visit(std::string_view, std::string_view)>& visit) const override {
    return store_.scan(family, range, visit);
  }
  std::unique_ptr<Readable> snapshot() const override { return store_.snapshot(); }
  std::unique_ptr<Batch> make_batch() const override { return store_.make_batch(); }
  Result<void> write(Batch& batch, Durability durability) override {
    std::unique_lock lock(mutex_);
    ++begun_;
    last_durability_ = durability;
    changed_.notify_all();
    changed_.wait(lock, [&] { return permits_ > 0; });
    --permits_;
    bytes_max_ = std::max(bytes_max_, batch.bytes());
    return store_.write(batch, durability);
  }
  Result<void> sync() override { return store_.sync(); }
  std::uint64_t free_bytes() const noexcept override { return store_.free_bytes(); }
  void tend() override { store_.tend(); }
  Result<void> compact(Family, const Range&) override { return {}; }
  Result<void> verify_tables(const std::function<void(std::uint64_t, std::uint64_t)>& watch,
                             const std::function<void(const std::string&)>& damaged) const override {
    return store_.verify_tables(watch, damaged);
  }
  Result<Backup> backup(const BackupTask& task) override { return store_.backup(task); }

  void permit(int writes) {
    const std::scoped_lock lock(mutex_);
    permits_ += writes;
    changed_.notify_all();
  }
  void wait_begun(int writes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return begun_ >= writes; });
  }
  int begun() {
    const std::scoped_lock lock(mutex_);
    return begun_;
  }
  std::size_t bytes_max() {
    const std::scoped_lock lock(mutex_);
    return bytes_max_;
  }
  MemoryStore& memory() { return store_; }
  Durability last_durability_ = Durability::buffered;

 private:
  MemoryStore store_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int permits_ = 0;
  int begun_ = 0;
  std::size_t bytes_max_ = 0;
};

}  // namespace holdfast::test
