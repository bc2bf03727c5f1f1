// Store: the port to the disk. RocksStore and MemoryStore implement it; tests/contract holds both to one suite.
//
// A store maps (family, key) to value, keys ordered bytewise. Writes come only as batches: a batch is applied whole
// or not at all, in the order of the writes. Reads see what was written by a finished write() and nothing else.
//
// Thread-safety: get, scan and free_bytes from any thread at any time; write from one thread at a time. Beside it
// sync, compact and tend may run, each from one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <holdfast/backup.hpp>
#include <holdfast/error.hpp>
#include <holdfast/options.hpp>
#include <holdfast/stats.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

struct BackupTask;

// Column families. `docs/ARCHITECTURE.md` says what each holds.
enum class Family : std::uint8_t { objects, journal, streams, vault, index, system };
inline constexpr std::size_t kFamilies = 6;
[[nodiscard]] std::string_view name_of(Family family) noexcept;

// What one command writes. Plain data: it can be kept for read-your-writes, serialised, and replayed.
struct WriteOp {
  enum class Kind : std::uint8_t { put, erase, erase_range } kind = Kind::put;
  Family family = Family::objects;
  std::string key;
  std::string value;  // put: the value; erase_range: the first key after it (not after `key`: nothing is erased)
};

struct WriteSet {
  std::vector<WriteOp> ops;

  void put(Family f, std::string key, std::string value) {
    ops.push_back({WriteOp::Kind::put, f, std::move(key), std::move(value)});
  }
  void erase(Family f, std::string key) { ops.push_back({WriteOp::Kind::erase, f, std::move(key), {}}); }
  void erase_range(Family f, std::string from, std::string to) {
    ops.push_back({WriteOp::Kind::erase_range, f, std::move(from), std::move(to)});
  }
  [[nodiscard]] bool empty() const noexcept { return ops.empty(); }
};
using WriteSetPtr = std::shared_ptr<const WriteSet>;

// The store's own buffer of pending writes: a write set is appended straight into it.
class Batch {
 public:
  virtual ~Batch() = default;
  virtual void append(const WriteSet& writes) = 0;
  virtual void clear() noexcept = 0;  // keeps its memory
  [[nodiscard]] virtual std::size_t bytes() const noexcept = 0;
  [[nodiscard]] virtual bool empty() const noexcept = 0;
};

struct Range {
  std::string from;  // inclusive
  std::string to;    // exclusive; empty: the end of the family
  enum class Order : std::uint8_t { ascending, descending } order = Order::ascending;
};

enum class Visit : std::uint8_t { next, stop };

class Readable {
 public:
  virtual ~Readable() = default;

  // Errors of both: `internal` when the store cannot read (I/O, corruption).
  [[nodiscard]] virtual Result<std::optional<std::string>> get(Family family, std::string_view key) const = 0;
  // Calls `visit` for each pair of the range as of one moment; the views live for the call only.
  [[nodiscard]] virtual Result<void> scan(
      Family family, const Range& range,
      const std::function<Visit(std::string_view key, std::string_view value)>& visit) const = 0;
};

class Store : public Readable {
 public:
  // With less than this beside it a write is refused: the log's framing, and the files that a flush may begin.
  static constexpr std::uint64_t kSpareBytes = std::uint64_t{1} << 20;

  // The store as it is now, for reads that must fit together while it is written. It must not outlive the store.
  [[nodiscard]] virtual std::unique_ptr<Readable> snapshot() const = 0;

  [[nodiscard]] virtual std::unique_ptr<Batch> make_batch() const = 0;
  // Errors: `insufficient_storage` when nothing was written and the disk is full; otherwise `commit_unknown`: the
  // batch may or may not be there after a restart, and the store must not be written again in this process.
  [[nodiscard]] virtual Result<void> write(Batch& batch, Durability durability) = 0;
  // Makes earlier buffered writes durable. Errors: commit_unknown.
  [[nodiscard]] virtual Result<void> sync() = 0;
  // The space that is left for it, as last measured.
  [[nodiscard]] virtual std::uint64_t free_bytes() const noexcept = 0;
  // Measures that anew, and takes up again what stopped for want of it. To be called now and then.
  virtual void tend() = 0;
  // Rewrites the range so that erased values leave the files. Best effort; Errors: internal.
  [[nodiscard]] virtual Result<void> compact(Family family, const Range& range) = 0;
  // Any thread. A store without files has nothing to tell.
  [[nodiscard]] virtual StoreStats stats() const { return {}; }
  // Reads every file and compares its checksums; `damaged` for each that is not as it was written, with a sentence.
  // Errors: internal, when it could not look.
  [[nodiscard]] virtual Result<void> verify_tables(
      const std::function<void(std::uint64_t done, std::uint64_t total)>& watch,
      const std::function<void(const std::string& what)>& damaged) const = 0;
  // Copies the store while it is used; from any thread, see storage/backup.hpp. Errors: invalid_request for a store
  // that has no files.
  [[nodiscard]] virtual Result<Backup> backup(const BackupTask& task) = 0;
};

}  // namespace holdfast
