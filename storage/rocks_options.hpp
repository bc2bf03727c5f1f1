// How Holdfast sets RocksDB up. Every option that is set has its reason next to it; what is not named is RocksDB's
// default. Memory: memtables are bounded by StoreMemory's budget, blocks, indexes and filters by its cache.
// Start-up: it reads the manifest and replays at most max_total_wal_size; it opens no table and scans no session.
#pragma once

#include <rocksdb/options.h>
#include <rocksdb/write_buffer_manager.h>

#include <memory>

#include "storage/memtable_blocks.hpp"
#include "storage/store.hpp"

namespace holdfast {

// What the column families of one store share.
struct StoreMemory {
  StoreMemory();
  std::shared_ptr<rocksdb::Cache> cache;
  std::shared_ptr<rocksdb::WriteBufferManager> budget;
  std::shared_ptr<MemtableBlocks> blocks;
};

[[nodiscard]] rocksdb::DBOptions database_options(const StoreMemory& memory);
[[nodiscard]] rocksdb::ColumnFamilyOptions family_options(Family family, const StoreMemory& memory);

}  // namespace holdfast
