#include "storage/rocks_options.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>

#include "storage/run_memtable.hpp"

namespace holdfast {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

// What a flush writes is soon merged into the levels below it, so it is not compressed twice.
std::vector<rocksdb::CompressionType> compression_per_level() {
  const auto supported = rocksdb::GetSupportedCompressions();
  const bool lz4 = std::find(supported.begin(), supported.end(), rocksdb::kLZ4Compression) != supported.end();
  return {rocksdb::kNoCompression, lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression};
}

void set_recovery(rocksdb::DBOptions& options) {
  options.create_if_missing = true;
  // A crash while the store is being made leaves some families; the next start makes the others.
  options.create_missing_column_families = true;
  // The default, kPointInTimeRecovery, drops acknowledged rows behind a flipped bit without a word; this mode
  // refuses to open. kAbsoluteConsistency would also refuse the ordinary torn tail of a crash.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  // In a recycled log this mode takes a bad checksum for the end of the log: acknowledged rows would be dropped.
  options.recycle_log_file_num = 0;
  options.manual_wal_flush = false;  // a write that returned is with the operating system
  options.paranoid_checks = true;
  // The log is always on and is what recovery reads, so families need not be flushed together.
  options.atomic_flush = false;
  options.avoid_flush_during_shutdown = true;
  // These walk every table at start; the manifest already proves which tables belong to the store.
  options.skip_stats_update_on_db_open = true;
  options.skip_checking_sst_file_sizes_on_db_open = true;
  // Bounds the replay at start.
  options.max_total_wal_size = 96 * kMiB;
}

void set_writing(rocksdb::DBOptions& options) {
  // The commit pipeline is the only writer: whatever serves several writers only costs.
  options.allow_concurrent_memtable_write = false;
  options.enable_write_thread_adaptive_yield = false;
  options.enable_pipelined_write = false;
  options.two_write_queues = false;
  options.unordered_write = false;
  options.max_background_jobs = 2;    // one flush and one compaction beside the engine's threads
  options.bytes_per_sync = kMiB / 8;  // tables reach the disk evenly, not in one burst that delays the log
}

void set_errors(rocksdb::DBOptions& options) {
  // A flush or compaction that failed is taken up again by RocksStore::tend or not at all. RocksDB's own retries of
  // errors that it takes for passing may leave a Close that never returns.
  options.max_bgerror_resume_count = 0;
}

void set_files(rocksdb::DBOptions& options) {
  // Leaves file descriptors to the connections, and start-up opens tables only as they are read.
  options.max_open_files = 512;
  // Deleting obsolete files when an iterator ends must not delay the command that read.
  options.avoid_unnecessary_blocking_io = true;
  // RocksDB's own log: warnings only, small, and never keys or values.
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = kMiB;
  options.keep_log_file_num = 4;
  options.allow_data_in_errors = false;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
}

bool looked_up_by_key(Family family) { return family == Family::objects || family == Family::journal; }
bool written_in_runs(Family family) { return family == Family::journal || family == Family::streams; }

}  // namespace

StoreMemory::StoreMemory()
    : cache(rocksdb::NewLRUCache(128 * kMiB)),
      budget(std::make_shared<rocksdb::WriteBufferManager>(128 * kMiB)),
      blocks(std::make_shared<MemtableBlocks>(budget)) {}

rocksdb::DBOptions database_options(const StoreMemory& memory) {
  rocksdb::DBOptions options;
  options.write_buffer_manager = memory.budget;
  set_recovery(options);
  set_writing(options);
  set_errors(options);
  set_files(options);
  return options;
}

rocksdb::ColumnFamilyOptions family_options(Family family, const StoreMemory& memory) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = memory.cache;
  // In the cache, so that memory stays bounded however many sessions there are; those of new tables stay there.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  // In parts of 4 KiB, so that what does not fit is read part by part: the whole filter and index of a table are
  // hundreds of KiB, and with more sessions than the cache has room for each admission to a cold one would read some of
  // them.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.pin_top_level_index_and_filter = true;
  table.format_version = 5;
  table.checksum = rocksdb::ChecksumType::kXXH3;
  if (looked_up_by_key(family)) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));  // 10 bits a key: 1 % false positives
    table.whole_key_filtering = true;
  }

  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = 64 * kMiB;
  if (written_in_runs(family)) options.memtable_factory = std::make_shared<RunMemtableFactory>(memory.blocks);
  options.level_compaction_dynamic_level_bytes = true;  // space: at most about 1.1 times the data
  options.compression_per_level = compression_per_level();
  // Looking for a session that does not exist is common (first use): the last level keeps its filters too.
  options.optimize_filters_for_hits = false;
  return options;
}

}  // namespace holdfast
