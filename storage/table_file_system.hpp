// TableFileSystem: another file system, that refuses a table whose properties are damaged.
//
// What: RocksDB verifies each block of a table before it reads it, but for one: the properties are parsed first, and
// verified after that. Where it is built with assertions, as Debian's is, a flipped bit there can stop the process. So
// their checksum is compared when a table is opened; the status is then Corruption, as for any other block.
//
// Only tables of the form that this store writes (storage/rocks_options.cpp) are looked at. What else may be wrong with
// a table is left to RocksDB. Source of the form: RocksDB 7.8, table/format.h. Concurrency: as the target's.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>
#include <string>

namespace holdfast {

class TableFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;

  [[nodiscard]] const char* Name() const override { return "holdfast.TableFileSystem"; }

  rocksdb::IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override;
};

}  // namespace holdfast
