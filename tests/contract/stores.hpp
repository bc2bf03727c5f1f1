// The stores under test, and directories that go away with the test.
#pragma once

#include <spdlog/sinks/null_sink.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/memory_store.hpp"
#include "storage/rocks_store.hpp"

namespace holdfast::test {

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "holdfast-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string read_file(const std::filesystem::path& path) {
  std::string content(std::filesystem::file_size(path), '\0');
  std::ifstream(path, std::ios::binary).read(content.data(), std::streamsize(content.size()));
  return content;
}

inline void write_file(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc).write(content.data(), std::streamsize(content.size()));
}

inline Logger& quiet() {
  static Logger logger("test", std::make_shared<spdlog::sinks::null_sink_mt>());
  return logger;
}

struct Memory {
  std::unique_ptr<Store> store = std::make_unique<MemoryStore>();
};

struct Rocks {
  TempDir directory;
  std::unique_ptr<Store> store = RocksStore::open(directory.path(), quiet()).value();
};

inline Result<void> write(Store& store, const WriteSet& writes, Durability durability = Durability::synced) {
  const auto batch = store.make_batch();
  batch->append(writes);
  return store.write(*batch, durability);
}

inline Result<void> put(Store& store, std::string key, std::string value, Family family = Family::objects) {
  WriteSet writes;
  writes.put(family, std::move(key), std::move(value));
  return write(store, writes);
}

using Rows = std::vector<std::pair<std::string, std::string>>;

inline Rows rows_of(const Store& store, const Range& range, Family family = Family::objects) {
  Rows rows;
  const auto scanned = store.scan(family, range, [&](std::string_view key, std::string_view value) {
    rows.emplace_back(key, value);
    return Visit::next;
  });
  REQUIRE(scanned);
  return rows;
}

}  // namespace holdfast::test
