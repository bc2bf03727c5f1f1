// `holdfast torture` itself: it passes on the real server with every fault, and a server that loses what it
// acknowledged does not get away with it.
#include <algorithm>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

constexpr int kBroken = 1;

std::string line_with(const std::string& text, const std::string& word) {
  const auto at = text.find(word);
  if (at == std::string::npos) return {};
  const auto begin = text.rfind('\n', at) + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}

}  // namespace

TEST_CASE("torture: whichever faults come, the server keeps its word") {
  const TemporaryDirectory directory;
  const auto ended = run({"torture", "--seconds", "5", "--seed", "1", "--ready-seconds", "120", "--data",
                          directory / "run", "--json", directory / "json", "--picture", directory / "svg"});
  INFO(ended.errors << ended.output);
  REQUIRE(ended.code == 0);
  const Reply summary{200, {}, read_file(directory / "json")};
  CHECK(summary.at("/violations") == "[]");
  CHECK(summary.count("/faults") > 0);
  CHECK(std::stoull(summary.at("/operations/admit/ok")) > 0);
  CHECK(std::stoull(summary.at("/messages/completed")) > 0);
  for (const auto* rule :
       {"survives", "once", "dense", "real_time", "queue_order", "no_overlap", "one_end", "readers"}) {
    INFO(rule);
    CHECK(std::stoull(summary.at("/facts/" + std::string(rule))) > 0);
  }
  CHECK(read_file(directory / "svg").starts_with("<svg "));
  CHECK_FALSE(std::filesystem::exists(directory / "run"));  // nothing to show, nothing left
}

TEST_CASE("torture: a server that loses acknowledged rows in a crash is caught") {
  const TemporaryDirectory directory;
  const auto ended = run({"torture", "--seconds", "3", "--faults", "kill", "--ready-seconds", "120", "--lie", "--data",
                          directory / "run"});
  INFO(ended.errors << ended.output);
  REQUIRE(ended.code == kBroken);
  // What is gone shows in many ways: no row, another's number, an event that is not there.
  CHECK_FALSE(line_with(ended.errors, "violation of survives:").empty());
  CHECK(line_with(ended.errors, "to repeat:")
            .find("holdfast torture --seed 1 --seconds 3 --faults kill --ready-seconds 120") != std::string::npos);
  const auto smallest = read_file(directory / "run/violation.ndjson");
  const auto lines = std::count(smallest.begin(), smallest.end(), '\n');
  CHECK(lines > 0);
  CHECK(lines < 20);
  CHECK(std::filesystem::exists(directory / "run/history.ndjson"));
}

TEST_CASE("torture: what cannot be asked for is said") {
  CHECK(run({"torture", "--faults", "flood"}).code == 2);
  CHECK(run({"torture", "--faults", "flood"}).errors.find("kill,stop,disk_full") != std::string::npos);
  const TemporaryDirectory directory;
  std::ofstream(directory / "precious") << "x";
  const auto refused = run({"torture", "--data", directory / "."});
  CHECK(refused.code == 2);
  CHECK(refused.errors.find("empty folder") != std::string::npos);
  CHECK(run({"serve", "--data", directory / "d", "--fault-control", directory / "precious"}).code == 2);
}

}  // namespace holdfast::test
