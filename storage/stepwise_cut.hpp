// How large files are cut and deleted so that no sync waits for it.
//
// What: a file system that tells the disk which blocks are free (the mount option `discard`) does so inside the call
// that frees them. 64 MiB at once take 15 ms, and a sync that comes meanwhile waits for all of them. Cut off from its
// end by kCutStepBytes they take 20, and a sync waits for less than a millisecond.
//
// Operation: the file first gets a name that nobody reads, durably, since one that a crash leaves half deleted would
// look like damage. What such names a killed process left is removed when the store is opened. Concurrency: one thread
// a file.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

constexpr std::uint64_t kCutStepBytes = std::uint64_t{1} << 20;
constexpr std::string_view kGoneSuffix = ".gone";

// As FSWritableFile::Truncate, to `size` from `from`.
[[nodiscard]] rocksdb::IOStatus cut_in_steps(rocksdb::FSWritableFile& file, std::uint64_t from, std::uint64_t size,
                                             const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug);

// As FileSystem::DeleteFile. A file with another link, whose content is not only this one's, is deleted at once.
[[nodiscard]] rocksdb::IOStatus delete_in_steps(rocksdb::FileSystem& files, const std::string& path,
                                                const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug);

// Of the store in `directory`, which is open. Best effort: what cannot be removed is tried again the next time.
void remove_gone(rocksdb::FileSystem& files, const std::string& directory);

}  // namespace holdfast
