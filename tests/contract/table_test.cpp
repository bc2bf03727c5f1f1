// A table whose end was damaged: its rows, or a status that says so. Never the end of the process.
#include <rocksdb/env.h>
#include <rocksdb/sst_file_reader.h>

#include <optional>

#include "storage/rocks_options.hpp"
#include "storage/table_file_system.hpp"
#include "tests/contract/stores.hpp"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using test::put;
using test::quiet;
using test::read_file;
using test::Rows;
using test::TempDir;
using test::write_file;

// The one table of a store with some rows.
fs::path make_table(const fs::path& directory) {
  const auto store = RocksStore::open(directory, quiet()).value();
  for (int n = 0; n < 20; ++n) REQUIRE(put(*store, "key-" + std::to_string(10 + n), "value"));
  REQUIRE(store->compact(Family::objects, {"", ""}));
  for (const auto& entry : fs::directory_iterator(directory))
    if (entry.path().extension() == ".sst") return entry.path();
  FAIL("no table was written");
  return {};
}

// The rows of a table, or nothing when it is refused.
std::optional<Rows> rows_in(const fs::path& table) {
  static const auto files = std::make_shared<TableFileSystem>(rocksdb::FileSystem::Default());
  static const auto env = rocksdb::NewCompositeEnv(files);
  const StoreMemory memory;  // not what a cache has of the table before it was damaged
  rocksdb::Options options(database_options(memory), family_options(Family::objects, memory));
  options.env = env.get();
  rocksdb::SstFileReader reader(options);
  if (!reader.Open(table.string()).ok()) return std::nullopt;
  Rows rows;
  const std::unique_ptr<rocksdb::Iterator> at(reader.NewIterator({}));
  for (at->SeekToFirst(); at->Valid(); at->Next()) rows.emplace_back(at->key().ToString(), at->value().ToString());
  return at->status().ok() ? std::optional(rows) : std::nullopt;
}

}  // namespace

TEST_CASE("table: whichever bit is flipped, it has its rows or is refused") {
  const TempDir directory;
  const auto table = make_table(directory.path() / "store");
  const auto whole = read_file(table);
  const auto rows = rows_in(table);
  REQUIRE(rows);
  REQUIRE(rows->size() == 20);
  const auto damaged = directory.path() / "damaged.sst";
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    auto bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    write_file(damaged, bytes);
    const auto found = rows_in(damaged);
    CAPTURE(bit);
    if (found) REQUIRE(*found == *rows);
    else ++refused;
  }
  CHECK(refused > 7 * whole.size());
}

TEST_CASE("table: damaged properties are damage of the store, and say what to do") {
  const TempDir directory;
  const auto table = make_table(directory.path());
  auto bytes = read_file(table);
  const auto at = bytes.find("host.identity");
  REQUIRE(at != std::string::npos);
  bytes[at] = 'H';
  write_file(table, bytes);
  const auto store = RocksStore::open(directory.path(), quiet());
  const auto row = store ? (*store)->get(Family::objects, "key-10") : tl::unexpected(store.error());
  REQUIRE_FALSE(row);
  CHECK(row.error().code == ErrorCode::internal);
  CHECK(row.error().detail.find("damaged") != std::string::npos);
}

}  // namespace holdfast
