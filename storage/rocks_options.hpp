// How Holdfast sets RocksDB up. Every option that is set has its reason next to it; what is not named is RocksDB's
// default. Memory: memtables are bounded by db_write_buffer_size, blocks, indexes and filters by the block cache.
// Start-up: it reads the manifest and replays at most max_total_wal_size; it opens no table and scans no session.
#pragma once

#include <rocksdb/options.h>

#include "storage/store.hpp"

namespace holdfast {

[[nodiscard]] rocksdb::DBOptions database_options();

// The options of the column families share one block cache.
[[nodiscard]] std::shared_ptr<rocksdb::Cache> make_block_cache();
[[nodiscard]] rocksdb::ColumnFamilyOptions family_options(Family family, const std::shared_ptr<rocksdb::Cache>& cache);

}  // namespace holdfast
