// Identity, format version and clean-shutdown mark, on both stores.
#include "storage/open.hpp"

#include <fstream>

#include "tests/contract/stores.hpp"

namespace holdfast {
namespace {

using test::put;
using test::quiet;
using test::TempDir;

Result<OpenedStore> open(const TempDir& directory) {
  SystemRandom random;
  return open_rocks(directory.path() / "data", 1'700'000'000'000, random, quiet());
}

std::uintmax_t bytes_of_logs(const std::filesystem::path& directory) {
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.path().extension() == ".log") bytes += entry.file_size();
  return bytes;
}

}  // namespace

TEMPLATE_TEST_CASE("open: the identity is made once, and the clean mark counts for one start", "", test::Memory,
                   test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  SeededRandom random(1);
  const auto first = identify(store, 1, random);
  REQUIRE(first);
  CHECK(first->created);
  CHECK(first->clean);
  CHECK(first->format == kFormatVersion);
  CHECK(first->id.starts_with("str_"));
  CHECK(first->id.size() == 4 + 32);

  const auto unclean = identify(store, 2, random);
  REQUIRE(unclean);
  CHECK(unclean->id == first->id);
  CHECK_FALSE(unclean->created);
  CHECK_FALSE(unclean->clean);

  REQUIRE(mark_clean(store));
  CHECK(identify(store, 3, random)->clean);
  CHECK_FALSE(identify(store, 4, random)->clean);
}

TEMPLATE_TEST_CASE("open: golden rows of the system family", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  SeededRandom random(1);
  const auto made = identify(store, 1, random);
  REQUIRE(made);
  REQUIRE(mark_clean(store));
  const auto rows = test::rows_of(store, {"", ""}, Family::system);
  REQUIRE(rows.size() == 3);
  CHECK(rows[0] == std::pair<std::string, std::string>("clean", "\x01"));
  CHECK(rows[1] == std::pair<std::string, std::string>("format", "\x01"));
  CHECK(rows[2] == std::pair<std::string, std::string>("identity", "\x01\x24" + made->id));
}

TEMPLATE_TEST_CASE("open: a newer format is refused, and nothing changes", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  SeededRandom random(1);
  REQUIRE(identify(store, 1, random));
  REQUIRE(mark_clean(store));
  REQUIRE(put(store, "format", "\x02", Family::system));
  const auto before = test::rows_of(store, {"", ""}, Family::system);
  const auto refused = identify(store, 2, random);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::internal);
  CHECK(refused.error().detail.find("format 2") != std::string::npos);
  CHECK(refused.error().detail.find("newer version") != std::string::npos);
  CHECK(test::rows_of(store, {"", ""}, Family::system) == before);
}

TEMPLATE_TEST_CASE("open: a damaged identity is refused", "", test::Memory, test::Rocks) {
  TestType fixture;
  Store& store = *fixture.store;
  SeededRandom random(1);
  REQUIRE(identify(store, 1, random));
  const auto [key, value] = GENERATE(std::pair<std::string, std::string>("format", ""),
                                     std::pair<std::string, std::string>("format", std::string(1, '\0')),
                                     std::pair<std::string, std::string>("identity", ""),
                                     std::pair<std::string, std::string>("identity", "\x01\x7fx"),
                                     std::pair<std::string, std::string>("identity", "\x02\x01x"));
  REQUIRE(put(store, key, value, Family::system));
  const auto refused = identify(store, 2, random);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail.find("'" + key + "'") != std::string::npos);
}

TEST_CASE("open: a data directory is made, private, and reopened") {
  const TempDir directory;
  std::string id;
  {
    const auto made = open(directory);
    REQUIRE(made);
    CHECK(made->identity.created);
    id = made->identity.id;
    REQUIRE(put(*made->store, "a", "1"));
    REQUIRE(mark_clean(*made->store));
  }
  using std::filesystem::perms;
  CHECK(std::filesystem::status(directory.path() / "data").permissions() == perms::owner_all);
  const auto reopened = open(directory);
  REQUIRE(reopened);
  CHECK(reopened->identity.id == id);
  CHECK(reopened->identity.clean);
  CHECK_FALSE(reopened->identity.created);
  CHECK(reopened->store->get(Family::objects, "a").value() == "1");
}

TEST_CASE("open: the log of a buffered store does not grow ahead, in its first life and in the next") {
  const TempDir directory;
  for (int life = 0; life < 2; ++life) {
    const auto opened = open(directory);
    REQUIRE(opened);
    REQUIRE(check_master_key(*opened->store, "check"));
    WriteSet writes;
    writes.put(Family::objects, "a", std::string(400, 'a'));
    for (int n = 0; n < 3; ++n) REQUIRE(test::write(*opened->store, writes, Durability::buffered));
    CHECK(bytes_of_logs(directory.path() / "data") < 10'000);
    REQUIRE(mark_clean(*opened->store));
  }
}

TEST_CASE("open: the log of a synced store grows ahead behind the rows of its opening") {
  const TempDir directory;
  const auto opened = open(directory);
  REQUIRE(opened);
  REQUIRE(put(*opened->store, "a", "1"));
  CHECK(bytes_of_logs(directory.path() / "data") > 200'000);
}

TEST_CASE("open: a place that is no directory is refused with what to do") {
  const TempDir directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms::owner_all);
  { std::ofstream(directory.path() / "data") << "a file"; }
  const auto refused = open(directory);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::internal);
  CHECK(refused.error().detail.find((directory.path() / "data").string()) != std::string::npos);
  CHECK(refused.error().detail.find("permissions") != std::string::npos);
}

}  // namespace holdfast
