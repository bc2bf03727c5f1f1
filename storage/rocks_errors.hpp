// What a failure of RocksDB means to a caller of the store, and what a person does about it.
#pragma once

#include <rocksdb/status.h>

#include <cstdint>
#include <filesystem>
#include <holdfast/error.hpp>

namespace holdfast {

// `internal`: lock held, damaged, newer, not accessible; the detail ends with what to do next.
[[nodiscard]] tl::unexpected<Error> open_failed(const rocksdb::Status& status, const std::filesystem::path& directory);

// `internal`: the log is bad in the middle, at byte `at`.
[[nodiscard]] tl::unexpected<Error> log_damaged(const std::filesystem::path& log, std::uint64_t at);

[[nodiscard]] tl::unexpected<Error> read_failed(const rocksdb::Status& status);  // internal

// `insufficient_storage`: of a write that was not begun, the only one of which it is certain that nothing was written.
[[nodiscard]] tl::unexpected<Error> no_room(const std::filesystem::path& directory);

// Always commit_unknown: after a failed write or sync RocksDB cannot prove that the batch is not in the log.
[[nodiscard]] tl::unexpected<Error> write_failed(const rocksdb::Status& status);

}  // namespace holdfast
