// What a real store finds after a crash: every acknowledged row, or a refusal that says what to do. Never less.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rocksdb/db.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <functional>
#include <thread>

#include "src/core/random.hpp"
#include "storage/rocks_errors.hpp"
#include "storage/spare_log.hpp"
#include "storage/wal_repair.hpp"
#include "tests/contract/stores.hpp"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using test::put;
using test::quiet;
using test::read_file;
using test::Rows;
using test::rows_of;
using test::TempDir;
using test::write;
using test::write_file;

constexpr std::size_t kSector = 512;
constexpr std::size_t kUnwrittenBytes = 100'000;  // of the size ahead of the content; enough, and quick to copy

// The newest log: the one with the highest number.
fs::path log_in(const fs::path& directory) {
  fs::path newest;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".log" && entry.path().filename() > newest.filename()) newest = entry.path();
  }
  REQUIRE_FALSE(newest.empty());
  return newest;
}

std::string key_of(int n) { return "key-" + std::to_string(10'000 + n); }

std::string noise(Random& random, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>('a' + random.next() % 26);
  return text;
}

WriteSet row(Random& random, int n, std::size_t bytes) {
  WriteSet writes;
  writes.put(Family::objects, key_of(n), noise(random, bytes));
  writes.put(Family::journal, key_of(n), "marker");
  return writes;
}

// The files of a store as kill -9 leaves them: copied while it is open.
struct Crashed {
  fs::path directory;
  std::size_t acknowledged = 0;  // rows
  std::uint64_t good = 0;        // where the log ends after them
  std::uint64_t end = 0;         // where the last, unacknowledged record ends
};

void copy_store(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    if (entry.path().filename() != "LOCK") fs::copy_file(entry.path(), to / entry.path().filename());
  }
}

Crashed crash(const fs::path& base, Random& random, std::size_t last_bytes) {
  Crashed crashed{base / "crashed", 20};
  const auto store = RocksStore::open(base / "store", quiet()).value();
  for (int n = 0; n < 20; ++n) REQUIRE(write(*store, row(random, n, 1 + random.next() % 3'000)));
  crashed.good = inspect_wal(read_file(log_in(base / "store"))).good;
  REQUIRE(write(*store, row(random, 20, last_bytes)));
  crashed.end = inspect_wal(read_file(log_in(base / "store"))).good;
  REQUIRE(crashed.good < crashed.end);
  copy_store(base / "store", crashed.directory);
  fs::resize_file(log_in(crashed.directory), crashed.end + kUnwrittenBytes);
  return crashed;
}

bool has_every_acknowledged_row(const Store& store, const Crashed& crashed) {
  const Rows objects = rows_of(store, {"", ""});
  const Rows journal = rows_of(store, {"", ""}, Family::journal);
  const auto complete = [&](const Rows& rows) {
    // The last, unacknowledged batch may be there, in both families or in none.
    if (rows.size() < crashed.acknowledged || rows.size() > crashed.acknowledged + 1) return false;
    for (std::size_t n = 0; n < rows.size(); ++n) {
      if (rows[n].first != key_of(static_cast<int>(n))) return false;
    }
    return true;
  };
  return complete(objects) && complete(journal) && objects.size() == journal.size();
}

void check_recovers(const Crashed& crashed) {
  const auto opened = RocksStore::open(crashed.directory, quiet());
  INFO((opened ? std::string() : opened.error().detail));
  REQUIRE(opened);
  CHECK(has_every_acknowledged_row(**opened, crashed));
  CHECK(put(**opened, "next", "life"));
}

// Does `damage` to the log of many crashed stores; each must open with every acknowledged row.
void each_crash(const std::function<void(std::string& log, const Crashed& crashed, Random& random)>& damage) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const TempDir base;
    SeededRandom random(seed);
    const Crashed original = crash(base.path(), random, 1 + random.next() % 80'000);
    const std::string whole = read_file(log_in(original.directory));
    for (int time = 0; time < 8; ++time) {
      CAPTURE(seed, time);
      Crashed crashed = original;
      crashed.directory = base.path() / std::to_string(time);
      copy_store(original.directory, crashed.directory);
      std::string log = whole;
      damage(log, crashed, random);
      write_file(log_in(crashed.directory), log);
      check_recovers(crashed);
    }
  }
}

}  // namespace

TEST_CASE("recovery: a log that is open has its size ahead of its content, and loses it when it is closed") {
  const TempDir directory;
  SeededRandom random(1);
  fs::path log;
  {
    const auto store = RocksStore::open(directory.path(), quiet()).value();
    for (int n = 0; n < 3; ++n) REQUIRE(write(*store, row(random, n, 400)));
    log = log_in(directory.path());
    CHECK(inspect_wal(read_file(log)).kind == WalEnd::Kind::zeros);
    CHECK(fs::file_size(log) > 200'000);
  }
  CHECK(inspect_wal(read_file(log)).kind == WalEnd::Kind::whole);
  CHECK(fs::file_size(log) < 10'000);
}

// How much nicer than this one the nicest thread of that name is.
int nicer(const std::string& name) {
  int most = -100;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    std::ifstream comm(task.path() / "comm");
    std::string its_name;
    if (!std::getline(comm, its_name) || its_name != name) continue;
    most = std::max(most, ::getpriority(PRIO_PROCESS, static_cast<id_t>(std::stoi(task.path().filename().string()))));
  }
  return most - ::getpriority(PRIO_PROCESS, 0);
}

TEST_CASE("recovery: the next log of a busy store is a spare of zeros, and a crash in it loses nothing") {
  const TempDir base;
  const auto directory = base.path() / "store";
  const auto spare = directory / "spare.zeros";
  SeededRandom random(1);
  Crashed crashed{base.path() / "crashed", 40};
  fs::create_directories(directory);
  write_file(spare, "left by a process that was killed");
  {
    const auto store = RocksStore::open(directory, quiet()).value();
    CHECK_FALSE(fs::exists(spare));
    for (int n = 0; n < 20; ++n) REQUIRE(write(*store, row(random, n, 300'000)));
    for (int n = 0; n < 1'000 && fs::file_size(log_in(directory)) != SpareLog::kBytes; ++n) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      REQUIRE(write(*store, row(random, 20, 10)));
      REQUIRE(store->compact(Family::objects, {"", ""}));  // flushes, and so begins a log
    }
    REQUIRE(fs::file_size(log_in(directory)) == SpareLog::kBytes);
    CHECK(nicer("hf-spare-log") == 5);
    CHECK(nicer("rocksdb:high") == 5);
    for (int n = 21; n < 40; ++n) REQUIRE(write(*store, row(random, n, 30'000)));
    CHECK(inspect_wal(read_file(log_in(directory))).kind == WalEnd::Kind::zeros);
    copy_store(directory, crashed.directory);
  }
  CHECK(inspect_wal(read_file(log_in(directory))).kind == WalEnd::Kind::whole);
  CHECK_FALSE(fs::exists(spare));
  check_recovers(crashed);
}

TEST_CASE("recovery: a log that is never synced does not grow ahead") {
  const TempDir directory;
  SeededRandom random(1);
  const auto store = RocksStore::open(directory.path(), quiet()).value();
  for (int n = 0; n < 3; ++n) REQUIRE(write(*store, row(random, n, 400), Durability::buffered));
  CHECK(inspect_wal(read_file(log_in(directory.path()))).kind == WalEnd::Kind::whole);
}

TEST_CASE("recovery: a log that ends anywhere in its last record opens with every acknowledged row") {
  each_crash([](std::string& log, const Crashed& crashed, Random& random) {
    log.resize(crashed.good + random.next() % (crashed.end - crashed.good));
  });
}

TEST_CASE("recovery: any unwritten end of the last record opens with every acknowledged row") {
  each_crash([](std::string& log, const Crashed& crashed, Random& random) {
    // The disk writes sectors: an end that was not written begins at one, or with the record.
    const auto place = crashed.good + random.next() % (crashed.end - crashed.good);
    const auto from = std::max(crashed.good, place / kSector * kSector);
    std::fill(log.begin() + std::ptrdiff_t(from), log.end(), '\0');
  });
}

TEST_CASE("recovery: any unwritten sectors of the last record open with every acknowledged row") {
  each_crash([](std::string& log, const Crashed& crashed, Random& random) {
    const std::uint64_t first = crashed.good / kSector;
    const std::uint64_t sectors = (crashed.end - 1) / kSector - first + 1;
    for (std::uint64_t n = 1 + random.next() % sectors; n > 0; --n) {
      const std::uint64_t begin = (first + random.next() % sectors) * kSector;
      const auto from = std::ptrdiff_t(std::max(begin, crashed.good));
      const auto to = std::ptrdiff_t(std::min(begin + kSector, crashed.end));
      std::fill(log.begin() + from, log.begin() + to, '\0');
    }
  });
}

TEST_CASE("recovery: a flipped bit among acknowledged rows is refused, and nothing is changed") {
  const TempDir base;
  SeededRandom random(7);
  const Crashed crashed = crash(base.path(), random, 400);
  const fs::path log = log_in(crashed.directory);
  const std::string content = read_file(log);
  for (int place = 0; place < 50; ++place) {
    std::string damaged = content;
    const auto at = random.next() % crashed.good;
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << random.next() % 8);
    CAPTURE(place, at);
    write_file(log, damaged);
    const auto opened = RocksStore::open(crashed.directory, quiet());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == ErrorCode::internal);
    CHECK(opened.error().detail.find("is damaged at byte") != std::string::npos);
    CHECK(opened.error().detail.find("restore the latest backup") != std::string::npos);
    CHECK(read_file(log) == damaged);
  }
  write_file(log, content);
  check_recovers(crashed);
}

TEST_CASE("recovery: a torn log with a newer log behind it is refused") {
  const TempDir base;
  SeededRandom random(8);
  const Crashed crashed = crash(base.path(), random, 400);
  const fs::path log = log_in(crashed.directory);
  const std::string records = read_file(log).substr(0, crashed.good);
  fs::resize_file(log, crashed.end - 1);
  write_file(crashed.directory / "999999.log", records);
  const auto repaired = repair_wals(crashed.directory, quiet());
  REQUIRE_FALSE(repaired);
  CHECK(repaired.error().detail.find("is damaged at byte") != std::string::npos);
}

namespace {

// Writes rows and says each row's number, once it is acknowledged, into `pipe`; never returns.
[[noreturn]] void write_until_killed(const fs::path& directory, int pipe, Durability durability) {
  const auto store = RocksStore::open(directory, quiet());
  SeededRandom random(9);
  for (int n = 0; store; ++n) {
    if (!write(**store, row(random, n, 1 + random.next() % 2'000), durability)) break;
    if (::write(pipe, &n, sizeof n) != sizeof n) break;
  }
  ::_exit(1);
}

// Runs the writer in a child for a while and kills it. The number of rows that it had acknowledged.
std::size_t acknowledged_before_kill(const fs::path& directory, Durability durability, std::size_t at_least) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) write_until_killed(directory, ends[1], durability);
  ::close(ends[1]);
  std::size_t acknowledged = 0;
  int n = 0;
  while (::read(ends[0], &n, sizeof n) == sizeof n) {
    acknowledged = static_cast<std::size_t>(n) + 1;
    if (acknowledged == at_least) ::kill(child, SIGKILL);
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  return acknowledged;
}

}  // namespace

TEST_CASE("recovery: after kill -9 every acknowledged row is there", "[fork]") {
  const auto durability = GENERATE(Durability::synced, Durability::buffered);
  for (const std::size_t at_least : {1, 7, 100, 400}) {
    const TempDir base;
    const fs::path directory = base.path() / "store";
    const Crashed crashed{directory, acknowledged_before_kill(directory, durability, at_least)};
    CAPTURE(at_least, crashed.acknowledged);
    CHECK(crashed.acknowledged >= at_least);
    check_recovers(crashed);
  }
}

TEST_CASE("recovery: a store that is open is refused, names the holder, and is not touched", "[fork]") {
  const TempDir base;
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const fs::path directory = base.path() / "store";
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) write_until_killed(directory, ends[1], Durability::synced);
  int n = 0;
  while (n < 50) REQUIRE(::read(ends[0], &n, sizeof n) == sizeof n);
  REQUIRE(::kill(child, SIGSTOP) == 0);
  const auto size = fs::file_size(log_in(directory));
  const auto refused = RocksStore::open(directory, quiet());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::internal);
  CHECK(refused.error().detail.find("process " + std::to_string(child)) != std::string::npos);
  CHECK(refused.error().detail.find("Stop that process") != std::string::npos);
  CHECK(fs::file_size(log_in(directory)) == size);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("recovery: a store that is open in this process is refused, and stays locked") {
  const TempDir directory;
  const auto store = RocksStore::open(directory.path(), quiet()).value();
  for (int i = 0; i < 2; ++i) {
    const auto refused = RocksStore::open(directory.path(), quiet());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().detail.find("is open in") != std::string::npos);
  }
  CHECK(put(*store, "a", "1"));
}

TEST_CASE("recovery: an unknown column family is a newer format") {
  const TempDir directory;
  {
    rocksdb::DB* db = nullptr;
    rocksdb::Options options;
    options.create_if_missing = true;
    REQUIRE(rocksdb::DB::Open(options, directory.path().string(), &db).ok());
    rocksdb::ColumnFamilyHandle* family = nullptr;
    REQUIRE(db->CreateColumnFamily({}, "from_the_future", &family).ok());
    REQUIRE(db->DestroyColumnFamilyHandle(family).ok());
    delete db;
  }
  const auto refused = RocksStore::open(directory.path(), quiet());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail.find("newer format") != std::string::npos);
}

TEST_CASE("recovery: the secrets of rows are in no log of RocksDB's own") {
  const TempDir directory;
  const std::string secret = "a-value-that-nobody-may-log";
  for (int life = 0; life < 2; ++life) {
    const auto store = RocksStore::open(directory.path(), quiet()).value();
    REQUIRE(put(*store, secret, secret, Family::vault));
    REQUIRE(store->compact(Family::vault, {"", ""}));
  }
  for (const auto& entry : fs::directory_iterator(directory.path())) {
    if (!entry.path().filename().string().starts_with("LOG")) continue;
    CHECK(read_file(entry.path()).find(secret) == std::string::npos);
  }
}

}  // namespace holdfast
