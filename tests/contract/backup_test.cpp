// Backups of real files, at the level of the store: what is copied, what is shared, what is found damaged.
#include <fstream>
#include <thread>

#include "storage/backup.hpp"
#include "storage/open.hpp"
#include "tests/contract/stores.hpp"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

constexpr Time kNow = 1'700'000'000'000;

OpenedStore open_at(const fs::path& directory) {
  SeededRandom random(7);
  auto opened = open_rocks(directory, kNow, random, quiet());
  if (!opened) FAIL(opened.error().detail);
  return std::move(*opened);
}

BackupTask task_for(const OpenedStore& opened, const fs::path& directory) {
  BackupTask task;
  task.request.directory = directory;
  task.store = opened.identity.id;
  task.now = kNow;
  return task;
}

std::vector<std::string> restored_keys(const fs::path& directory, const Backup& backup, const fs::path& data) {
  const auto ok = restore_backup(directory, backup, data, {}, quiet());
  if (!ok) FAIL(ok.error().detail);
  const auto opened = open_at(data);
  std::vector<std::string> keys;
  for (const auto& [key, value] : rows_of(*opened.store, {})) keys.push_back(key);
  return keys;
}

}  // namespace

TEST_CASE("backup: it has what was written before it, and not what came after") {
  const TempDir place;
  auto opened = open_at(place.path() / "data");
  REQUIRE(put(*opened.store, "a", "1"));
  const auto first = opened.store->backup(task_for(opened, place.path() / "b"));
  REQUIRE(first);
  REQUIRE(put(*opened.store, "b", "2"));
  const auto second = opened.store->backup(task_for(opened, place.path() / "b"));
  REQUIRE(second);
  CHECK(second->id == first->id + 1);
  CHECK(second->new_bytes < second->bytes);  // the table with "a" is shared
  REQUIRE(put(*opened.store, "c", "3"));
  CHECK(restored_keys(place.path() / "b", *first, place.path() / "r1") == std::vector<std::string>{"a"});
  CHECK(restored_keys(place.path() / "b", *second, place.path() / "r2") == std::vector<std::string>{"a", "b"});
  CHECK(list_backups(place.path() / "b").value().size() == 2);
}

TEST_CASE("backup: while the log is written a backup of it opens, with everything that was synced before") {
  const TempDir place;
  auto opened = open_at(place.path() / "data");
  std::atomic<bool> stop{false};
  std::atomic<int> synced{0};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      (void)put(*opened.store, "k" + std::to_string(i), std::string(20'000, 'x'));
      synced = i + 1;
    }
  });
  for (int n = 0; n < 5; ++n) {
    while (synced < 50 * (n + 1)) std::this_thread::yield();
    const int before = synced;
    const auto made = opened.store->backup(task_for(opened, place.path() / "b"));
    if (!made) FAIL_CHECK(made.error().detail);
    const auto data = place.path() / ("r" + std::to_string(n));
    const auto ok = restore_backup(place.path() / "b", *made, data, {}, quiet());
    if (!ok) FAIL_CHECK(ok.error().detail);
    const auto restored = open_at(data);
    for (int i = 0; i < before; ++i) CHECK(restored.store->get(Family::objects, "k" + std::to_string(i)).value());
  }
  stop = true;
  writer.join();
}

TEST_CASE("backup: only the newest ones are kept, and what they share stays") {
  const TempDir place;
  auto opened = open_at(place.path() / "data");
  auto task = task_for(opened, place.path() / "b");
  for (const auto* key : {"a", "b", "c"}) {
    REQUIRE(put(*opened.store, key, "1"));
    task.request.keep = 2;
    REQUIRE(opened.store->backup(task));
  }
  const auto backups = list_backups(place.path() / "b").value();
  REQUIRE(backups.size() == 2);
  CHECK(backups.front().id == 2);
  CHECK(restored_keys(place.path() / "b", backups.back(), place.path() / "r") ==
        std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("backup: directories that hold something else, or are in use, are refused") {
  const TempDir place;
  auto opened = open_at(place.path() / "data");
  REQUIRE(put(*opened.store, "a", "1"));
  CHECK(opened.store->backup(task_for(opened, place.path() / "data")).error().code == ErrorCode::invalid_request);
  const auto made = opened.store->backup(task_for(opened, place.path() / "b"));
  REQUIRE(made);
  auto foreign = task_for(opened, place.path() / "b");
  foreign.store = "str_other";
  CHECK(opened.store->backup(foreign).error().code == ErrorCode::invalid_request);
  CHECK(restore_backup(place.path() / "b", *made, place.path() / "data", {}, quiet()).error().code ==
        ErrorCode::invalid_request);
  CHECK(list_backups(place.path() / "data").error().code == ErrorCode::invalid_request);

  // A second backup, and a verification, while one is under way.
  auto slow = task_for(opened, place.path() / "b");
  bool asked = false;
  slow.watch = [&](BackupStatus::State, std::uint64_t, std::uint64_t) {
    if (std::exchange(asked, true)) return;
    CHECK(opened.store->backup(task_for(opened, place.path() / "b")).error().code == ErrorCode::conflict);
    CHECK(verify_backup(place.path() / "b", made->id, {}).error().code == ErrorCode::conflict);
  };
  REQUIRE(opened.store->backup(slow));
  CHECK(asked);
}

TEST_CASE("backup: one that is stopped leaves the earlier ones as they were") {
  const TempDir place;
  auto opened = open_at(place.path() / "data");
  REQUIRE(put(*opened.store, "a", "1"));
  const auto made = opened.store->backup(task_for(opened, place.path() / "b"));
  REQUIRE(made);
  REQUIRE(put(*opened.store, "b", "1"));
  auto stopped = task_for(opened, place.path() / "b");
  const std::atomic<bool> stop{true};
  stopped.stop = &stop;
  CHECK(opened.store->backup(stopped).error().code == ErrorCode::shutting_down);
  CHECK(list_backups(place.path() / "b").value().size() == 1);
  CHECK(verify_backup(place.path() / "b", made->id, {}));
  CHECK(opened.store->backup(task_for(opened, place.path() / "b")));
}

TEST_CASE("backup: a flipped byte in any of its files is found") {
  const TempDir place;
  auto opened = open_at(place.path() / "data");
  REQUIRE(put(*opened.store, "a", std::string(1'000, 'x')));
  const auto made = opened.store->backup(task_for(opened, place.path() / "b"));
  REQUIRE(made);
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(place.path() / "b")) {
    if (!entry.is_regular_file() || entry.file_size() == 0) continue;
    ++files;
    INFO(entry.path());
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(entry.file_size() / 2);
    file.seekg(middle);
    const auto was = static_cast<char>(file.get());
    const auto write = [&](char byte) {
      file.seekp(middle);
      file.put(byte);
      file.flush();
    };
    write(static_cast<char>(was ^ 1));
    CHECK_FALSE(verify_backup(place.path() / "b", made->id, {}));
    CHECK_FALSE(restore_backup(place.path() / "b", *made, place.path() / "r", {}, quiet()));
    CHECK((!fs::exists(place.path() / "r") || fs::is_empty(place.path() / "r")));
    write(was);
    CHECK(verify_backup(place.path() / "b", made->id, {}));
  }
  CHECK(files >= 4);
}

TEST_CASE("backup: a damaged table of a store is found, and named") {
  const TempDir place;
  {
    auto opened = open_at(place.path() / "data");
    std::string noise(100'000, '\0');
    SeededRandom(1).fill(std::as_writable_bytes(std::span(noise)));
    REQUIRE(put(*opened.store, "a", noise));
    REQUIRE(opened.store->compact(Family::objects, {}));
    REQUIRE(opened.store->verify_tables({}, [](const std::string& what) { FAIL_CHECK(what); }));
  }
  for (const auto& entry : fs::directory_iterator(place.path() / "data")) {
    if (entry.path().extension() != ".sst" || entry.file_size() < 100'000) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(50'000);
    file.write("damage", 6);
  }
  auto opened = open_at(place.path() / "data");
  std::string damage;
  REQUIRE(opened.store->verify_tables({}, [&](const std::string& what) { damage = what; }));
  CHECK(damage.find(".sst is damaged") != std::string::npos);
}

TEST_CASE("backup: tables that a compaction replaces meanwhile are verified all the same") {
  const TempDir place;
  const auto opened = open_at(place.path() / "data");
  std::string noise(3 << 20, '\0');
  for (std::uint64_t n = 0; n < 3; ++n) {
    SeededRandom(n).fill(std::as_writable_bytes(std::span(noise)));
    REQUIRE(put(*opened.store, "a", noise, n % 2 == 0 ? Family::objects : Family::journal));
    REQUIRE(opened.store->compact(n % 2 == 0 ? Family::objects : Family::journal, {}));
  }
  int looked = 0;
  const auto replace = [&](std::uint64_t, std::uint64_t) {
    if (looked++ != 0) return;
    for (const auto family : {Family::objects, Family::journal}) {
      REQUIRE(put(*opened.store, "b", "small", family));
      REQUIRE(opened.store->compact(family, {}));
    }
  };
  REQUIRE(opened.store->verify_tables(replace, [](const std::string& what) { FAIL_CHECK(what); }));
  CHECK(looked >= 2);
}

TEST_CASE("backup: a store in memory has none") {
  Memory memory;
  CHECK(memory.store->backup({}).error().code == ErrorCode::invalid_request);
}

}  // namespace holdfast::test
