// What a crash leaves at the end of a write-ahead log, told apart from damage, before RocksDB reads the log.
//
// The log is RocksDB's: blocks of 32 KiB; in them fragments of a 7-byte header (masked CRC-32C, length, type) and a
// payload; a record is one FULL fragment, or FIRST, MIDDLE..., LAST. One commit is one record, and the next one is
// written only when it is synced: a power cut can leave only the last record incomplete, and only by
// sectors that were never written. Those read as zeros, because the file has its size ahead of its content
// (storage/wal_file_system.hpp). So an incomplete end is a torn tail when no record begins behind it and
// - the file ends inside it, or
// - what it has in at least one of its sectors is all zeros.
// A torn tail was never acknowledged and is cut off. Anything else (a flipped bit, records behind the bad place) is
// damage: the store is not opened, since acknowledged rows would be dropped without a word.
//
// Limits: a sector that the disk lost and answers with zeros, in the very last record, looks like a torn tail.
// Concurrency: repair_wals takes the store's lock, so it never meets a running process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <holdfast/error.hpp>
#include <string_view>

#include "src/core/log.hpp"

namespace holdfast {

struct WalEnd {
  enum class Kind : std::uint8_t {
    whole,    // the file ends where its last record ends
    zeros,    // behind the last record there is nothing but zeros
    torn,     // the last record is incomplete
    damaged,  // the log is bad at `bad`
  } kind = Kind::whole;
  std::uint64_t good = 0;  // where the last complete record ends
  std::uint64_t bad = 0;   // where the first bad fragment begins
};

[[nodiscard]] WalEnd inspect_wal(std::string_view log) noexcept;

// Cuts off what a crash left in the logs of the store in `directory`. Without a store there it does nothing.
// Errors: internal, with what to do next (lock held, damage, I/O).
[[nodiscard]] Result<void> repair_wals(const std::filesystem::path& directory, Logger& logger);

}  // namespace holdfast
