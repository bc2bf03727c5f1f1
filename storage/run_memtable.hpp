// RunMemtable: what RocksDB holds in memory of rows whose keys come in runs, until it writes them to a table.
//
// What: the markers of one session come in rising order, between those of all others (keys::run_of). RocksDB's own skip
// list searches for the place of each row, through rows that have long left the processor's caches; its hint for rows
// like these still looks at both neighbours on every level. Here the last row of each run is at hand, and the next one
// of the run goes right behind it: what stands there now has a greater key, and need not be read.
//
// Form: a list of all rows in the order of their keys, and towers above some of them (a skip list): above the first of
// a run and every kRowsPerTower-th after it. A row that is not the next of its run is placed by a search.
//
// Memory: MemtableBlocks have rows and towers, RocksDB's arena large rows; the index of runs is freed after the last.
// Thread-safety: one writer, as the commit pipeline is, and any number of readers beside it, without locks.
// Source: W. Pugh, "Skip lists", 1990; RocksDB 7.8, include/rocksdb/memtablerep.h.
#pragma once

#include <rocksdb/memtablerep.h>

#include <memory>
#include <utility>

#include "storage/memtable_blocks.hpp"

namespace holdfast {

class RunMemtableFactory final : public rocksdb::MemTableRepFactory {
 public:
  explicit RunMemtableFactory(std::shared_ptr<MemtableBlocks> blocks) : blocks_(std::move(blocks)) {}
  using MemTableRepFactory::CreateMemTableRep;
  rocksdb::MemTableRep* CreateMemTableRep(const rocksdb::MemTableRep::KeyComparator& order, rocksdb::Allocator* arena,
                                          const rocksdb::SliceTransform*, rocksdb::Logger*) override;
  [[nodiscard]] const char* Name() const override { return "holdfast.RunMemtable"; }
  [[nodiscard]] bool CanHandleDuplicatedKey() const override { return true; }

 private:
  const std::shared_ptr<MemtableBlocks> blocks_;
};

}  // namespace holdfast
