// Memory of memtables: touched ahead, used again, given back, and counted.
#include "storage/memtable_blocks.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "storage/keys.hpp"
#include "tests/contract/stores.hpp"

namespace holdfast {
namespace {

using test::TempDir;
using test::write;
using Block = MemtableBlocks::Block;

constexpr std::size_t kMiB = std::size_t{1} << 20;

bool in_time(const auto& condition) {
  constexpr auto kPatience = std::chrono::seconds(20);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

struct Some {
  explicit Some(std::chrono::milliseconds kept = MemtableBlocks::kKept) : blocks(budget, kept) {}
  std::shared_ptr<rocksdb::WriteBufferManager> budget = std::make_shared<rocksdb::WriteBufferManager>(128 * kMiB);
  MemtableBlocks blocks;

  Block* chain(std::size_t count) {
    Block* first = nullptr;
    for (std::size_t i = 0; i < count; ++i) {
      auto* block = blocks.take();
      block->next = first;
      first = block;
    }
    return first;
  }
};

}  // namespace

TEST_CASE("memtable blocks: the budget has them from the first write to the last use") {
  Some some;
  auto* block = some.chain(3);
  for (auto* at = block; at != nullptr; at = at->next) {
    CHECK(reinterpret_cast<std::uintptr_t>(at) % MemtableBlocks::kBytes == 0);
    std::memset(reinterpret_cast<char*>(at) + sizeof(Block), 'x', MemtableBlocks::kBytes - sizeof(Block));
  }
  CHECK(some.budget->memory_usage() == 3 * MemtableBlocks::kBytes);
  CHECK(some.budget->mutable_memtable_memory_usage() == 3 * MemtableBlocks::kBytes);
  some.blocks.sealed(3);
  CHECK(some.budget->memory_usage() == 3 * MemtableBlocks::kBytes);
  CHECK(some.budget->mutable_memtable_memory_usage() == 0);
  some.blocks.give_back(block, 3);
  CHECK(some.budget->memory_usage() == 0);
}

TEST_CASE("memtable blocks: none before the first is taken, then some are there beforehand") {
  Some some;
  CHECK(some.blocks.spare() == 0);
  auto* const block = some.blocks.take();
  CHECK(in_time([&] { return some.blocks.spare() == MemtableBlocks::kAhead; }));
  some.blocks.sealed(1);
  some.blocks.give_back(block, 1);
}

TEST_CASE("memtable blocks: what is given back is used again, and goes when nobody does") {
  constexpr std::size_t kMany = 20;
  {
    Some some;
    auto* const first = some.chain(kMany);
    std::vector<Block*> had;
    for (auto* at = first; at != nullptr; at = at->next) had.push_back(at);
    some.blocks.sealed(kMany);
    some.blocks.give_back(first, kMany);
    CHECK(some.blocks.spare() >= kMany);
    auto* const again = some.chain(kMany);
    std::size_t same = 0;
    for (auto* at = again; at != nullptr; at = at->next) same += std::count(had.begin(), had.end(), at);
    CHECK(same >= kMany - MemtableBlocks::kAhead);
    some.blocks.sealed(kMany);
    some.blocks.give_back(again, kMany);
  }
  Some hasty(std::chrono::milliseconds(1));
  auto* const first = hasty.chain(kMany);
  hasty.blocks.sealed(kMany);
  hasty.blocks.give_back(first, kMany);
  CHECK(in_time([&] { return hasty.blocks.spare() == MemtableBlocks::kAhead; }));
}

// Rows that fill a block to its last byte, that need the next one, and that are too large for one.
TEST_CASE("memtable blocks: rows of every size are there, and a full memtable is flushed") {
  const TempDir directory;
  const auto store = RocksStore::open(directory.path(), test::quiet()).value();
  constexpr std::size_t kLarge = MemtableBlocks::kBytes / 16;
  const auto value_of = [](std::uint64_t position) {
    const std::size_t bytes = position % 3 == 0   ? kLarge - 128 + position  // around the largest that a block takes
                              : position % 3 == 1 ? 3 * kLarge / 4 + position
                                                  : 100 + position;
    return std::string(bytes, static_cast<char>('a' + position % 26));
  };
  constexpr std::uint64_t kRows = 1'200;  // some 90 MiB, where a memtable has 64
  for (std::uint64_t position = 1; position <= kRows; ++position) {
    WriteSet writes;
    writes.put(Family::journal, keys::marker({"p", std::to_string(position % 7), {}}, position), value_of(position));
    REQUIRE(write(*store, writes, Durability::buffered));
  }
  const auto table_there = [&] {
    const auto entries = std::filesystem::directory_iterator(directory.path());
    return std::any_of(begin(entries), end(entries),
                       [](const auto& entry) { return entry.path().extension() == ".sst"; });
  };
  CHECK(in_time([&] { return table_there() && store->stats().memtable_bytes < 64 * kMiB; }));
  std::uint64_t wrong = 0;
  for (std::uint64_t position = 1; position <= kRows; ++position) {
    const auto key = keys::marker({"p", std::to_string(position % 7), {}}, position);
    if (store->get(Family::journal, key).value() != value_of(position)) ++wrong;
  }
  CHECK(wrong == 0);
}

}  // namespace holdfast
