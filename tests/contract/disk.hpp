// Disk: a plan of faults that counts the operations on files, lets some of them fail, and knows what a power cut may
// take.
//
// Operation: what was written to a file since its last sync may be lost, cut anywhere or have sectors of zeros; a name
// that was made, changed or removed since the last sync of its directory may be as it was before. after_power_cut()
// makes the directory what such a cut leaves, as its random says. The store must be closed by then.
//
// Concurrency: any thread. Limits: files grow at their end only, as RocksDB's do; one directory.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "src/core/random.hpp"
#include "storage/faults.hpp"

namespace holdfast::test {

class Disk final : public Faults {
 public:
  // Names that are removed or overwritten stay in `graveyard`, which is made, until they are surely gone.
  explicit Disk(std::filesystem::path graveyard);

  // From the n-th operation on, 1 being the first, `times` of those that can fail this way end with `verdict`.
  void fail_at(std::uint64_t n, FaultVerdict verdict, std::uint64_t times = 1);
  [[nodiscard]] std::uint64_t operations() const;
  // Whether a fault was given.
  [[nodiscard]] bool failed() const;
  [[nodiscard]] std::string what_failed() const;

  [[nodiscard]] FaultVerdict on(const FileOperation& operation) override;

  void after_power_cut(Random& random);

 private:
  struct File {
    std::uint64_t written = 0;
    std::uint64_t synced = 0;
    std::uint64_t reserved = 0;  // the end of zeros ahead of the content
  };
  struct Change {  // of a directory
    enum class Kind : std::uint8_t { created, renamed, removed } kind;
    std::string path, to;
    std::string buried;  // what `to`, or what was removed, was before; empty: nothing
  };

  void note(const FileOperation& operation, std::uint64_t bytes);
  [[nodiscard]] std::string bury(const std::string& path);
  void undo(const Change& change);
  void tear(const std::string& path, const File& file, Random& random);

  const std::filesystem::path graveyard_;
  mutable std::mutex mutex_;
  std::uint64_t operations_ = 0;
  std::uint64_t fail_at_ = 0;
  std::uint64_t times_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t buried_ = 0;
  FaultVerdict verdict_;
  std::string what_failed_;
  std::map<std::string, File> files_;
  std::vector<Change> changes_;  // since the last sync of the directory
};

}  // namespace holdfast::test
