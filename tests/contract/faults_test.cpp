// What a store tells while its files fail, and what is there afterwards.
//
// A fixed workload runs on a file system in which the n-th operation fails, for every n. Each write set was told to be
// durable and is there, was refused and is not, or its outcome is unknown and it is there whole or not at all.
//     HOLDFAST_FAULT_STRIDE=1 bin/contract_tests 'faults:*'                  # every n; by default some of them
//     HOLDFAST_FAULT_N=17 HOLDFAST_FAULT_SEED=3 bin/contract_tests 'NAME'    # one n again
#include <condition_variable>
#include <cstdlib>
#include <thread>

#include "storage/commit_pipeline.hpp"
#include "tests/contract/disk.hpp"
#include "tests/contract/stores.hpp"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using test::Disk;
using test::put;
using test::quiet;
using VerdictKind = FaultVerdict::Kind;

constexpr std::uint64_t kBatchBytes = 1 << 20;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// In memory where that is possible: what a sync leaves is the plan's to say here.
class Place {
 public:
  Place() {
    const bool memory = fs::exists("/dev/shm");
    std::string name = ((memory ? fs::path("/dev/shm") : fs::temp_directory_path()) / "holdfast-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Place() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  [[nodiscard]] fs::path store() const { return path_ / "store"; }
  [[nodiscard]] fs::path graveyard() const { return path_ / "graveyard"; }

 private:
  fs::path path_;
};

// What was told of each key: the value that must be there, and those that may be there instead. Empty: no row.
class Told {
 public:
  void handed_in(const std::string& key, std::string value) { rows_[key].maybe.push_back(std::move(value)); }
  void outcome(const std::string& key, const std::string& value, const Result<void>& outcome) {
    auto& row = rows_[key];
    if (outcome) {
      row.must = value;
      row.maybe.clear();  // handed in and told in order: those before it were told too
    } else if (outcome.error().code == ErrorCode::insufficient_storage) {
      std::erase(row.maybe, value);
      ++refused;
    } else {
      REQUIRE(outcome.error().code == ErrorCode::commit_unknown);
      ++unknown;
    }
  }
  // Each key has the same value in two families, since a write set is there whole or not at all.
  void check(const Store& store) const {
    for (const auto& [key, row] : rows_) {
      const auto one = store.get(Family::objects, key);
      const auto other = store.get(Family::journal, key);
      REQUIRE(one);
      REQUIRE(other);
      const auto value = one->value_or("");
      INFO(key << " is " << value.size() << " bytes, must be " << row.must.size() << ", or one of "
               << row.maybe.size());
      CHECK(value == other->value_or(""));
      CHECK((value == row.must || std::find(row.maybe.begin(), row.maybe.end(), value) != row.maybe.end()));
    }
  }

  int refused = 0;
  int unknown = 0;

 private:
  struct Row {
    std::string must;
    std::vector<std::string> maybe;
  };
  std::map<std::string, Row> rows_;
};

// Writes through a pipeline as the engine does.
class Life {
 public:
  Life(Store& store, Told& told) : told_(told), pipeline_(store, Durability::synced, kBatchBytes) {}

  void write(const std::string& key, const std::string& value) {
    WriteSet writes;
    for (const auto family : {Family::objects, Family::journal}) {
      if (value.empty()) writes.erase(family, key);
      else writes.put(family, key, value);
    }
    told_.handed_in(key, value);
    pipeline_.submit(writes, [this, key, value](const Result<void>& outcome) { told_.outcome(key, value, outcome); });
  }
  bool commit() {
    while (pipeline_.commit_once()) {
    }
    return !pipeline_.broken();
  }

 private:
  Told& told_;
  CommitPipeline pipeline_;
};

// Batches of some write sets, sizes from a few bytes to several blocks of the log.
bool some_batches(Life& life, int from, int to) {
  for (int batch = from; batch < to; ++batch) {
    for (int n = 0; n < 1 + batch % 3; ++n) {
      const int key = (batch * 7 + n * 3) % 12;
      const bool erase = batch % 5 == 4 && n == 0;
      const auto bytes = static_cast<std::size_t>(batch % 4 == 3 ? 40'000 : 20 + 300 * n);
      life.write("k" + std::to_string(key),
                 erase ? std::string() : std::to_string(batch) + "." + std::to_string(n) + std::string(bytes, 'v'));
    }
    if (!life.commit()) return false;
  }
  return true;
}

// Two lives of a store, each with batches, a flush and a compaction, and batches behind it.
void work(const fs::path& directory, Faults& faults, Told& told) {
  for (int life = 0; life < 2; ++life) {
    const auto store = RocksStore::open(directory, quiet(), {&faults});
    if (!store) return;
    Life writes(**store, told);
    const int from = life * 10;
    if (!some_batches(writes, from, from + 4)) return;
    (void)(*store)->compact(Family::objects, {"", ""});
    (*store)->tend();
    if (!some_batches(writes, from + 4, from + 7)) return;
    (void)(*store)->compact(Family::journal, {"", ""});
    if (!some_batches(writes, from + 7, from + 10)) return;
  }
}

struct Sums {
  std::uint64_t runs = 0, refused = 0, unknown = 0;
};

// Runs `one` for n = 1, 1 + stride and so on, until a run has no fault.
void for_each_operation(const std::string& name, std::uint64_t stride,
                        const std::function<bool(std::uint64_t n, std::uint64_t seed)>& one) {
  stride = from_environment("HOLDFAST_FAULT_STRIDE", stride);
  const auto only = from_environment("HOLDFAST_FAULT_N", 0);
  const auto seed = from_environment("HOLDFAST_FAULT_SEED", 1);
  for (std::uint64_t n = only == 0 ? 1 : only;; n += stride) {
    INFO("again with: HOLDFAST_FAULT_N=" << n << " HOLDFAST_FAULT_SEED=" << seed << " bin/contract_tests '" << name
                                         << "'");
    if (!one(n, seed) || only != 0) return;
  }
}

void check_after(const fs::path& directory, const Told& told) {
  const auto store = RocksStore::open(directory, quiet());
  if (!store) FAIL(store.error().detail);
  told.check(**store);
  REQUIRE(put(**store, "after", "all"));
}

}  // namespace

TEST_CASE("faults: whichever operation on a file fails, what was told is so") {
  struct Variant {
    const char* name;
    FaultVerdict verdict;
    std::uint64_t times;
  };
  const auto variant =
      GENERATE(Variant{"EIO", {VerdictKind::io_error}, 1}, Variant{"EINTR", {VerdictKind::interrupted}, 1},
               Variant{"a short write", {VerdictKind::io_error, 7}, 1}, Variant{"ENOSPC", {VerdictKind::no_space}, 3},
               Variant{"ENOSPC after some bytes", {VerdictKind::no_space, 100}, 3});
  INFO(variant.name);
  Sums sums;
  for_each_operation("faults: whichever operation on a file fails, what was told is so", 97,
                     [&](std::uint64_t n, std::uint64_t) {
                       const Place place;
                       Disk disk(place.graveyard());
                       disk.fail_at(n, variant.verdict, variant.times);
                       Told told;
                       work(place.store(), disk, told);
                       INFO(variant.name << " at " << disk.what_failed());
                       check_after(place.store(), told);
                       ++sums.runs;
                       sums.unknown += static_cast<std::uint64_t>(told.unknown);
                       sums.refused += static_cast<std::uint64_t>(told.refused);
                       return disk.failed();
                     });
  std::printf("%s: %llu runs, %llu write sets of unknown outcome, %llu refused\n", variant.name,
              static_cast<unsigned long long>(sums.runs), static_cast<unsigned long long>(sums.unknown),
              static_cast<unsigned long long>(sums.refused));
}

TEST_CASE("faults: a power cut at any operation leaves what was told") {
  for_each_operation("faults: a power cut at any operation leaves what was told", 41,
                     [&](std::uint64_t n, std::uint64_t seed) {
                       const Place place;
                       Disk disk(place.graveyard());
                       SeededRandom random(seed * 1'000'003 + n);
                       disk.fail_at(n, {VerdictKind::crash, random.next() % 3 == 0 ? random.next() % 50'000 : 0});
                       Told told;
                       work(place.store(), disk, told);
                       const bool cut = disk.failed();
                       INFO("cut at " << disk.what_failed());
                       if (cut) disk.after_power_cut(random);
                       check_after(place.store(), told);
                       return cut;
                     });
}

namespace {

// Syncs wait until they are let go.
class SlowSyncs final : public Faults {
 public:
  FaultVerdict on(const FileOperation& operation) override {
    if (operation.kind != FileOperation::Kind::sync || !operation.path.ends_with(".log")) return {};
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return let_go_; });
    return {};
  }
  void let_go(bool all) {
    const std::scoped_lock lock(mutex_);
    let_go_ = all;
    changed_.notify_all();
  }
  void wait_for_one() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool let_go_ = true;
  int waiting_ = 0;
};

}  // namespace

TEST_CASE("faults: a slow sync delays, and nothing else") {
  const Place place;
  SlowSyncs slow;
  const auto store = RocksStore::open(place.store(), quiet(), {&slow}).value();
  REQUIRE(put(*store, "before", "v"));
  CommitPipeline pipeline(*store, Durability::synced, kBatchBytes);
  pipeline.start();
  slow.let_go(false);
  std::atomic<int> told{0};
  WriteSet writes;
  writes.put(Family::objects, "k", "v");
  pipeline.submit(writes, [&](const Result<void>& outcome) { told = outcome ? 1 : -1; });
  slow.wait_for_one();
  CHECK(told == 0);
  CHECK(pipeline.durable() == 0);
  CHECK(store->get(Family::objects, "before").value() == "v");  // readers do not wait
  slow.let_go(true);
  pipeline.stop();
  CHECK(told == 1);
  CHECK(pipeline.durable() == 1);
}

namespace {

// A disk without space: what takes some fails, and so it says.
class Full final : public Faults {
 public:
  FaultVerdict on(const FileOperation& operation) override {
    using Kind = FileOperation::Kind;
    const bool takes =
        operation.kind == Kind::create || operation.kind == Kind::write || operation.kind == Kind::reserve;
    const bool table = operation.path.ends_with(".sst");
    if (takes && (full || (tables_fail && table))) return {VerdictKind::no_space};
    return {};
  }
  std::uint64_t free_bytes(std::uint64_t) override { return left; }

  std::atomic<bool> full{false};
  std::atomic<bool> tables_fail{false};
  std::atomic<std::uint64_t> left{std::uint64_t{1} << 40};
};

}  // namespace

TEST_CASE("faults: a write that the disk has no room for is refused before it begins, and with room it goes on") {
  const Place place;
  Full disk;
  const auto store = RocksStore::open(place.store(), quiet(), {&disk}).value();
  REQUIRE(put(*store, "a", "v"));
  CHECK(store->free_bytes() > std::uint64_t{1} << 39);
  disk.full = true;
  disk.left = Store::kSpareBytes - 1;
  store->tend();
  CHECK(store->free_bytes() == Store::kSpareBytes - 1);
  const auto refused = put(*store, "b", "v");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::insufficient_storage);
  CHECK(refused.error().detail.find("nothing was written") != std::string::npos);
  CHECK(store->get(Family::objects, "a").value() == "v");
  CHECK_FALSE(store->get(Family::objects, "b").value().has_value());
  disk.full = false;
  disk.left = Store::kSpareBytes + 1'000;  // the batch and what is spared beside it
  CHECK(put(*store, "b", "v"));
  CHECK_FALSE(put(*store, "c", std::string(1'000, 'v')));
}

TEST_CASE("faults: what RocksDB gave up for want of space it takes up again") {
  const Place place;
  Full disk;
  {
    const auto store = RocksStore::open(place.store(), quiet(), {&disk}).value();
    REQUIRE(put(*store, "a", std::string(100'000, 'v')));
    disk.tables_fail = true;
    CHECK_FALSE(store->compact(Family::objects, {"", ""}));  // the flush fails, and RocksDB stops
    CHECK(store->free_bytes() == 0);
    const auto refused = put(*store, "b", "v");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::insufficient_storage);
    CHECK(store->get(Family::objects, "a").value().has_value());

    store->tend();  // there is no space yet
    CHECK_FALSE(put(*store, "b", "v"));

    disk.tables_fail = false;
    store->tend();
    CHECK(store->free_bytes() > 0);
    REQUIRE(put(*store, "b", "v"));
    REQUIRE(store->compact(Family::objects, {"", ""}));
  }
  const auto store = RocksStore::open(place.store(), quiet()).value();
  CHECK(store->get(Family::objects, "a").value() == std::string(100'000, 'v'));
  CHECK(store->get(Family::objects, "b").value() == "v");
}

}  // namespace holdfast
