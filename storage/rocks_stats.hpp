// What RocksDB says about itself, for a scrape: a few properties and a look at the directory. Any thread.
#pragma once

#include <filesystem>
#include <holdfast/stats.hpp>
#include <span>

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
}  // namespace rocksdb

namespace holdfast {

// Of the write-ahead log, as its files are long.
[[nodiscard]] std::uint64_t log_bytes(const std::filesystem::path& directory);
[[nodiscard]] StoreStats read_stats(rocksdb::DB& db, std::span<rocksdb::ColumnFamilyHandle* const> families,
                                    const std::filesystem::path& directory);

}  // namespace holdfast
