// Times, names, limits, error codes, strict reading and the repeatable generator.
#include <rapidcheck.h>
#include <algorithm>
#include <catch2/catch.hpp>
#include <holdfast/error.hpp>
#include <holdfast/options.hpp>
#include <holdfast/types.hpp>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "src/core/clock.hpp"
#include "src/core/crypto.hpp"
#include "src/core/json.hpp"
#include "src/core/random.hpp"
#include "src/core/strict.hpp"

namespace holdfast {
namespace {

constexpr Time kYear0 = -62'167'219'200'000;      // 0000-01-01T00:00:00.000Z
constexpr Time kYear10000 = 253'402'300'800'000;  // the first moment that four digits cannot write

bool snake_case(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// All values of an enum whose names end where name_of says "unknown".
template <class E>
std::vector<std::string> names() {
  std::vector<std::string> all;
  for (int i = 0; name_of(static_cast<E>(i)) != "unknown"; ++i) all.emplace_back(name_of(static_cast<E>(i)));
  return all;
}

// Every name is parsed back to its value, and nothing else is.
template <class E, class Parse>
void check_names(const std::vector<std::string>& expected, Parse parse) {
  CHECK(names<E>() == expected);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(expected[i]);
    CHECK(parse(expected[i]) == static_cast<E>(i));
    CHECK_FALSE(parse(expected[i] + " ").has_value());
    CHECK_FALSE(parse(expected[i].substr(1)).has_value());
  }
  for (const std::string other : {"", "unknown", "Idle", "IDLE", "0"}) CHECK_FALSE(parse(other).has_value());
}

std::string pointer_and_detail(const Error& error) { return error.pointer + ": " + error.detail; }

template <class T>
std::string refusal(const Result<T>& result) {
  if (result) return "(accepted)";
  CHECK(result.error().code == ErrorCode::invalid_body);
  return pointer_and_detail(result.error());
}

}  // namespace

// ---- times -----------------------------------------------------------------------------------------------------

TEST_CASE("time: known moments are written and read", "[core][time]") {
  const std::map<Time, std::string> moments{
      {kYear0, "0000-01-01T00:00:00.000Z"},
      {-62'135'596'800'000, "0001-01-01T00:00:00.000Z"},
      {-2'208'988'800'000, "1900-01-01T00:00:00.000Z"},
      {-86'400'000, "1969-12-31T00:00:00.000Z"},
      {-1, "1969-12-31T23:59:59.999Z"},
      {0, "1970-01-01T00:00:00.000Z"},
      {1, "1970-01-01T00:00:00.001Z"},
      {68'169'600'000, "1972-02-29T00:00:00.000Z"},
      {951'782'399'999, "2000-02-28T23:59:59.999Z"},
      {951'782'400'000, "2000-02-29T00:00:00.000Z"},
      {951'868'800'000, "2000-03-01T00:00:00.000Z"},
      {1'704'067'199'999, "2023-12-31T23:59:59.999Z"},
      {1'767'323'045'678, "2026-01-02T03:04:05.678Z"},
      {4'107'542'400'000, "2100-03-01T00:00:00.000Z"},
      {kYear10000 - 1, "9999-12-31T23:59:59.999Z"},
  };
  for (const auto& [at, text] : moments) {
    CAPTURE(text);
    CHECK(json::format_time(at) == text);
    CHECK(json::parse_time(text) == at);
  }
  std::string out = "x";
  json::append_time(out, 0);
  CHECK(out == "x\"1970-01-01T00:00:00.000Z\"");
}

TEST_CASE("time: RFC 3339 in all its forms is read", "[core][time]") {
  const Time at = 1'767'323'045'000;  // 2026-01-02T03:04:05Z
  CHECK(json::parse_time("2026-01-02T03:04:05Z") == at);
  CHECK(json::parse_time("2026-01-02t03:04:05z") == at);
  CHECK(json::parse_time("2026-01-02T03:04:05+00:00") == at);
  CHECK(json::parse_time("2026-01-02T03:04:05-00:00") == at);
  CHECK(json::parse_time("2026-01-02T04:34:05+01:30") == at);
  CHECK(json::parse_time("2026-01-01T19:04:05-08:00") == at);
  CHECK(json::parse_time("2026-01-03T03:03:05+23:59") == at);
  CHECK(json::parse_time("2026-01-02T03:04:05.6Z") == at + 600);
  CHECK(json::parse_time("2026-01-02T03:04:05.67Z") == at + 670);
  CHECK(json::parse_time("2026-01-02T03:04:05.678Z") == at + 678);
  CHECK(json::parse_time("2026-01-02T03:04:05.6789Z") == at + 678);
  CHECK(json::parse_time("2026-01-02T03:04:05.000000001Z") == at);
  CHECK(json::parse_time("2026-01-02T03:04:05.999999999+00:00") == at + 999);
  // The examples of RFC 3339, section 5.8, but for the leap seconds.
  CHECK(json::parse_time("1985-04-12T23:20:50.52Z") == 482'196'050'520);
  CHECK(json::parse_time("1996-12-19T16:39:57-08:00") == 851'042'397'000);
  CHECK(json::parse_time("1937-01-01T12:00:27.87+00:20") == -1'041'337'172'130);
}

TEST_CASE("time: what is not of that form, or no day, is refused", "[core][time]") {
  for (const std::string text : {"",
                                 "2026",
                                 "2026-01-02",
                                 "2026-01-02T03:04Z",
                                 "2026-01-02T03:04:05",
                                 "2026-01-02T03:04:05.Z",
                                 "2026-01-02T03:04:05.1234567890Z",
                                 "2026-01-02T03:04:05,5Z",
                                 "2026-01-02 03:04:05Z",
                                 "2026-01-02T03:04:05Z ",
                                 " 2026-01-02T03:04:05Z",
                                 "2026-01-02T03:04:05ZZ",
                                 "2026-01-02T03:04:05+",
                                 "2026-01-02T03:04:05+01",
                                 "2026-01-02T03:04:05+0100",
                                 "2026-01-02T03:04:05+01:0",
                                 "2026-01-02T03:04:05+01:000",
                                 "2026-01-02T03:04:05+24:00",
                                 "2026-01-02T03:04:05+01:60",
                                 "2026-01-02T03:04:05+01-00",
                                 "2026-01-02T03:04:05 +01:00",
                                 "2026/01/02T03:04:05Z",
                                 "2026-01-02T03.04.05Z",
                                 "26-01-02T03:04:05Z",
                                 "+2026-01-02T03:04:05Z",
                                 "-026-01-02T03:04:05Z",
                                 "2026-1-02T03:04:05Z",
                                 "2026-00-02T03:04:05Z",
                                 "2026-13-02T03:04:05Z",
                                 "2026-01-00T03:04:05Z",
                                 "2026-01-32T03:04:05Z",
                                 "2026-04-31T03:04:05Z",
                                 "2026-02-29T03:04:05Z",
                                 "2024-02-30T03:04:05Z",
                                 "1900-02-29T03:04:05Z",
                                 "2100-02-29T03:04:05Z",
                                 "2026-01-02T24:00:00Z",
                                 "2026-01-02T03:60:05Z",
                                 "2026-01-02T03:04:60Z",
                                 "1990-12-31T23:59:60Z",
                                 "2026-01-02T-3:04:05Z",
                                 "2026-01-02T03:04:0xZ"}) {
    CAPTURE(text);
    CHECK_FALSE(json::parse_time(text).has_value());
  }
  CHECK_FALSE(json::parse_time(std::string_view("2026-01-02T03:04:05\0", 20)).has_value());
  const std::string whole = "2026-01-02T03:04:05.678+01:00";
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK_FALSE(json::parse_time(whole.substr(0, n)).has_value());
}

TEST_CASE("time: a moment that UTC cannot write in four digits of a year is refused", "[core][time]") {
  CHECK(json::parse_time("0000-01-01T01:00:00+01:00") == kYear0);
  CHECK(json::parse_time("9999-12-31T22:59:59.999-01:00") == kYear10000 - 1);
  CHECK_FALSE(json::parse_time("0000-01-01T00:59:59.999+01:00").has_value());
  CHECK_FALSE(json::parse_time("9999-12-31T23:00:00-01:00").has_value());
}

TEST_CASE("time: what was written is read back, and texts sort as their moments", "[core][time]") {
  const bool held = rc::check([] {
    const auto a = *rc::gen::inRange<Time>(kYear0, kYear10000);
    const auto b = *rc::gen::inRange<Time>(kYear0, kYear10000);
    RC_ASSERT(json::parse_time(json::format_time(a)) == a);
    RC_ASSERT((a < b) == (json::format_time(a) < json::format_time(b)));
  });
  CHECK(held);
  // Every day of a period of the calendar.
  const Time day = 86'400'000;
  for (Time at = 951'782'400'000; at < 951'782'400'000 + 146'097 * day; at += day) {
    if (json::parse_time(json::format_time(at)) != at) {
      CAPTURE(at);
      CHECK(json::parse_time(json::format_time(at)) == at);
    }
  }
}

TEST_CASE("time: the system's clock is of this century and does not stand", "[core][time]") {
  const SystemClock clock;
  const auto now = clock.now();
  CHECK(now > 1'700'000'000'000);
  CHECK(now < kYear10000);
  CHECK(clock.now() >= now - 1'000);
}

// ---- names -----------------------------------------------------------------------------------------------------

TEST_CASE("names: the spellings of the contract", "[core][names]") {
  check_names<SessionStatus>({"idle", "queued", "running", "paused"}, session_status);
  check_names<MessageState>({"queued", "dispatched", "running", "completed", "failed", "interrupted", "cancelled",
                             "expired", "replaced", "merged"},
                            message_state);
  check_names<OnBusy>({"enqueue", "reject", "interrupt", "replace", "merge", "steer"}, on_busy);
  check_names<RepositoryKind>({"none", "git", "github", "gitlab", "bitbucket"}, repository_kind);
  check_names<WorkspaceState>({"cold", "warm"}, workspace_state);
  check_names<InterruptScope>({"running", "all"}, interrupt_scope);
  CHECK(names<Outcome>() == std::vector<std::string>{"enqueued", "merged", "replaced", "interrupting", "steered"});
  CHECK(names<CredentialOutcome>() == std::vector<std::string>{"none", "stored", "server_managed", "ignored"});
}

TEST_CASE("names: a message is terminal unless it waits or runs", "[core][names]") {
  for (const auto& name : names<MessageState>()) {
    CAPTURE(name);
    CHECK(terminal(*message_state(name)) == (name != "queued" && name != "dispatched" && name != "running"));
  }
}

// ---- limits ----------------------------------------------------------------------------------------------------

TEST_CASE("limits: every scalar limit has a row, once, under its name", "[core][limits]") {
  const auto fields = limit_fields();
  constexpr auto kLists = sizeof(Limits::retry_default_ms) + sizeof(Limits::retry_rate_limited_ms) +
                          sizeof(Limits::retry_unreachable_ms) + sizeof(Limits::callback_retry_ms);
  CHECK(fields.size() == (sizeof(Limits) - kLists) / sizeof(std::uint64_t));

  Limits limits;
  std::set<std::string> seen;
  std::uint64_t value = 1'000;
  for (const auto& field : fields) {
    CAPTURE(field.name);
    CHECK(snake_case(field.name));
    CHECK(seen.insert(std::string(field.name)).second);
    limits.*field.field = ++value;
  }
  std::uint64_t expected = 1'000;
  std::size_t rows = 0;
  for_each_limit(limits, [&](std::string_view name, std::uint64_t found) {
    CHECK(name == fields[rows].name);
    CHECK(found == ++expected);  // a field that stands twice would have lost its first value
    ++rows;
  });
  CHECK(rows == fields.size());
  CHECK(limits.body_bytes_max == 1'001);
}

TEST_CASE("limits: the defaults agree with each other", "[core][limits]") {
  const Limits limits;
  CHECK(limits.content_bytes_max <= limits.body_bytes_max);
  CHECK(limits.metadata_bytes_max <= limits.body_bytes_max);
  CHECK(limits.body_bytes_max <= limits.in_flight_bytes_max);
  CHECK(limits.queue_capacity <= limits.queue_capacity_max);
  CHECK(limits.lease_ms_min <= limits.lease_ms_max);
  CHECK(static_cast<std::uint64_t>(ClaimRequest{}.lease_ms) >= limits.lease_ms_min);
  CHECK(static_cast<std::uint64_t>(ClaimRequest{}.lease_ms) <= limits.lease_ms_max);
  for (const auto* series : {&limits.retry_default_ms, &limits.retry_rate_limited_ms, &limits.retry_unreachable_ms}) {
    CHECK_FALSE(series->empty());
    CHECK(std::is_sorted(series->begin(), series->end()));
  }
}

// ---- errors ----------------------------------------------------------------------------------------------------

TEST_CASE("errors: each code has a name, a title and a status", "[core][errors]") {
  std::set<std::string> names_seen;
  std::set<std::string> titles_seen;
  for (int i = 0; i < kErrorCodes; ++i) {
    const auto code = static_cast<ErrorCode>(i);
    CAPTURE(i, name_of(code));
    CHECK(snake_case(name_of(code)));
    CHECK(names_seen.insert(std::string(name_of(code))).second);
    CHECK(titles_seen.insert(std::string(title_of(code))).second);
    CHECK(title_of(code).size() > 3);
    CHECK(title_of(code).back() != '.');
    CHECK(status_of(code) >= 400);
    CHECK(status_of(code) < 600);
    const std::set<int> waits{408, 429, 503, 504};
    CHECK(retryable(code) == waits.contains(status_of(code)));
  }
  CHECK(name_of(ErrorCode::queue_full) == "queue_full");
  CHECK(status_of(ErrorCode::queue_full) == 429);
  CHECK(status_of(ErrorCode::commit_unknown) == 503);
}

TEST_CASE("errors: fail carries what it was given", "[core][errors]") {
  const Result<int> result = fail(ErrorCode::too_large, "over", "/a");
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::too_large);
  CHECK(pointer_and_detail(result.error()) == "/a: over");
  CHECK(result.error().retry_after_ms == 0);
  CHECK(result.error().members.empty());
}

// ---- strict reading --------------------------------------------------------------------------------------------

TEST_CASE("strict: a place is an RFC 6901 pointer", "[core][strict]") {
  const strict::Place root("");
  const strict::Place list(root, "a/b~c");
  const strict::Place item(list, std::size_t{12});
  const strict::Place empty(item, "");
  CHECK(root.pointer().empty());
  CHECK(list.pointer() == "/a~1b~0c");
  CHECK(empty.pointer() == "/a~1b~0c/12/");
  const strict::Place spec("/spec");
  CHECK(strict::Place(spec, "x").pointer() == "/spec/x");
  CHECK(strict::missing(root, "x").value().pointer == "/x");
  CHECK(strict::unknown(list).value().code == ErrorCode::invalid_body);
}

TEST_CASE("strict: each reader takes its type and refuses the others at their place", "[core][strict]") {
  json::Parser parser;
  const auto root = parser.parse(R"({"object":{},"array":[],"text":"t","empty":"","yes":true,"null":null,"int":5,
    "negative":-1,"real":1.5,"whole":2.0,"time":"2026-01-02T03:04:05Z","name":"n-1","bad_name":"n 1"})");
  REQUIRE(root.has_value());
  const strict::Place top("");
  const strict::Place at(top, "here");
  const auto e = [&](const char* key) { return json::Element(root->at_key(key)); };
  const std::vector<std::string> all{"object",   "array", "text",  "empty", "yes",  "null",    "int",
                                     "negative", "real",  "whole", "time",  "name", "bad_name"};
  const auto only = [&](const std::set<std::string>& good, const auto& read) {
    for (const auto& key : all) {
      CAPTURE(key);
      const auto said = refusal(read(e(key.c_str())));
      CHECK((said == "(accepted)") == good.contains(key));
      if (!good.contains(key)) CHECK_THAT(said, Catch::Matchers::StartsWith("/here: must "));
    }
  };
  only({"object"}, [&](json::Element x) { return strict::object(x, at); });
  only({"array"}, [&](json::Element x) { return strict::array(x, at); });
  only({"text", "empty", "time", "name", "bad_name"}, [&](json::Element x) { return strict::text(x, at); });
  only({"text", "name", "bad_name"}, [&](json::Element x) { return strict::filled_text(x, at, 8); });
  only({"yes"}, [&](json::Element x) { return strict::boolean(x, at); });
  only({"int"}, [&](json::Element x) { return strict::number(x, at, 5, 5); });
  only({}, [&](json::Element x) { return strict::number(x, at, 6, 9); });
  only({}, [&](json::Element x) { return strict::number(x, at, 0, 4); });
  only({"time"}, [&](json::Element x) { return strict::time(x, at); });
  CHECK(strict::time(e("time"), at) == 1'767'323'045'000);
  CHECK(*strict::name(e("name"), at) == "n-1");
  const auto bad_name = strict::name(e("bad_name"), at);
  REQUIRE_FALSE(bad_name.has_value());
  CHECK(bad_name.error().code == ErrorCode::invalid_name);
  CHECK(bad_name.error().pointer == "/here");
}

TEST_CASE("strict: labels and documents hold their limits", "[core][strict]") {
  json::Parser parser;
  const auto root = parser.parse(R"({"labels":{"b":"2","a":"1"},"mixed":{"a/b":1},"list":[1]})");
  REQUIRE(root.has_value());
  const strict::Place at("/spec");
  const json::Element labels = root->at_key("labels");
  CHECK(*strict::labels(labels, at, 2) == Labels{{"a", "1"}, {"b", "2"}});
  const auto many = strict::labels(labels, at, 1);
  REQUIRE_FALSE(many.has_value());
  CHECK(many.error().code == ErrorCode::too_large);
  CHECK(pointer_and_detail(many.error()) == "/spec: over the limit labels_max = 1");
  CHECK_THAT(refusal(strict::labels(root->at_key("mixed"), at, 9)), Catch::Matchers::StartsWith("/spec/a~1b: "));
  CHECK_THAT(refusal(strict::labels(root->at_key("list"), at, 9)), Catch::Matchers::StartsWith("/spec: "));

  const std::string canonical = R"({"a":"1","b":"2"})";
  CHECK(*strict::document(labels, at, "metadata_bytes_max", canonical.size()) == canonical);
  const auto large = strict::document(labels, at, "metadata_bytes_max", canonical.size() - 1);
  REQUIRE_FALSE(large.has_value());
  CHECK(large.error().code == ErrorCode::too_large);
  CHECK_THAT(refusal(strict::document(root->at_key("list"), at, "metadata_bytes_max", 99)),
             Catch::Matchers::StartsWith("/spec: "));
}

// ---- randomness ------------------------------------------------------------------------------------------------

TEST_CASE("random: a seed repeats, and the first numbers are SplitMix64's", "[core][random]") {
  SeededRandom zero(0);
  CHECK(zero.next() == 0xe220a8397b1dcdafULL);
  CHECK(zero.next() == 0x6e789e6aa1b965f4ULL);
  CHECK(zero.next() == 0x06c45d188009454fULL);
  SeededRandom one(42);
  SeededRandom same(42);
  SeededRandom other(43);
  const auto first = one.next();
  CHECK(same.next() == first);
  CHECK(other.next() != first);
}

TEST_CASE("random: the system's generator fills every size and does not repeat", "[core][random]") {
  crypto_start();
  SystemRandom random;
  std::set<std::string> seen;
  for (const std::size_t size : {16, 63, 64, 65, 500, 513, 4'096}) {
    for (int round = 0; round < 100; ++round) {
      std::string bytes(size, '\0');
      random.fill(std::as_writable_bytes(std::span(bytes)));
      CHECK(seen.insert(bytes).second);
      CHECK(bytes.substr(size - 8) != std::string(8, '\0'));
    }
  }
}

}  // namespace holdfast
