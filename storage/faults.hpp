// Faults: what a test lets go wrong with the files under a store.
//
// What: a plan that is asked before each operation on a file, and says how it ends. FaultFileSystem
// (storage/fault_file_system.hpp) asks it, at the lowest place: under the log that grows ahead, above the operating
// system.
//
// Concurrency: asked from any thread that touches a file, several at a time. It may block, which delays the operation.
// Limits: LOCK and RocksDB's own LOG are not asked for.
#pragma once

#include <cstdint>
#include <string_view>

namespace holdfast {

struct FileOperation {
  enum class Kind : std::uint8_t {
    create,  // a file for writing; what was there is gone
    reopen,  // a file for writing, behind what is there
    open,    // a file for reading
    read,
    write,    // `bytes` at `offset`
    reserve,  // `bytes` of zeros from `offset` on, ahead of the content
    truncate,
    sync,
    close,  // of a file that was written
    rename,
    remove,
    link,
    list,
    make_directory,
    sync_directory,
  };
  Kind kind = Kind::open;
  std::string_view path;
  std::string_view to = {};  // rename, link: the new name
  std::uint64_t offset = 0;  // truncate: the size to be
  std::uint64_t bytes = 0;
  std::string_view data = {};  // write: what is written
};

struct FaultVerdict {
  enum class Kind : std::uint8_t {
    proceed,
    io_error,     // EIO
    no_space,     // ENOSPC
    interrupted,  // EINTR: an error that a retry may heal
    crash,        // this operation and every later one fail, and change nothing
  };
  Kind kind = Kind::proceed;
  std::uint64_t first_bytes = 0;  // a write that fails, also by a crash: how much of it is written all the same
};

class Faults {
 public:
  virtual ~Faults() = default;
  [[nodiscard]] virtual FaultVerdict on(const FileOperation& operation) = 0;
};

}  // namespace holdfast
