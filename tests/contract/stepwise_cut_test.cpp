// Large files go in steps, under a name that nobody reads, and none is left behind.
#include "storage/stepwise_cut.hpp"

#include <cstdint>
#include <vector>

#include "tests/contract/stores.hpp"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using rocksdb::IOStatus;
using test::TempDir;

// Tells what each step frees, and that the new name was on the disk before the first; may refuse.
class Watched final : public rocksdb::FileSystemWrapper {
 public:
  Watched() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  [[nodiscard]] const char* Name() const override { return "Watched"; }
  IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file, rocksdb::IODebugContext* debug) override {
    cut.push_back(fs::path(path).filename());
    CHECK(directory_synced);
    if (fails == Fails::opening) return IOStatus::IOError("no");
    auto status = target()->ReopenWritableFile(path, options, file, debug);
    if (status.ok()) *file = std::make_unique<File>(std::move(*file), path, *this);
    return status;
  }

  IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                      rocksdb::IODebugContext* debug) override {
    directory_synced = false;
    return target()->RenameFile(from, to, options, debug);
  }
  IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* directory, rocksdb::IODebugContext* debug) override {
    if (fails == Fails::directory) return IOStatus::IOError("no");
    directory_synced = true;
    return target()->NewDirectory(path, options, directory, debug);
  }

  std::vector<std::string> cut;
  std::vector<std::uint64_t> freed;  // by each step
  bool directory_synced = false;
  enum class Fails : std::uint8_t { nothing, opening, directory, first_step } fails = Fails::nothing;

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(std::unique_ptr<rocksdb::FSWritableFile> file, std::string path, Watched& watched)
        : FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), watched_(watched) {}
    IOStatus Truncate(std::uint64_t size, const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
      if (watched_.fails == Fails::first_step) {
        watched_.fails = Fails::nothing;
        return IOStatus::IOError("no");
      }
      watched_.freed.push_back(fs::file_size(path_) - size);
      return FSWritableFileOwnerWrapper::Truncate(size, options, debug);
    }

   private:
    const std::string path_;
    Watched& watched_;
  };
};

std::size_t files_in(const TempDir& directory) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("stepwise cut: a large file goes by steps, a small one at once") {
  const TempDir directory;
  const auto path = directory.path() / "000007.log";
  Watched files;
  const auto size = GENERATE(std::uint64_t{0}, kCutStepBytes, kCutStepBytes + 1, 5 * kCutStepBytes - 1);
  test::write_file(path, std::string(size, 'x'));
  REQUIRE(delete_in_steps(files, path, {}, nullptr).ok());
  CHECK(files_in(directory) == 0);
  CHECK(files.cut.empty() == (size <= kCutStepBytes));
  for (const auto& name : files.cut) CHECK(name == "000007.log.gone");
  std::uint64_t freed = 0;
  for (const auto bytes : files.freed) {
    CHECK(bytes <= kCutStepBytes);
    freed += bytes;
  }
  CHECK(freed == (size <= kCutStepBytes ? 0 : size));
}

TEST_CASE("stepwise cut: what cannot be cut is deleted all the same") {
  const TempDir directory;
  const auto path = directory.path() / "000007.sst";
  Watched files;
  files.fails = GENERATE(Watched::Fails::opening, Watched::Fails::directory);
  const bool opened = files.fails == Watched::Fails::opening;
  test::write_file(path, std::string(3 * kCutStepBytes, 'x'));
  REQUIRE(delete_in_steps(files, path, {}, nullptr).ok());
  CHECK(files.cut.size() == (opened ? 1 : 0));
  CHECK(files_in(directory) == 0);
  CHECK_FALSE(delete_in_steps(files, path, {}, nullptr).ok());
}

TEST_CASE("stepwise cut: a step that fails does not keep a file from its end") {
  const TempDir directory;
  const auto path = directory.path() / "000007.log";
  test::write_file(path, std::string(3 * kCutStepBytes, 'x'));
  Watched files;
  files.directory_synced = true;
  files.fails = Watched::Fails::first_step;
  std::unique_ptr<rocksdb::FSWritableFile> file;
  REQUIRE(files.ReopenWritableFile(path, {}, &file, nullptr).ok());
  CHECK(cut_in_steps(*file, 3 * kCutStepBytes, 100, {}, nullptr).ok());
  CHECK(fs::file_size(path) == 100);
}

TEST_CASE("stepwise cut: a file that has another name keeps its content there") {
  const TempDir directory;
  const auto path = directory.path() / "000007.sst";
  const auto other = directory.path() / "kept";
  const std::string content(3 * kCutStepBytes, 'x');
  Watched files;
  test::write_file(path, content);
  fs::create_hard_link(path, other);
  REQUIRE(delete_in_steps(files, path, {}, nullptr).ok());
  CHECK_FALSE(fs::exists(path));
  CHECK(test::read_file(other) == content);
}

TEST_CASE("stepwise cut: what a crash left half deleted goes when the store opens") {
  const TempDir directory;
  test::write_file(directory.path() / "000007.log.gone", std::string(kCutStepBytes, 'x'));
  const auto store = RocksStore::open(directory.path(), test::quiet());
  REQUIRE(store);
  CHECK_FALSE(fs::exists(directory.path() / "000007.log.gone"));
}

}  // namespace holdfast
