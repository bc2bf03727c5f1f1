#include "storage/rocks_stats.hpp"

#include <rocksdb/db.h>

#include <charconv>
#include <map>
#include <string>

namespace holdfast {
namespace {

using Property = std::string;

std::uint64_t of_all(rocksdb::DB& db, const Property& name) {
  std::uint64_t value = 0;
  return db.GetAggregatedIntProperty(name, &value) ? value : 0;
}

std::uint64_t of_one(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, const Property& name) {
  std::uint64_t value = 0;
  return db.GetIntProperty(family, name, &value) ? value : 0;
}

std::uint64_t number(const std::map<std::string, std::string>& values, const std::string& name) {
  std::uint64_t value = 0;
  const auto found = values.find(name);
  if (found != values.end()) std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return value;
}

// Every family has files of its own at level 0, and its own reasons to stall.
void add_family(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, StoreStats& stats) {
  std::string files;
  if (db.GetProperty(family, rocksdb::DB::Properties::kNumFilesAtLevelPrefix + "0", &files))
    stats.level0_files += std::strtoull(files.c_str(), nullptr, 10);
  std::map<std::string, std::string> stalls;
  if (!db.GetMapProperty(family, rocksdb::DB::Properties::kCFStats, &stalls)) return;
  stats.slowdowns += number(stalls, "io_stalls.total_slowdown");
  stats.stops += number(stalls, "io_stalls.total_stop");
}

}  // namespace

std::uint64_t log_bytes(const std::filesystem::path& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;  // a log that goes away meanwhile counts for nothing
  for (std::filesystem::directory_iterator file(directory, error), end; !error && file != end; file.increment(error)) {
    std::error_code gone;
    const auto size = file->path().extension() == ".log" ? file->file_size(gone) : 0;
    if (!gone) bytes += size;
  }
  return bytes;
}

StoreStats read_stats(rocksdb::DB& db, std::span<rocksdb::ColumnFamilyHandle* const> families,
                      const std::filesystem::path& directory) {
  using P = rocksdb::DB::Properties;
  StoreStats stats;
  stats.log_bytes = log_bytes(directory);
  stats.memtable_bytes = of_all(db, P::kSizeAllMemTables);
  stats.table_bytes = of_all(db, P::kTotalSstFilesSize);
  stats.pending_compaction_bytes = of_all(db, P::kEstimatePendingCompactionBytes);
  stats.block_cache_bytes = of_one(db, families.front(), P::kBlockCacheUsage);  // one cache for all
  stats.delayed_write_rate = of_one(db, families.front(), P::kActualDelayedWriteRate);
  stats.writes_stopped = of_one(db, families.front(), P::kIsWriteStopped);
  for (auto* family : families) add_family(db, family, stats);
  std::error_code unknown;
  const auto space = std::filesystem::space(directory, unknown);
  if (!unknown) stats.disk_free_bytes = space.available;
  return stats;
}

}  // namespace holdfast
