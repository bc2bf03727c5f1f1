#include "storage/run_memtable.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <string_view>

#include "storage/keys.hpp"

namespace holdfast {
namespace {

constexpr int kHeightMax = 12;
constexpr unsigned kTowersPerLevel = 4;  // of one level for each of the next
constexpr std::uint32_t kRowsPerTower = 16;
constexpr std::size_t kTagBytes = 8;  // RocksDB's, behind a key: sequence number and kind of the write

// RocksDB's form of a row follows: length and bytes of its key with the tag, length and bytes of its value.
struct Row {
  std::atomic<Row*> next{nullptr};

  [[nodiscard]] const char* entry() const noexcept { return reinterpret_cast<const char*>(this + 1); }
  [[nodiscard]] char* entry() noexcept { return reinterpret_cast<char*>(this + 1); }
  [[nodiscard]] std::string_view key() const noexcept {
    const auto with_tag = rocksdb::GetLengthPrefixedSlice(entry());
    return {with_tag.data(), with_tag.size() - kTagBytes};
  }
};

// As many links as it is high follow.
struct Tower {
  Row* const row;

  [[nodiscard]] std::atomic<Tower*>& next(int level) noexcept {
    return reinterpret_cast<std::atomic<Tower*>*>(this + 1)[level];
  }
};
static_assert(sizeof(Tower) % alignof(std::atomic<Tower*>) == 0);

constexpr std::size_t tower_bytes(int height) noexcept {
  return sizeof(Tower) + static_cast<std::size_t>(height) * sizeof(std::atomic<Tower*>);
}

// A run with its hash, which both a search and an insert need.
struct Run {
  explicit Run(std::string_view common) : key(common), hash(XXH3_64bits(common.data(), common.size())) {}
  const std::string_view key;
  const std::size_t hash;
};

// The last row of a run, and how many stand between it and the last one with a tower.
struct Tail {
  std::size_t hash = 0;
  mutable Row* row = nullptr;
  mutable std::uint32_t untowered = 0;
};

struct Hash {
  using is_transparent = void;
  std::size_t operator()(const Run& run) const noexcept { return run.hash; }
  std::size_t operator()(const Tail& tail) const noexcept { return tail.hash; }
};

struct SameRun {
  using is_transparent = void;
  bool operator()(const Tail& a, const Tail& b) const noexcept { return a.row == b.row; }
  bool operator()(const Run& a, const Tail& b) const noexcept {
    if (a.hash != b.hash) return false;
    const auto last = b.row->key();
    return last.size() == a.key.size() + keys::kPositionBytes && last.substr(0, a.key.size()) == a.key;
  }
  bool operator()(const Tail& a, const Run& b) const noexcept { return (*this)(b, a); }
};

// RocksDB publishes of an arena only that a MemTableRep has one to allocate from. Its memory is for bytes, whatever
// their place.
class InArena : public rocksdb::MemTableRep {
 public:
  using MemTableRep::MemTableRep;

  template <class T>
  void* place_for(std::size_t bytes) {
    std::size_t room = bytes + alignof(T) - 1;
    char* memory = nullptr;
    MemTableRep::Allocate(room, &memory);
    void* place = memory;
    return std::align(alignof(T), bytes, place, room);
  }
};

// For the arenas that iterators are made in. An arena is an allocator.
class AnyArena final : public InArena {
 public:
  explicit AnyArena(rocksdb::Arena* arena) : InArena(reinterpret_cast<rocksdb::Allocator*>(arena)) {}
  void Insert(rocksdb::KeyHandle) override {}
  [[nodiscard]] bool Contains(const char*) const override { return false; }
  std::size_t ApproximateMemoryUsage() override { return 0; }
  Iterator* GetIterator(rocksdb::Arena*) override { return nullptr; }
};

// What one memtable has taken of MemtableBlocks, from the beginning of a block to its end.
class InBlocks {
 public:
  explicit InBlocks(std::shared_ptr<MemtableBlocks> blocks) noexcept : blocks_(std::move(blocks)) {}
  InBlocks(const InBlocks&) = delete;
  InBlocks& operator=(const InBlocks&) = delete;
  ~InBlocks() {
    seal();
    blocks_->give_back(first_, count_);
  }

  // Of a block little is left unused at its end.
  static constexpr std::size_t kBytesMax = MemtableBlocks::kBytes / 16;
  static constexpr std::size_t kAlignment = std::max(alignof(Row), alignof(Tower));

  // Aligned to kAlignment; at most kBytesMax.
  [[nodiscard]] void* place_for(std::size_t bytes) {
    const auto rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    if (rounded > left_) {
      auto* block = blocks_->take();
      block->next = std::exchange(first_, block);
      ++count_;
      next_ = reinterpret_cast<char*>(block) + kAlignment;
      left_ = MemtableBlocks::kBytes - kAlignment;
    }
    left_ -= rounded;
    used_.store(count_ * MemtableBlocks::kBytes - left_, std::memory_order_relaxed);
    return std::exchange(next_, next_ + rounded);
  }
  // Nothing more comes.
  void seal() noexcept {
    if (!std::exchange(sealed_, true)) blocks_->sealed(count_);
  }
  [[nodiscard]] std::size_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

 private:
  const std::shared_ptr<MemtableBlocks> blocks_;
  MemtableBlocks::Block* first_ = nullptr;
  std::size_t count_ = 0;
  char* next_ = nullptr;
  std::size_t left_ = 0;
  bool sealed_ = false;
  std::atomic<std::size_t> used_{0};
};
static_assert(sizeof(MemtableBlocks::Block) <= InBlocks::kAlignment);

class RunMemtable final : public InArena {
 public:
  RunMemtable(const KeyComparator& order, rocksdb::Allocator* arena, std::shared_ptr<MemtableBlocks> blocks)
      : InArena(arena),
        blocks_(std::move(blocks)),
        order_(order),
        lowest_(tower_at(lowest_place_, &head_, kHeightMax)) {}

  rocksdb::KeyHandle Allocate(std::size_t bytes, char** entry) override {
    const auto whole = sizeof(Row) + bytes;
    auto* row = new (whole <= InBlocks::kBytesMax ? blocks_.place_for(whole) : place_for<Row>(whole)) Row;
    *entry = row->entry();
    return row;
  }

  void Insert(rocksdb::KeyHandle row) override { InsertKey(row); }

  bool InsertKey(rocksdb::KeyHandle handle) override {
    auto* row = static_cast<Row*>(handle);
    const auto key = row->key();
    const Run run(keys::run_of(key));
    if (run.key.empty()) return insert(row, Towered::maybe);
    const auto tail = tails_.find(run);
    if (tail == tails_.end()) {
      if (!insert(row, Towered::yes)) return false;
      tails_.insert({run.hash, row});
      index_bytes_.store(tails_.bucket_count() * sizeof(Tail), std::memory_order_relaxed);
      return true;
    }
    if (tail->row->key() >= key)
      return insert(row, Towered::maybe);  // out of order, or a newer version: that goes before
    if (++tail->untowered < kRowsPerTower) {
      link(tail->row, row);
    } else {
      insert(row, Towered::yes);
      tail->untowered = 0;
    }
    tail->row = row;
    return true;
  }

  [[nodiscard]] bool Contains(const char* entry) const override {
    const auto key = rocksdb::GetLengthPrefixedSlice(entry);
    const auto* row = gap_at(key).after;
    return row != nullptr && order_(row->entry(), key) == 0;
  }

  // RocksDB has counted the index by now, and takes off what it hears at the end: so that stays.
  void MarkReadOnly() override {
    tails_ = {};
    blocks_.seal();
  }

  std::size_t ApproximateMemoryUsage() override {
    return index_bytes_.load(std::memory_order_relaxed) + blocks_.used();
  }

  Iterator* GetIterator(rocksdb::Arena* arena) override {
    if (arena == nullptr) return new Cursor(*this);
    return new (AnyArena(arena).place_for<Cursor>(sizeof(Cursor))) Cursor(*this);
  }

  // Without an arena it is Get's, which does not delete it.
  Iterator* GetDynamicPrefixIterator(rocksdb::Arena* arena) override {
    if (arena != nullptr) return GetIterator(arena);
    thread_local std::optional<Cursor> t_cursor;
    return &t_cursor.emplace(*this);
  }

 private:
  class Cursor final : public Iterator {
   public:
    explicit Cursor(const RunMemtable& table) noexcept : table_(table) {}
    [[nodiscard]] bool Valid() const override { return row_ != nullptr; }
    [[nodiscard]] const char* key() const override { return row_->entry(); }
    void Next() override { rest_at(row_->next.load(std::memory_order_acquire)); }
    void Prev() override {
      const auto* before = table_.gap_at(rocksdb::GetLengthPrefixedSlice(key())).before;
      row_ = before == &table_.head_ ? nullptr : before;
    }
    void Seek(const rocksdb::Slice& key, const char*) override { rest_at(table_.gap_at(key).after); }
    void SeekForPrev(const rocksdb::Slice& key, const char*) override {
      const auto [before, after] = table_.gap_at(key);
      const bool there = after != nullptr && table_.order_(after->entry(), key) == 0;
      row_ = there ? after : before == &table_.head_ ? nullptr : before;
    }
    void SeekToFirst() override { rest_at(table_.head_.next.load(std::memory_order_acquire)); }
    void SeekToLast() override { row_ = table_.last(); }

   private:
    // A flush reads all rows in turn, and each is somewhere else.
    void rest_at(const Row* row) noexcept {
      row_ = row;
      if (row_ == nullptr) return;
      const auto* next = reinterpret_cast<const char*>(row_->next.load(std::memory_order_relaxed));
      if (next == nullptr) return;
      for (std::size_t line = 0; line < kLinesAhead; ++line) __builtin_prefetch(next + line * kLineBytes);
    }
    static constexpr std::size_t kLineBytes = 64;
    static constexpr std::size_t kLinesAhead = 4;

    const RunMemtable& table_;
    const Row* row_ = nullptr;
  };

  // What stands before a key on each level. Those above the highest tower are the lowest one.
  using Path = std::array<Tower*, kHeightMax>;
  enum class Towered : std::uint8_t { maybe, yes };

  static Tower* tower_at(void* place, Row* row, int height) {
    auto* tower = new (place) Tower{row};
    for (int level = 0; level < height; ++level) new (&tower->next(level)) std::atomic<Tower*>(nullptr);
    return tower;
  }

  int any_height() {
    int height = 1;
    while (height < kHeightMax && random_() % kTowersPerLevel == 0) ++height;
    return height;
  }

  // Where a key is or would be. Both are of one look: a row that the writer puts between them meanwhile is in neither.
  struct Gap {
    const Row* before;  // the last with a lesser key, or head_
    const Row* after;   // the first with a key that is not less, or none
  };
  Gap gap_at(const rocksdb::Slice& key, Path* path = nullptr) const {
    auto* tower = lowest_;
    const Tower* greater = nullptr;  // is known to be
    for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0; --level) {
      for (;;) {
        auto* next = tower->next(level).load(std::memory_order_acquire);
        if (next == nullptr || next == greater) break;
        if (order_(next->row->entry(), key) >= 0) {
          greater = next;
          break;
        }
        tower = next;
      }
      if (path != nullptr) (*path)[static_cast<std::size_t>(level)] = tower;
    }
    const auto* row = tower->row;
    for (;;) {
      const auto* next = row->next.load(std::memory_order_acquire);
      if (next == nullptr || order_(next->entry(), key) >= 0) return {row, next};
      row = next;
    }
  }

  const Row* last() const {
    auto* tower = lowest_;
    for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0; --level)
      while (auto* next = tower->next(level).load(std::memory_order_acquire)) tower = next;
    const auto* row = tower->row;
    while (const auto* next = row->next.load(std::memory_order_acquire)) row = next;
    return row == &head_ ? nullptr : row;
  }

  static void link(Row* before, Row* row) {
    row->next.store(before->next.load(std::memory_order_relaxed), std::memory_order_relaxed);
    before->next.store(row, std::memory_order_release);
  }

  // False when the row is there already.
  bool insert(Row* row, Towered towered) {
    Path path;
    path.fill(lowest_);
    const auto key = rocksdb::GetLengthPrefixedSlice(row->entry());
    const auto [before, after] = gap_at(key, &path);
    if (after != nullptr && order_(after->entry(), key) == 0) return false;
    link(const_cast<Row*>(before), row);
    if (towered == Towered::maybe && random_() % kTowersPerLevel != 0) return true;
    const int height = any_height();
    auto* tower = tower_at(blocks_.place_for(tower_bytes(height)), row, height);
    for (int level = 0; level < height; ++level) {
      auto& from = path[static_cast<std::size_t>(level)]->next(level);
      tower->next(level).store(from.load(std::memory_order_relaxed), std::memory_order_relaxed);
      from.store(tower, std::memory_order_release);
    }
    if (height > height_.load(std::memory_order_relaxed)) height_.store(height, std::memory_order_relaxed);
    return true;
  }

  InBlocks blocks_;
  const KeyComparator& order_;
  Row head_;
  alignas(Tower) std::byte lowest_place_[tower_bytes(kHeightMax)];  // a memtable without rows takes no block
  Tower* const lowest_;
  std::atomic<int> height_{1};
  boost::unordered_flat_set<Tail, Hash, SameRun> tails_;
  std::atomic<std::size_t> index_bytes_{0};
  std::minstd_rand random_;
};

}  // namespace

rocksdb::MemTableRep* RunMemtableFactory::CreateMemTableRep(const rocksdb::MemTableRep::KeyComparator& order,
                                                            rocksdb::Allocator* arena, const rocksdb::SliceTransform*,
                                                            rocksdb::Logger*) {
  return new RunMemtable(order, arena, blocks_);
}

}  // namespace holdfast
