// JSON bodies: what is taken, and the exact code and pointer of what is not.
#include <catch2/catch.hpp>

#include "actors/session/spec.hpp"
#include "http/bodies.hpp"
#include "src/core/crypto.hpp"

namespace holdfast::http {
namespace {

struct Refused {
  std::string body;
  ErrorCode code;
  std::string pointer;
};

Limits small_limits() {
  Limits limits;
  limits.content_bytes_max = 16;
  limits.metadata_bytes_max = 16;
  limits.attachments_max = 2;
  limits.batch_messages_max = 2;
  limits.batch_events_max = 2;
  limits.labels_max = 2;
  limits.reorder_messages_max = 2;
  return limits;
}

// Calls `read(element, limits)` for each body and compares code and pointer.
template <class Read>
void check_refused(const std::vector<Refused>& cases, const Read& read) {
  const auto limits = small_limits();
  json::Parser parser;
  for (const auto& c : cases) {
    CAPTURE(c.body);
    const auto element = parser.parse(c.body, limits.json_depth_max);
    REQUIRE(element.has_value());
    const auto result = read(*element, limits);
    REQUIRE_FALSE(result.has_value());
    CHECK(name_of(result.error().code) == name_of(c.code));
    CHECK(result.error().pointer == c.pointer);
  }
}

Result<AdmitRequest> admit(const std::string& body, const Limits& limits = {}) {
  json::Parser parser;
  const auto element = parser.parse(body, limits.json_depth_max);
  REQUIRE(element.has_value());
  return admit_request(*element, limits);
}

std::string turn(const std::string& content) { return R"({"turn":{"kind":"prompt","content":)" + content + "}}"; }
std::string with(const std::string& members) { return R"({"turn":{"kind":"prompt","content":"x"},)" + members + "}"; }

constexpr auto kBody = ErrorCode::invalid_body;
constexpr auto kLarge = ErrorCode::too_large;
constexpr auto kName = ErrorCode::invalid_name;

}  // namespace

TEST_CASE("an admission with everything is read", "[http][bodies]") {
  const auto r = admit(
      R"({"turn":{"content":{"b":1,"a":[1.0,"\u00e9"]},"kind":"command"},"id":"m-1","agent":{"mode":"plan","model":"x"},
          "on_busy":"merge","if_seq":17,"not_before":"2026-01-02T03:04:05.678Z","expires_at":"2026-01-02T04:04:05+01:00",
          "priority":9,"author":"me","metadata":{"k":"v"},"budget":{"limits":{"tokens":5}},"git_token":"secret",
          "callback":{"url":"https://example.org/x","events":["message.completed"],"headers":{"X-Key":"secret"}}})");
  REQUIRE(r.has_value());
  CHECK(r->turn == "{\"content\":{\"a\":[1,\"\xc3\xa9\"],\"b\":1},\"kind\":\"command\"}");
  CHECK(r->id == "m-1");
  CHECK(r->agent.mode == "plan");
  CHECK(r->agent.model == "x");
  CHECK(r->on_busy == OnBusy::merge);
  CHECK(r->if_seq == 17);
  CHECK(r->not_before == 1'767'323'045'678);
  CHECK(r->expires_at == 1'767'323'045'000);
  CHECK(r->priority == 9);
  CHECK(r->author == "me");
  CHECK(r->metadata == R"({"k":"v"})");
  CHECK(r->budget == R"({"limits":{"tokens":5}})");
  CHECK(r->git_token == "secret");
  REQUIRE(r->callback.has_value());
  CHECK(r->callback->events == std::vector<std::string>{"message.completed"});
  CHECK(r->callback->headers.at("X-Key") == "secret");
}

TEST_CASE("the body hash is that of the canonical body without its secrets", "[http][bodies]") {
  const auto hash = [](const std::string& body) {
    auto r = admit(body);
    REQUIRE(r.has_value());
    return to_hex(r->body_hash);
  };
  const std::string canonical =
      R"({"author":"a","callback":{"events":["message.failed"],"url":"http://h/"},"id":"m","priority":0,"turn":{"content":"x","kind":"prompt"}})";
  const std::string sent =
      R"({ "turn": {"kind":"prompt", "content":"\u0078"}, "priority": 0, "id":"m", "git_token":"t1", "author":"a",
           "callback":{"headers":{"K":"v"},"url":"http://h/","events":["message.failed"]} })";
  CHECK(hash(canonical) == to_hex(sha256(canonical)));
  CHECK(hash(sent) == to_hex(sha256(canonical)));
  CHECK(hash(turn("\"x\"")) != hash(turn("\"y\"")));
  CHECK(hash(turn("\"x\"")) != hash(with(R"("priority":0)")));  // as it was sent: a default that was said counts
}

TEST_CASE("a bad admission names its place", "[http][bodies]") {
  check_refused(
      {
          {"[]", kBody, ""},
          {"\"x\"", kBody, ""},
          {"{}", kBody, "/turn"},
          {R"({"turn":1})", kBody, "/turn"},
          {R"({"turn":{}})", kBody, "/turn/kind"},
          {R"({"turn":{"kind":"prompt"}})", kBody, "/turn/content"},
          {R"({"turn":{"kind":"question","content":"x"}})", kBody, "/turn/kind"},
          {R"({"turn":{"kind":1,"content":"x"}})", kBody, "/turn/kind"},
          {R"({"turn":{"kind":"prompt","content":"x","extra":1}})", kBody, "/turn/extra"},
          {turn("\"\""), kBody, "/turn/content"},
          {turn(R"(" \n\t")"), kBody, "/turn/content"},
          {turn("null"), kBody, "/turn/content"},
          {R"({"turn":{"kind":"command","content":" "}})", kBody, "/turn/content"},
          {R"({"turn":{"kind":"command","content":"x","attachments":[{"url":"u"}]}})", kBody, "/turn/attachments"},
          {R"({"turn":{"kind":"prompt","content":"","attachments":[]}})", kBody, "/turn/content"},
          {R"({"turn":{"kind":"prompt","content":"x","attachments":[{"name":"n"}]}})", kBody,
           "/turn/attachments/0/url"},
          {R"({"turn":{"kind":"prompt","content":"x","attachments":[{"url":"u"},{"url":1}]}})", kBody,
           "/turn/attachments/1/url"},
          {R"({"turn":{"kind":"prompt","content":"x","attachments":[{"url":"u","a/b":1}]}})", kBody,
           "/turn/attachments/0/a~1b"},
          {R"({"turn":{"kind":"prompt","content":"x","attachments":[{"url":"u"},{"url":"u"},{"url":"u"}]}})", kLarge,
           "/turn/attachments"},
          {turn("\"12345678901234567\""), kLarge, "/turn/content"},
          {turn(R"(["1234567890123"])"), kLarge, "/turn/content"},
          {with(R"("colour":1)"), kBody, "/colour"},
          {with(R"("a/b~c":1)"), kBody, "/a~1b~0c"},
          {with(R"("id":"")"), kName, "/id"},
          {with(R"("id":"-x")"), kName, "/id"},
          {with(R"("id":7)"), kBody, "/id"},
          {with(R"("agent":"fast")"), kBody, "/agent"},
          {with(R"("agent":{"mode":null})"), kBody, "/agent/mode"},
          {with(R"("agent":{"size":1})"), kBody, "/agent/size"},
          {with(R"("on_busy":"wait")"), kBody, "/on_busy"},
          {with(R"("if_seq":-1)"), kBody, "/if_seq"},
          {with(R"("if_seq":1.5)"), kBody, "/if_seq"},
          {with(R"("if_seq":"1")"), kBody, "/if_seq"},
          {with(R"("not_before":"tomorrow")"), kBody, "/not_before"},
          {with(R"("expires_at":1767323045678)"), kBody, "/expires_at"},
          {with(R"("priority":10)"), kBody, "/priority"},
          {with(R"("priority":-1)"), kBody, "/priority"},
          {with(R"("author":"")"), kBody, "/author"},
          {with(R"("author":[])"), kBody, "/author"},
          {with(R"("metadata":[])"), kBody, "/metadata"},
          {with(R"("metadata":{"k":"123456789012"})"), kLarge, "/metadata"},
          {with(R"("budget":1)"), kBody, "/budget"},
          {with(R"("git_token":null)"), kBody, "/git_token"},
          {with(R"("callback":{})"), kBody, "/callback/url"},
          {with(R"("callback":{"url":"ftp://x"})"), kBody, "/callback/url"},
          {with(R"("callback":{"url":"http://x","secret":1})"), kBody, "/callback/secret"},
          {with(R"("callback":{"url":"http://x","events":["message.done"]})"), kBody, "/callback/events/0"},
          {with(R"("callback":{"url":"http://x","headers":{"a b":"c"}})"), kBody, "/callback/headers/a b"},
          {with(R"("callback":{"url":"http://x","headers":{"a":"b\r\nc: d"}})"), kBody, "/callback/headers/a"},
          {with(R"("callback":{"url":"http://x","headers":{"a":"1","b":"2","c":"3"}})"), kLarge, "/callback/headers"},
      },
      [](json::Element e, const Limits& l) { return admit_request(e, l); });
}

TEST_CASE("content counts its own bytes, up to the limit itself", "[http][bodies]") {
  const auto limits = small_limits();
  CHECK(admit(turn("\"1234567890123456\""), limits).has_value());
  CHECK(admit(turn(R"(["123456789012"])"), limits).has_value());  // 16 bytes of canonical text
  CHECK(admit(R"({"turn":{"kind":"prompt","content":"","attachments":[{"url":"u"}]}})", limits).has_value());
}

TEST_CASE("a batch names the element and its place", "[http][bodies]") {
  const std::string good = turn("\"x\"");
  check_refused(
      {
          {"{}", kBody, "/messages"},
          {R"({"messages":{}})", kBody, "/messages"},
          {R"({"messages":[]})", kBody, "/messages"},
          {R"({"messages":[],"more":1})", kBody, "/more"},
          {R"({"messages":[)" + good + "," + good + "," + good + "]}", kLarge, "/messages"},
          {R"({"messages":[)" + good + R"(,{"turn":{"kind":"prompt","content":""}}]})", kBody,
           "/messages/1/turn/content"},
          {R"({"messages":[7]})", kBody, "/messages/0"},
      },
      [](json::Element e, const Limits& l) { return admit_batch(e, l); });
}

TEST_CASE("an edit sets what it names and clears what is null", "[http][bodies]") {
  json::Parser parser;
  const auto element = parser.parse(R"({"metadata":null,"not_before":null,"priority":3})");
  REQUIRE(element.has_value());
  const auto edit = message_edit(*element, {});
  REQUIRE(edit.has_value());
  CHECK(edit->metadata == Json{});
  CHECK(edit->not_before == Time{0});
  CHECK(edit->priority == 3);
  CHECK_FALSE(edit->turn.has_value());
  CHECK_FALSE(edit->agent.has_value());
  CHECK_FALSE(edit->expires_at.has_value());
  check_refused(
      {
          {"[]", kBody, ""},
          {R"({"id":"x"})", kBody, "/id"},
          {R"({"turn":null})", kBody, "/turn"},
          {R"({"turn":{"kind":"prompt","content":""}})", kBody, "/turn/content"},
          {R"({"expires_at":"x"})", kBody, "/expires_at"},
          {R"({"metadata":"x"})", kBody, "/metadata"},
          {R"({"git_token":"x"})", kBody, "/git_token"},
      },
      [](json::Element e, const Limits& l) { return message_edit(e, l); });
}

TEST_CASE("queue commands and forks are strict", "[http][bodies]") {
  check_refused(
      {
          {"{}", kBody, "/action"},
          {R"({"action":"stop"})", kBody, "/action"},
          {R"({"action":"reorder"})", kBody, "/order"},
          {R"({"action":"pause","order":[]})", kBody, "/order"},
          {R"({"action":"reorder","order":["a",1]})", kBody, "/order/1"},
          {R"({"action":"reorder","order":["a","b c"]})", kName, "/order/1"},
          {R"({"action":"reorder","order":["a","b","c"]})", kLarge, "/order"},
      },
      [](json::Element e, const Limits& l) { return queue_command(e, l); });
  check_refused(
      {{R"({"name":"a b"})", kName, "/name"}, {R"({"at_seq":-1})", kBody, "/at_seq"}, {R"({"x":1})", kBody, "/x"}},
      [](json::Element e, const Limits&) { return fork_request(e); });
}

TEST_CASE("claims are strict, and an empty one takes the defaults", "[http][bodies]") {
  json::Parser parser;
  const auto element = parser.parse("{}");
  REQUIRE(element.has_value());
  const auto claim = claim_request(*element, {});
  REQUIRE(claim.has_value());
  CHECK(claim->max == 1);
  CHECK(claim->wait_ms == 0);
  CHECK(claim->lease_ms == 30'000);
  check_refused(
      {
          {R"({"max":0})", kBody, "/max"},
          {R"({"max":101})", kBody, "/max"},
          {R"({"wait_ms":60001})", kBody, "/wait_ms"},
          {R"({"lease_ms":999})", kBody, "/lease_ms"},
          {R"({"lease_ms":3600001})", kBody, "/lease_ms"},
          {R"({"runtime":"a b"})", kName, "/runtime"},
          {R"({"sessions":"a"})", kBody, "/sessions"},
          {R"({"sessions":["a",""]})", kName, "/sessions/1"},
          {R"({"labels":{"a":1}})", kBody, "/labels/a"},
          {R"({"label":{}})", kBody, "/label"},
      },
      [](json::Element e, const Limits& l) { return claim_request(e, l); });
}

TEST_CASE("what a runtime reports is strict", "[http][bodies]") {
  check_refused(
      {
          {"{}", kBody, ""},
          {"[]", kBody, ""},
          {"[1]", kBody, "/0"},
          {R"([{"data":1}])", kBody, "/0/type"},
          {R"([{"type":"a"},{"type":"message.completed"}])", kBody, "/1/type"},
          {R"([{"type":"session.updated"}])", kBody, "/0/type"},
          {R"([{"type":"a\nb"}])", kBody, "/0/type"},
          {R"([{"type":"a,b"}])", kBody, "/0/type"},
          {R"([{"type":"a","x":1}])", kBody, "/0/x"},
          {R"([{"type":"a","data":"123456789012345"}])", kLarge, "/0/data"},
          {R"([{"type":"a"},{"type":"a"},{"type":"a"}])", kLarge, ""},
      },
      [](json::Element e, const Limits& l) { return runtime_events(e, l); });
  check_refused(
      {
          {R"({"usage":{}})", kBody, "/usage"},
          {R"({"workspace":{}})", kBody, "/workspace/state"},
          {R"({"workspace":{"state":"hot"}})", kBody, "/workspace/state"},
          {R"({"workspace":{"state":"warm","x":1}})", kBody, "/workspace/x"},
          {R"({"result":"123456789012345"})", kLarge, "/result"},
      },
      [](json::Element e, const Limits& l) { return completion(e, l); });
  check_refused(
      {
          {"{}", kBody, "/code"},
          {R"({"code":""})", kBody, "/code"},
          {R"({"code":"x"})", kBody, "/retryable"},
          {R"({"code":"x","retryable":"yes"})", kBody, "/retryable"},
          {R"({"code":"x","retryable":true,"retry_after_ms":-1})", kBody, "/retry_after_ms"},
          {R"({"code":"x","retryable":true,"why":1})", kBody, "/why"},
      },
      [](json::Element e, const Limits&) { return fail_report(e); });
}

TEST_CASE("a session body names its place", "[http][bodies]") {
  check_refused(
      {
          {"[]", kBody, ""},
          {R"({"colour":1})", kBody, "/colour"},
          {R"({"metadata":[]})", kBody, "/metadata"},
          {R"({"repository":{"url":"x"}})", kBody, "/repository/kind"},
          {R"({"repository":{"kind":"svn"}})", kBody, "/repository/kind"},
          {R"({"queue":{"capacity":0}})", kBody, "/queue/capacity"},
          {R"({"queue":{"on_busy":"never"}})", kBody, "/queue/on_busy"},
          {R"({"labels":{"a":1}})", kBody, "/labels/a"},
          {R"({"ttl_ms":-1})", kBody, "/ttl_ms"},
      },
      [](json::Element e, const Limits& l) { return session::parse_spec(json::canonical(e), l); });
}

}  // namespace holdfast::http
