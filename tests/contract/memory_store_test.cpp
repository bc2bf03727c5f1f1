// The crashes and faults that only the memory store can make.
#include "tests/contract/stores.hpp"

namespace holdfast {
namespace {

using test::put;
using test::rows_of;
using test::write;

WriteSet one(std::string key) {
  WriteSet writes;
  writes.put(Family::objects, key, key);
  return writes;
}

}  // namespace

TEST_CASE("memory store: a crash keeps what was synced") {
  SeededRandom random(1);
  MemoryStore store;
  REQUIRE(put(store, "a", "1"));
  REQUIRE(write(store, one("b"), Durability::buffered));
  REQUIRE(store.sync());
  const auto next = store.crash(random);
  CHECK(rows_of(*next, {"", ""}).size() == 2);
  CHECK(rows_of(store, {"", ""}).size() == 2);
}

TEST_CASE("memory store: of buffered batches a crash keeps some prefix") {
  SeededRandom random(2);
  MemoryStore store;
  REQUIRE(write(store, one("0"), Durability::synced));
  for (const char* key : {"1", "2", "3"}) REQUIRE(write(store, one(key), Durability::buffered));
  std::array<int, 5> kept{};
  for (int i = 0; i < 200; ++i) {
    const auto rows = rows_of(*store.crash(random), {"", ""});
    REQUIRE(rows.size() <= 4);
    for (std::size_t n = 0; n < rows.size(); ++n) CHECK(rows[n].first == std::to_string(n));
    ++kept[rows.size()];
  }
  CHECK(kept[0] == 0);
  for (std::size_t n = 1; n <= 4; ++n) CHECK(kept[n] > 0);
}

TEST_CASE("memory store: a full disk writes nothing and goes on") {
  MemoryStore store;
  store.inject(MemoryStore::Fault::full);
  const auto refused = put(store, "a", "1");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::insufficient_storage);
  CHECK(rows_of(store, {"", ""}).empty());
  CHECK(put(store, "a", "1"));
}

TEST_CASE("memory store: after an unknown outcome nothing can be written, and a crash tells") {
  SeededRandom random(3);
  const auto fault = GENERATE(MemoryStore::Fault::unknown_kept, MemoryStore::Fault::unknown_lost);
  MemoryStore store;
  REQUIRE(write(store, one("a"), Durability::synced));
  REQUIRE(write(store, one("b"), Durability::buffered));
  store.inject(fault);
  for (int i = 0; i < 3; ++i) {
    const auto refused = put(store, "c", "1");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::commit_unknown);
  }
  CHECK(store.sync().error().code == ErrorCode::commit_unknown);
  CHECK_FALSE(store.get(Family::objects, "c").value());
  for (int i = 0; i < 20; ++i) {
    const auto next = store.crash(random);
    const bool kept = fault == MemoryStore::Fault::unknown_kept;
    CHECK(next->get(Family::objects, "a").value().has_value());
    CHECK(next->get(Family::objects, "c").value().has_value() == kept);
    if (kept) CHECK(next->get(Family::objects, "b").value().has_value());
    CHECK(put(*next, "d", "1"));
  }
}

TEST_CASE("memory store: a read error is one read's") {
  MemoryStore store;
  REQUIRE(put(store, "a", "1"));
  store.inject(MemoryStore::Fault::read_error);
  REQUIRE(put(store, "b", "1"));
  CHECK(store.get(Family::objects, "a").error().code == ErrorCode::internal);
  CHECK(store.get(Family::objects, "a").value() == "1");
  store.inject(MemoryStore::Fault::read_error);
  const auto scanned = store.scan(Family::objects, {"", ""}, [](auto, auto) { return Visit::next; });
  REQUIRE_FALSE(scanned);
  CHECK(scanned.error().code == ErrorCode::internal);
  CHECK(rows_of(store, {"", ""}).size() == 2);
}

}  // namespace holdfast
