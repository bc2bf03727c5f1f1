#include "storage/memory_store.hpp"

#include <algorithm>

namespace holdfast {
namespace {

// A scan copies what it is going to visit, so that a visitor may read the store again.
using Map = std::map<std::string, std::string, std::less<>>;
using Families = std::array<Map, kFamilies>;

class MemoryBatch final : public Batch {
 public:
  void append(const WriteSet& writes) override {
    if (writes.empty()) return;
    for (const auto& op : writes.ops) bytes_ += op.key.size() + op.value.size() + 16;
    sets_.push_back(writes);
  }
  void clear() noexcept override {
    sets_.clear();
    bytes_ = 0;
  }
  [[nodiscard]] std::size_t bytes() const noexcept override { return bytes_; }
  [[nodiscard]] bool empty() const noexcept override { return sets_.empty(); }
  [[nodiscard]] const std::vector<WriteSet>& sets() const noexcept { return sets_; }

 private:
  std::vector<WriteSet> sets_;
  std::size_t bytes_ = 0;
};

void apply_sets(Families& families, const std::vector<WriteSet>& sets) {
  for (const auto& writes : sets) {
    for (const auto& op : writes.ops) {
      auto& map = families[static_cast<std::size_t>(op.family)];
      switch (op.kind) {
        case WriteOp::Kind::put: map[op.key] = op.value; break;
        case WriteOp::Kind::erase: map.erase(op.key); break;
        case WriteOp::Kind::erase_range:
          if (op.key < op.value) map.erase(map.lower_bound(op.key), map.lower_bound(op.value));
          break;
      }
    }
  }
}

tl::unexpected<Error> full() { return fail(ErrorCode::insufficient_storage, "the disk is full; nothing was written"); }

tl::unexpected<Error> unknown() {
  return fail(ErrorCode::commit_unknown, "the store cannot say whether the write is on disk");
}

}  // namespace

class MemoryStore::Impl {
 public:
  mutable std::mutex mutex;
  Families written;                                 // what readers see
  Families durable;                                 // what the last sync left
  std::vector<std::vector<WriteSet>> unsynced;      // batches since, in order
  std::optional<std::vector<WriteSet>> in_the_air;  // the batch of a failed write that did reach the disk
  mutable Fault fault = Fault::none;
  bool broken = false;

  // Takes the fault if it is one of reads.
  [[nodiscard]] bool read_fails() const {
    if (fault != Fault::read_error) return false;
    fault = Fault::none;
    return true;
  }

  Result<void> make_durable() {
    for (const auto& batch : unsynced) apply_sets(durable, batch);
    unsynced.clear();
    return {};
  }
};

MemoryStore::MemoryStore() : impl_(std::make_unique<Impl>()) {}
MemoryStore::~MemoryStore() = default;

Result<std::optional<std::string>> MemoryStore::get(Family family, std::string_view key) const {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->read_fails()) return fail(ErrorCode::internal, "injected read error");
  const auto& map = impl_->written[static_cast<std::size_t>(family)];
  const auto found = map.find(key);
  if (found == map.end()) return std::optional<std::string>();
  return std::optional<std::string>(found->second);
}

Result<void> MemoryStore::scan(Family family, const Range& range,
                               const std::function<Visit(std::string_view, std::string_view)>& visit) const {
  std::vector<std::pair<std::string, std::string>> pairs;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->read_fails()) return fail(ErrorCode::internal, "injected read error");
    const auto& map = impl_->written[static_cast<std::size_t>(family)];
    if (range.to.empty() || range.from < range.to)
      pairs.assign(map.lower_bound(range.from), range.to.empty() ? map.end() : map.lower_bound(range.to));
  }
  if (range.order == Range::Order::descending) std::reverse(pairs.begin(), pairs.end());
  for (const auto& [key, value] : pairs) {
    if (visit(key, value) == Visit::stop) break;
  }
  return {};
}

std::unique_ptr<Readable> MemoryStore::snapshot() const {
  auto copy = std::make_unique<MemoryStore>();
  const std::lock_guard lock(impl_->mutex);
  copy->impl_->written = impl_->written;
  copy->impl_->fault = impl_->fault == Fault::read_error ? std::exchange(impl_->fault, Fault::none) : Fault::none;
  return copy;
}

std::unique_ptr<Batch> MemoryStore::make_batch() const { return std::make_unique<MemoryBatch>(); }

Result<void> MemoryStore::write(Batch& batch, Durability durability) {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->broken) return unknown();
  const auto& sets = static_cast<MemoryBatch&>(batch).sets();
  if (free_bytes() < batch.bytes() + kSpareBytes) return full();
  const Fault fault = impl_->fault;
  if (fault != Fault::read_error) impl_->fault = Fault::none;
  switch (fault) {
    case Fault::full: return full();
    case Fault::unknown_kept: impl_->in_the_air = sets; [[fallthrough]];
    case Fault::unknown_lost: impl_->broken = true; return unknown();
    case Fault::none:
    case Fault::read_error: break;
  }
  apply_sets(impl_->written, sets);
  impl_->unsynced.push_back(sets);
  return durability == Durability::synced ? impl_->make_durable() : Result<void>{};
}

Result<void> MemoryStore::sync() {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->broken) return unknown();
  return impl_->make_durable();
}

Result<void> MemoryStore::compact(Family, const Range&) { return {}; }

MemoryStore::Fault MemoryStore::inject(Fault fault) {
  const std::lock_guard lock(impl_->mutex);
  return std::exchange(impl_->fault, fault);
}

std::unique_ptr<MemoryStore> MemoryStore::crash(Random& random) const {
  const std::lock_guard lock(impl_->mutex);
  auto next = std::make_unique<MemoryStore>();
  auto& families = next->impl_->written;
  families = impl_->durable;
  // The log has an order: a batch that reached the disk has all before it.
  const auto all = impl_->unsynced.size();
  const auto survivors = impl_->in_the_air ? all : random.next() % (all + 1);
  for (std::size_t i = 0; i < survivors; ++i) apply_sets(families, impl_->unsynced[i]);
  if (impl_->in_the_air) apply_sets(families, *impl_->in_the_air);
  next->impl_->durable = families;
  return next;
}

Result<Backup> MemoryStore::backup(const BackupTask&) {
  return fail(ErrorCode::invalid_request, "a store in memory has no files to back up");
}

}  // namespace holdfast
