// The keys on disk: golden bytes, which may never change within a format version, and the orders they stand for.
#include "storage/keys.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "src/core/crypto.hpp"

namespace holdfast {
namespace {

const ObjectId kId{"default", "chat-1"};
// 'S', 7 "default", 6 "chat-1"
const std::string kPrefix = "530764656661756c7406636861742d31";

bool contains(const Range& range, const std::string& key) {
  return range.from <= key && (range.to.empty() || key < range.to);
}

std::string ready_at(std::uint8_t priority, Time at, std::string name) {
  return keys::ready({false, "default", priority, at, std::move(name)});
}

}  // namespace

TEST_CASE("keys: golden bytes") {
  CHECK(to_hex(keys::session_prefix(kId)) == kPrefix);
  CHECK(to_hex(keys::document(kId)) == kPrefix + "64");
  CHECK(to_hex(keys::state(kId)) == kPrefix + "73");
  CHECK(to_hex(keys::marker(kId, 0x0102030405060708)) == kPrefix + "6a0102030405060708");
  CHECK(to_hex(keys::delivery(kId, 1)) == kPrefix + "640000000000000001");
  CHECK(to_hex(keys::event(kId, 0xffffffffffffffff)) == kPrefix + "65ffffffffffffffff");
  CHECK(to_hex(keys::message_id(kId, "m.1")) == kPrefix + "696d2e31");
  CHECK(to_hex(keys::ready({false, "p", 9, 0x0102, "s"})) ==
        "5201700000000000000001"
        "0273");
  CHECK(to_hex(keys::ready({false, "p", 0, 0x0102, "s"})) ==
        "5201700900000000000001"
        "0273");
  CHECK(to_hex(keys::ready({true, "p", 9, 0x0102, "s"})) ==
        "5001700000000000000001"
        "0273");
  CHECK(to_hex(keys::alarm({0x0102, kId})) == "410000000000000102" + kPrefix);
  CHECK(to_hex(keys::callback({0x0102, kId, 3})) == "430000000000000102" + kPrefix + "0000000000000003");
  CHECK(keys::due_at(keys::callback({0x0102, kId, 3})) == 0x0102);
}

TEST_CASE("keys: golden ranges") {
  CHECK(to_hex(keys::all_of(kId).from) == kPrefix);
  CHECK(to_hex(keys::all_of(kId).to) == "530764656661756c7406636861742d32");
  CHECK(to_hex(keys::markers(kId, 1, 2).from) == kPrefix + "6a0000000000000001");
  CHECK(to_hex(keys::markers(kId, 1, 2).to) == kPrefix + "6a0000000000000002");
  CHECK(to_hex(keys::deliveries(kId, 1, 2).from) == kPrefix + "640000000000000001");
  CHECK(to_hex(keys::deliveries(kId, 1, 2).to) == kPrefix + "640000000000000002");
  CHECK(to_hex(keys::events(kId, 1, 2).from) == kPrefix + "650000000000000001");
  CHECK(to_hex(keys::events(kId, 1, 2).to) == kPrefix + "650000000000000002");
  CHECK(to_hex(keys::all_ready(false).from) == "52");
  CHECK(to_hex(keys::all_ready(false).to) == "53");
  CHECK(to_hex(keys::all_ready(true).from) == "50");
  CHECK(to_hex(keys::all_callbacks().from) == "43");
  CHECK(to_hex(keys::all_alarms().from) == "41");
  CHECK(to_hex(keys::all_alarms().to) == "42");
}

TEST_CASE("keys: positions sort as numbers") {
  const std::vector<std::uint64_t> positions{
      0, 1, 127, 128, 255, 256, 65535, 65536, std::uint64_t{1} << 32, std::numeric_limits<std::uint64_t>::max()};
  for (std::size_t i = 0; i < positions.size(); ++i) {
    CHECK(keys::position_of(keys::marker(kId, positions[i])) == positions[i]);
    CHECK(keys::position_of(keys::event(kId, positions[i])) == positions[i]);
    if (i > 0) CHECK(keys::marker(kId, positions[i - 1]) < keys::marker(kId, positions[i]));
  }
}

TEST_CASE("keys: markers, deliveries and events come in runs, and nothing else does") {
  for (const auto& key : {keys::marker(kId, 1), keys::delivery(kId, 1), keys::event(kId, UINT64_MAX)}) {
    CHECK(keys::run_of(key) == std::string_view(key).substr(0, key.size() - 8));
    CHECK(keys::run_of(key + "x").empty());
    CHECK(keys::run_of(std::string_view(key).substr(0, key.size() - 1)).empty());
  }
  // An id may look like the end of a marker's key, or like all of it.
  CHECK(keys::run_of(keys::message_id(kId, "j00000001")).empty());
  CHECK(keys::run_of(keys::message_id(kId, "12345678")).empty());
  CHECK(keys::run_of(keys::message_id(kId, keys::marker(kId, 1))).empty());
  CHECK(keys::run_of(keys::document(kId)).empty());
  CHECK(keys::run_of({}).empty());
  CHECK(keys::run_of("S").empty());
}

TEST_CASE("keys: ready sessions sort by priority, then age, then name") {
  const std::vector<std::string> order{
      ready_at(9, 5, "b"),   ready_at(8, 1, "a"),  ready_at(8, 1, "b"),  ready_at(8, 2, "a"),
      ready_at(8, 256, "a"), ready_at(0, -5, "a"), ready_at(0, 0, "aa"), ready_at(0, 1'700'000'000'000, "a")};
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK(std::adjacent_find(order.begin(), order.end()) == order.end());
}

TEST_CASE("keys: a ready key can be read back, anything else cannot") {
  const bool push = GENERATE(false, true);
  const keys::Ready entry{push, "proj", 3, 1'700'000'000'123, "a.name~with:all_of-it"};
  const auto read = keys::parse_ready(keys::ready(entry));
  REQUIRE(read);
  CHECK(read->push == push);
  CHECK(read->project == entry.project);
  CHECK(read->priority == entry.priority);
  CHECK(read->at == entry.at);
  CHECK(read->name == entry.name);
  const std::string key = keys::ready(entry);
  // The name is the rest, so only what stands before it can be missing.
  for (std::size_t n = 0; n < key.size() - entry.name.size(); ++n) CHECK_FALSE(keys::parse_ready(key.substr(0, n)));
  CHECK_FALSE(keys::parse_ready("A" + key.substr(1)));
  std::string rank_10 = key;
  rank_10[2 + entry.project.size()] = 10;
  CHECK_FALSE(keys::parse_ready(rank_10));
}

TEST_CASE("keys: a callback key can be read back, anything else cannot") {
  const keys::Callback entry{1'700'000'000'123, kId, 42};
  const std::string key = keys::callback(entry);
  const auto read = keys::parse_callback(key);
  REQUIRE(read);
  CHECK(read->at == entry.at);
  CHECK(read->session == entry.session);
  CHECK(read->position == entry.position);
  for (std::size_t n = 0; n < key.size(); ++n) CHECK_FALSE(keys::parse_callback(key.substr(0, n)));
  CHECK_FALSE(keys::parse_callback(key + "x"));
}

TEST_CASE("keys: an alarm key can be read back, anything else cannot") {
  const keys::Alarm entry{1'700'000'000'123, kId};
  const std::string key = keys::alarm(entry);
  const auto read = keys::parse_alarm(key);
  REQUIRE(read);
  CHECK(read->at == entry.at);
  CHECK(read->owner == entry.owner);
  for (std::size_t n = 0; n < key.size(); ++n) CHECK_FALSE(keys::parse_alarm(key.substr(0, n)));
  CHECK_FALSE(keys::parse_alarm(key + "x"));
  CHECK_FALSE(keys::parse_alarm("R" + key.substr(1)));
  CHECK(keys::alarm({255, kId}) < keys::alarm({256, {"a", "a"}}));
}

TEST_CASE("keys: what belongs to a session is in its range, and nothing of another") {
  const Range all = keys::all_of(kId);
  for (const auto& key : {keys::document(kId), keys::state(kId), keys::marker(kId, ~0ULL), keys::delivery(kId, 0),
                          keys::event(kId, ~0ULL), keys::message_id(kId, "\xff\xff")}) {
    CHECK(contains(all, key));
  }
  for (const ObjectId& other : {ObjectId{"default", "chat-2"}, ObjectId{"default", "chat-"},
                                ObjectId{"default", "chat-10"}, ObjectId{"defaul", "tchat-1"}}) {
    CHECK_FALSE(contains(all, keys::document(other)));
    CHECK_FALSE(contains(all, keys::event(other, ~0ULL)));
  }
}

TEST_CASE("keys: the session of a document key, and of no other") {
  CHECK(keys::session_of_document(keys::document(kId)) == kId);
  CHECK_FALSE(keys::session_of_document(keys::state(kId)));
  CHECK_FALSE(keys::session_of_document(keys::delivery(kId, 1)));
  CHECK_FALSE(keys::session_of_document(keys::session_prefix(kId)));
  CHECK_FALSE(keys::session_of_document(""));
  CHECK_FALSE(keys::session_of_document("X" + keys::document(kId).substr(1)));
}

TEST_CASE("keys: a listing goes length by length") {
  const auto document = [](std::string name) { return keys::document({"default", std::move(name)}); };
  const auto state = [](std::string name) { return keys::state({"default", std::move(name)}); };

  const Range all = keys::documents("default", 2, "", "");
  CHECK(contains(all, document("aa")));
  CHECK(contains(all, document("zz")));
  CHECK_FALSE(contains(all, document("a")));
  CHECK_FALSE(contains(all, document("aaa")));
  CHECK_FALSE(contains(all, keys::document({"other", "aa"})));

  const Range prefixed = keys::documents("default", 2, "b", "");
  CHECK_FALSE(contains(prefixed, document("az")));
  CHECK(contains(prefixed, document("b0")));
  CHECK(contains(prefixed, document("bz")));
  CHECK_FALSE(contains(prefixed, document("c0")));

  const Range after = keys::documents("default", 2, "b", "bb");
  CHECK_FALSE(contains(after, document("ba")));
  CHECK_FALSE(contains(after, document("bb")));
  CHECK_FALSE(contains(after, state("bb")));
  CHECK(contains(after, document("bc")));
  CHECK_FALSE(contains(after, document("c0")));

  CHECK(contains(keys::documents("default", 2, "", "z"), document("aa")));  // shorter names came before
  CHECK(contains(keys::documents("default", 2, "b", "az"), document("b0")));
  for (const Range& none : {keys::documents("default", 2, "", "aaa"), keys::documents("default", 2, "abc", ""),
                            keys::documents("default", 2, "b", "c0")}) {
    CHECK(none.from >= none.to);
    CHECK_FALSE(none.to.empty());
  }
}

}  // namespace holdfast
