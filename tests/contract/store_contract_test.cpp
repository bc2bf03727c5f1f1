// What every Store promises (storage/store.hpp), held to each of them.
#include <rapidcheck.h>

#include <array>
#include <atomic>
#include <map>
#include <thread>

#include "storage/keys.hpp"
#include "tests/contract/stores.hpp"

namespace holdfast {
namespace {

using test::put;
using test::Rows;
using test::rows_of;
using test::write;

std::string value_at(const Store& store, std::string_view key, Family family = Family::objects) {
  return store.get(family, key).value().value_or("<absent>");
}

Range descending(std::string from, std::string to) {
  return {std::move(from), std::move(to), Range::Order::descending};
}

}  // namespace

TEMPLATE_TEST_CASE("store: what was written is read, what was not is absent", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  CHECK_FALSE(store.get(Family::objects, "a").value());
  REQUIRE(put(store, "a", "1"));
  CHECK(value_at(store, "a") == "1");
  REQUIRE(put(store, "a", "2"));
  CHECK(value_at(store, "a") == "2");
  CHECK_FALSE(store.get(Family::objects, "").value());
  CHECK_FALSE(store.get(Family::objects, "aa").value());
  WriteSet erase;
  erase.erase(Family::objects, "a");
  erase.erase(Family::objects, "never there");
  REQUIRE(write(store, erase));
  CHECK_FALSE(store.get(Family::objects, "a").value());
}

TEMPLATE_TEST_CASE("store: a snapshot stays as it was, in every family", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  REQUIRE(put(store, "a", "1"));
  const auto before = store.snapshot();
  WriteSet later;
  later.put(Family::objects, "a", "2");
  later.put(Family::streams, "b", "3");
  REQUIRE(write(store, later));
  CHECK(before->get(Family::objects, "a").value() == "1");
  CHECK_FALSE(before->get(Family::streams, "b").value());
  int seen = 0;
  REQUIRE(before->scan(Family::streams, {"", ""}, [&](auto, auto) { return ++seen, Visit::next; }));
  CHECK(seen == 0);
  CHECK(store.snapshot()->get(Family::streams, "b").value() == "3");
}

TEMPLATE_TEST_CASE("store: empty and large values, any bytes in keys", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  std::string all_bytes;
  for (int byte = 0; byte < 256; ++byte) all_bytes += static_cast<char>(byte);
  const std::string large(8 << 20, 'x');
  REQUIRE(put(store, all_bytes, ""));
  REQUIRE(put(store, std::string(1, '\0'), all_bytes));
  REQUIRE(put(store, "\xff\xff", large));
  CHECK(store.get(Family::objects, all_bytes).value() == "");
  CHECK(value_at(store, std::string_view("\0", 1)) == all_bytes);
  CHECK(value_at(store, "\xff\xff") == large);
  const Rows rows = rows_of(store, {"", ""});
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].first == std::string(1, '\0'));  // bytewise and unsigned
  CHECK(rows[1].first == all_bytes);
  CHECK(rows[2].first == "\xff\xff");
}

TEMPLATE_TEST_CASE("store: families are apart", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  WriteSet writes;
  for (std::size_t i = 0; i < kFamilies; ++i) writes.put(static_cast<Family>(i), "k", std::to_string(i));
  REQUIRE(write(store, writes));
  WriteSet range;
  range.erase_range(Family::streams, "", "z");
  REQUIRE(write(store, range));
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    CHECK(value_at(store, "k", family) == (family == Family::streams ? "<absent>" : std::to_string(i)));
    CHECK(rows_of(store, {"", ""}, family).size() == (family == Family::streams ? 0 : 1));
  }
}

TEMPLATE_TEST_CASE("store: the writes of a batch apply in their order", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  REQUIRE(put(store, "b", "old"));
  WriteSet first;
  first.put(Family::objects, "a", "1");
  first.put(Family::objects, "a", "2");
  first.erase_range(Family::objects, "a", "z");
  first.put(Family::objects, "c", "3");
  WriteSet second;
  second.erase(Family::objects, "c");
  second.put(Family::objects, "c", "4");
  second.put(Family::objects, "d", "5");
  second.erase(Family::objects, "d");
  const auto batch = store.make_batch();
  CHECK(batch->empty());
  CHECK(batch->bytes() == 0);
  batch->append(first);
  batch->append(second);
  CHECK_FALSE(batch->empty());
  CHECK(batch->bytes() > 0);
  REQUIRE(store.write(*batch, Durability::synced));
  CHECK(rows_of(store, {"", ""}) == Rows{{"c", "4"}});
}

TEMPLATE_TEST_CASE("store: a cleared batch writes nothing of before", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  WriteSet before;
  before.put(Family::objects, "before", "x");
  WriteSet after;
  after.put(Family::journal, "after", "x");
  const auto batch = store.make_batch();
  batch->append(before);
  batch->clear();
  CHECK(batch->empty());
  CHECK(batch->bytes() == 0);
  batch->append({});
  CHECK(batch->empty());
  batch->append(after);
  REQUIRE(store.write(*batch, Durability::buffered));
  REQUIRE(store.sync());
  CHECK(value_at(store, "before") == "<absent>");
  CHECK(value_at(store, "after", Family::journal) == "x");
}

TEMPLATE_TEST_CASE("store: erase_range takes [from, to) and nothing when it is empty", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  WriteSet writes;
  for (const char* key : {"a", "b", "bb", "c", "d"}) writes.put(Family::objects, key, key);
  REQUIRE(write(store, writes));
  WriteSet range;
  range.erase_range(Family::objects, "b", "c");
  range.erase_range(Family::objects, "d", "a");
  range.erase_range(Family::objects, "d", "d");
  range.erase_range(Family::objects, "a", "");
  REQUIRE(write(store, range));
  CHECK(rows_of(store, {"", ""}) == Rows{{"a", "a"}, {"c", "c"}, {"d", "d"}});
  REQUIRE(put(store, "b", "again"));
  CHECK(value_at(store, "b") == "again");
}

TEMPLATE_TEST_CASE("store: a scan keeps its bounds in both orders", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  WriteSet writes;
  for (const char* key : {"a", "b", "c", "d"}) writes.put(Family::objects, key, key);
  REQUIRE(write(store, writes));
  const auto keys = [&](const Range& range) {
    std::string all;
    for (const auto& row : rows_of(store, range)) all += row.first;
    return all;
  };
  CHECK(keys({"", ""}) == "abcd");
  CHECK(keys({"b", "d"}) == "bc");
  CHECK(keys({"b", ""}) == "bcd");
  CHECK(keys({"aa", "cc"}) == "bc");
  CHECK(keys({"c", "c"}) == "");
  CHECK(keys({"d", "b"}) == "");
  CHECK(keys({"e", ""}) == "");
  CHECK(keys(descending("", "")) == "dcba");
  CHECK(keys(descending("b", "d")) == "cb");
  CHECK(keys(descending("b", "")) == "dcb");
  CHECK(keys(descending("", "c")) == "ba");
  CHECK(keys(descending("d", "b")) == "");
}

TEMPLATE_TEST_CASE("store: a scan stops when the visitor says so", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  WriteSet writes;
  for (const char* key : {"a", "b", "c"}) writes.put(Family::objects, key, key);
  REQUIRE(write(store, writes));
  for (const Range& range : {Range{"", ""}, descending("", "")}) {
    int visits = 0;
    REQUIRE(store.scan(Family::objects, range, [&](std::string_view key, std::string_view) {
      ++visits;
      return key == "b" ? Visit::stop : Visit::next;
    }));
    CHECK(visits == 2);
  }
}

TEMPLATE_TEST_CASE("store: a scan sees one moment, and its visitor may use the store", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  WriteSet writes;
  for (const char* key : {"a", "b", "c"}) writes.put(Family::objects, key, "old");
  REQUIRE(write(store, writes));
  Rows seen;
  REQUIRE(store.scan(Family::objects, {"", ""}, [&](std::string_view key, std::string_view value) {
    if (key == "a") {
      WriteSet changes;
      changes.put(Family::objects, "b", "new");
      changes.erase(Family::objects, "c");
      changes.put(Family::objects, "d", "new");
      REQUIRE(write(store, changes));
      CHECK(value_at(store, "b") == "new");
    }
    seen.emplace_back(key, value);
    return Visit::next;
  }));
  CHECK(seen == Rows{{"a", "old"}, {"b", "old"}, {"c", "old"}});
  CHECK(rows_of(store, {"", ""}) == Rows{{"a", "old"}, {"b", "new"}, {"d", "new"}});
}

TEMPLATE_TEST_CASE("store: readers beside the writer see whole batches", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  constexpr int kRows = 20;
  const auto batch_of = [&](int round) {
    WriteSet writes;
    for (int i = 0; i < kRows; ++i) writes.put(Family::objects, "k" + std::to_string(i), std::to_string(round));
    return writes;
  };
  REQUIRE(write(store, batch_of(0)));
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0};
  std::atomic<int> scans{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      while (!stop) {
        std::string first;
        int rows = 0;
        const auto scanned = store.scan(Family::objects, {"k", "l"}, [&](std::string_view, std::string_view value) {
          if (rows++ == 0) first = value;
          if (value != first) ++torn;
          return Visit::next;
        });
        if (!scanned || rows != kRows || !store.get(Family::objects, "k0").value()) ++torn;
        ++scans;
      }
    });
  }
  for (int round = 1; round <= 300 || scans < 100; ++round) {
    if (!write(store, batch_of(round), Durability::buffered)) ++torn;
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  CHECK(torn == 0);
}

TEMPLATE_TEST_CASE("store: compaction changes nothing that a reader sees", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  WriteSet writes;
  for (int i = 0; i < 100; ++i) writes.put(Family::vault, "k" + std::to_string(100 + i), std::to_string(i));
  REQUIRE(write(store, writes));
  WriteSet erase;
  erase.erase_range(Family::vault, "k100", "k150");
  REQUIRE(write(store, erase));
  REQUIRE(store.compact(Family::vault, {"k100", "k150"}));
  REQUIRE(store.compact(Family::vault, {"", ""}));
  CHECK(rows_of(store, {"", ""}, Family::vault).size() == 50);
}

namespace {

using Model = std::map<std::string, std::string>;

// Few keys, so that the operations meet.
std::string any_key() {
  return *rc::gen::container<std::string>(*rc::gen::inRange(0, 3), rc::gen::elementOf(std::string("ab\xff")));
}

void apply(Model& model, const WriteOp& op) {
  switch (op.kind) {
    case WriteOp::Kind::put: model[op.key] = op.value; return;
    case WriteOp::Kind::erase: model.erase(op.key); return;
    case WriteOp::Kind::erase_range:
      if (op.key < op.value) model.erase(model.lower_bound(op.key), model.lower_bound(op.value));
  }
}

WriteSet any_writes() {
  WriteSet writes;
  for (int n = *rc::gen::inRange(0, 6); n > 0; --n) {
    switch (*rc::gen::inRange(0, 4)) {
      case 0: writes.erase(Family::journal, any_key()); break;
      case 1: writes.erase_range(Family::journal, any_key(), any_key()); break;
      default: writes.put(Family::journal, any_key(), *rc::gen::arbitrary<std::string>()); break;
    }
  }
  return writes;
}

Rows rows_of(const Model& model, const Range& range) {
  Rows rows;
  for (const auto& [key, value] : model) {
    if (key >= range.from && (range.to.empty() || key < range.to)) rows.emplace_back(key, value);
  }
  if (range.order == Range::Order::descending) std::reverse(rows.begin(), rows.end());
  return rows;
}

}  // namespace

TEMPLATE_TEST_CASE("store: behaves as a sorted map", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  Model model;  // goes on from case to case, as the store does
  const bool held = rc::check([&] {
    const WriteSet writes = any_writes();
    for (const WriteOp& op : writes.ops) apply(model, op);
    RC_ASSERT(write(store, writes, Durability::buffered));
    for (const auto order : {Range::Order::ascending, Range::Order::descending}) {
      const Range range{any_key(), any_key(), order};
      RC_ASSERT(test::rows_of(store, range, Family::journal) == rows_of(model, range));
    }
    const std::string key = any_key();
    const auto found = model.find(key);
    const auto expected = found == model.end() ? std::nullopt : std::optional(found->second);
    RC_ASSERT(store.get(Family::journal, key).value() == expected);
  });
  CHECK(held);
}

namespace {

// The rows of a few sessions, as they come: most go behind the last one of their run, some before, some over another.
class Sessions {
 public:
  WriteSet any_writes() {
    WriteSet writes;
    for (int n = *rc::gen::inRange(0, 40); n > 0; --n) {
      const auto session = *rc::gen::inRange<std::size_t>(0, kSessions);
      const ObjectId id{"p", std::string(session, 's'), {}};  // one name begins with the other
      const auto any_position = [&] { return *rc::gen::inRange<std::uint64_t>(0, last_[session] + 2); };
      const auto put = [&](std::string key) { writes.put(Family::journal, std::move(key), std::to_string(++values_)); };
      switch (*rc::gen::inRange(0, 12)) {
        case 0: put(keys::marker(id, any_position())); break;
        case 1: put(keys::delivery(id, any_position())); break;
        case 2: put(keys::message_id(id, keys::marker(id, any_position()))); break;
        case 3: put(keys::message_id(id, "j" + std::to_string(*rc::gen::inRange(10'000'000, 10'000'003)))); break;
        case 4: writes.erase(Family::journal, keys::marker(id, any_position())); break;
        case 5: erase_some(writes, keys::markers(id, any_position(), any_position())); break;
        default: put(keys::marker(id, ++last_[session])); break;
      }
    }
    return writes;
  }
  std::string any_key() {
    const ObjectId id{"p", std::string(*rc::gen::inRange<std::size_t>(0, kSessions + 1), 's'), {}};
    return keys::marker(id, *rc::gen::inRange<std::uint64_t>(0, 500));
  }

 private:
  static void erase_some(WriteSet& writes, const Range& range) {
    if (*rc::gen::inRange(0, 4) == 0) writes.erase_range(Family::journal, range.from, range.to);
  }
  static constexpr std::size_t kSessions = 4;
  std::array<std::uint64_t, kSessions> last_{};
  std::uint64_t values_ = 0;
};

}  // namespace

TEMPLATE_TEST_CASE("store: rows that come in runs are a sorted map, too", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  Model model;
  Sessions sessions;
  auto before = store.snapshot();
  Model model_before;
  const bool held = rc::check([&] {
    const WriteSet writes = sessions.any_writes();
    for (const WriteOp& op : writes.ops) apply(model, op);
    RC_ASSERT(write(store, writes, Durability::buffered));
    for (const auto order : {Range::Order::ascending, Range::Order::descending}) {
      for (const Range& range : {Range{"", "", order}, Range{sessions.any_key(), sessions.any_key(), order}})
        RC_ASSERT(test::rows_of(store, range, Family::journal) == rows_of(model, range));
    }
    const std::string key = sessions.any_key();
    const auto found = model.find(key);
    RC_ASSERT(store.get(Family::journal, key).value().value_or("") == (found == model.end() ? "" : found->second));
    Rows seen;
    RC_ASSERT(before->scan(Family::journal, {"", ""}, [&](std::string_view at, std::string_view value) {
      return seen.emplace_back(at, value), Visit::next;
    }));
    RC_ASSERT(seen == rows_of(model_before, {"", ""}));
    if (*rc::gen::inRange(0, 8) != 0) return;
    before = store.snapshot();
    model_before = model;
    if (*rc::gen::inRange(0, 2) == 0) RC_ASSERT(store.compact(Family::journal, {"", ""}));
  });
  CHECK(held);
}

TEMPLATE_TEST_CASE("store: a run that grows is read without a gap", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  constexpr std::size_t kSessions = 50;
  const auto session = [](std::size_t i) { return ObjectId{"p", "s" + std::to_string(i), {}}; };
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0};
  std::atomic<int> scans{0};
  std::thread reader([&] {
    std::array<std::uint64_t, kSessions> known{};
    for (std::size_t i = 0; !stop || scans < 100; i = (i + 1) % kSessions, ++scans) {
      std::uint64_t last = 0;
      const auto visit = [&](std::string_view key, std::string_view) {
        if (keys::position_of(key) != ++last) ++torn;
        return Visit::next;
      };
      if (!store.scan(Family::journal, keys::markers(session(i), 1, UINT64_MAX), visit) || last < known[i]) ++torn;
      if (last > 0 && !store.get(Family::journal, keys::marker(session(i), last)).value()) ++torn;
      known[i] = last;
    }
  });
  for (std::uint64_t position = 1; position <= 200 || scans < 100; ++position) {
    WriteSet writes;
    for (std::size_t i = 0; i < kSessions; ++i) writes.put(Family::journal, keys::marker(session(i), position), "m");
    if (!write(store, writes, Durability::buffered)) ++torn;
    if (position % 50 == 0 && !store.compact(Family::journal, {"", ""})) ++torn;
  }
  stop = true;
  reader.join();
  CHECK(torn == 0);
}

TEMPLATE_TEST_CASE("store: a row is found while others come right before it", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  const std::string key = keys::marker({"p", "b", {}}, 1);
  REQUIRE(put(store, key, "there", Family::journal));
  std::atomic<bool> stop{false};
  std::atomic<int> missed{0};
  std::atomic<int> reads{0};
  std::thread reader([&] {
    for (; !stop || reads < 1'000; ++reads) {
      if (store.get(Family::journal, key).value() != "there") ++missed;
      int rows = 0;
      const auto scanned = store.scan(Family::journal, {key, ""}, [&](auto, auto) { return ++rows, Visit::next; });
      if (!scanned || rows != 1) ++missed;
    }
  });
  for (std::uint64_t batch = 0; batch < 200 || reads < 1'000; ++batch) {
    WriteSet writes;
    for (std::uint64_t i = 1; i <= 500; ++i)
      writes.put(Family::journal, keys::marker({"p", "a", {}}, batch * 500 + i), "m");
    if (!write(store, writes, Durability::buffered)) ++missed;
  }
  stop = true;
  reader.join();
  CHECK(missed == 0);
}

TEST_CASE("store: memory of rows in runs is given back, and counted so") {
  test::Rocks fixture;
  Store& store = *fixture.store;
  const auto empty = store.stats().memtable_bytes;
  for (std::uint64_t round = 1; round <= 3; ++round) {
    WriteSet writes;
    for (int i = 0; i < 10'000; ++i)
      writes.put(Family::journal, keys::marker({"p", std::to_string(i), {}}, round), "m");
    REQUIRE(write(store, writes, Durability::buffered));
    CHECK(store.stats().memtable_bytes > empty + 10'000 * 24);
    REQUIRE(store.compact(Family::journal, {"", ""}));
    CHECK(store.stats().memtable_bytes <= empty + 100'000);
  }
}

}  // namespace holdfast
