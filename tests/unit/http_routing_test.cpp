// Routing, query strings, and the header fields with a grammar of their own.
#include <catch2/catch.hpp>

#include "http/fields.hpp"
#include "http/query.hpp"
#include "http/router.hpp"
#include "http/routes.hpp"

namespace holdfast::http {
namespace {

Request request_with(std::initializer_list<std::pair<std::string_view, std::string_view>> fields,
                     std::string_view body = {}) {
  Request request;
  request.set_start_line(Verb::post, "/", 11);
  for (const auto& [name, value] : fields) request.add_field(name, value);
  request.append_body(body);
  return request;
}

Match matched(const Router& router, Verb method, std::string_view path) {
  const auto found = router.match(method, path);
  CAPTURE(path);
  REQUIRE(std::holds_alternative<Match>(found));
  return std::get<Match>(found);
}

}  // namespace

TEST_CASE("every route is found by its own pattern", "[http][routing]") {
  const Router router(api_routes());
  for (const auto& route : api_routes()) {
    std::string path(route.pattern);
    for (auto at = path.find('{'); at != std::string::npos; at = path.find('{'))
      path.replace(at, path.find('}') - at + 1, "name");
    CHECK(matched(router, route.method, path).route == &route);
  }
}

TEST_CASE("parameters are taken from the path as they stand", "[http][routing]") {
  const Router router(api_routes());
  const auto match = matched(router, Verb::get, "/v1/sessions/a%20b/messages/m.1");
  CHECK(match.route->handler == &get_message);
  CHECK(match.parameters[0] == "a%20b");
  CHECK(match.parameters[1] == "m.1");
}

TEST_CASE("a literal hides a parameter for its own methods only", "[http][routing]") {
  const Router router(api_routes());
  CHECK(matched(router, Verb::post, "/v1/sessions/import").route->handler == &import_session);
  CHECK(matched(router, Verb::get, "/v1/sessions/import").route->handler == &get_session);
  CHECK(matched(router, Verb::post, "/v1/sessions/s/messages/batch").route->handler == &admit_messages);
  CHECK(matched(router, Verb::get, "/v1/sessions/s/messages/batch").route->handler == &get_message);
}

TEST_CASE("HEAD is answered by GET", "[http][routing]") {
  const Router router(api_routes());
  CHECK(matched(router, Verb::head, "/livez").route->handler == &get_livez);
}

TEST_CASE("an unknown path is not a wrong method", "[http][routing]") {
  const Router router(api_routes());
  for (const auto path : {"/", "", "/v1", "/v1/", "/v2/sessions", "/v1/sessions/", "/v1/sessions/s/", "/livez/",
                          "/v1/sessions/s/nothing", "//livez", "/a/b/c/d/e/f/g/h/i/j/k/l"}) {
    CAPTURE(path);
    CHECK(std::holds_alternative<NoPath>(router.match(Verb::trace, path)));
  }
  const auto found = router.match(Verb::put, "/v1/sessions");
  REQUIRE(std::holds_alternative<NoMethod>(found));
  CHECK(std::get<NoMethod>(found).allow == "POST, GET, HEAD");
}

TEST_CASE("a query is decoded, and nothing in it is ignored", "[http][query]") {
  const auto query = Query::parse("a=1&b=x%2Fy+z&&c", {"a", "b", "c", "d"});
  REQUIRE(query.has_value());
  CHECK(query->text("b") == "x/y z");
  CHECK(query->find("c") == std::string_view(""));
  CHECK_FALSE(query->find("d").has_value());
  CHECK(query->number("a", 7, 1, 9).value() == 1);
  CHECK(query->number("d", 7, 1, 9).value() == 7);
  for (const auto bad : {"e=1", "a=1&a=2", "a=%", "a=%2", "a=%zz", "%61b=1"}) {
    CAPTURE(bad);
    const auto refused = Query::parse(bad, {"a", "b"});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::invalid_request);
  }
  for (const auto bad : {"a=0", "a=10", "a=-1", "a=", "a=1x", "a=1.0", "a=99999999999999999999"}) {
    CAPTURE(bad);
    CHECK_FALSE(Query::parse(bad, {"a"})->number("a", 7, 1, 9).has_value());
  }
}

TEST_CASE("a link keeps the filters and replaces the cursor", "[http][query]") {
  CHECK(with_parameter("", "cursor", "a/b") == "cursor=a%2Fb");
  CHECK(with_parameter("limit=1&cursor=x&prefix=p", "cursor", "y") == "limit=1&prefix=p&cursor=y");
}

TEST_CASE("preconditions", "[http][fields]") {
  using Kind = Precondition::Kind;
  CHECK(precondition_of(request_with({}))->kind == Kind::none);
  CHECK(precondition_of(request_with({{"If-Match", "*"}}))->kind == Kind::exists);
  CHECK(precondition_of(request_with({{"if-none-match", "*"}}))->kind == Kind::absent);
  const auto tags = precondition_of(request_with({{"If-Match", "\"a\", W/\"b\" ,\"c,d\""}, {"If-Match", "\"e\""}}));
  REQUIRE(tags.has_value());
  CHECK(tags->kind == Kind::etag);
  CHECK(tags->etags == std::vector<std::string>{"a", "c,d", "e"});
  for (const auto bad : {"a", "\"a", "", ","}) {
    CAPTURE(bad);
    CHECK_FALSE(precondition_of(request_with({{"If-Match", bad}})).has_value());
  }
  CHECK_FALSE(precondition_of(request_with({{"If-None-Match", "\"a\""}})).has_value());
  CHECK_FALSE(precondition_of(request_with({{"If-Match", "*"}, {"If-None-Match", "*"}})).has_value());
}

TEST_CASE("Prefer: wait", "[http][fields]") {
  CHECK(preferred_wait(request_with({{"Prefer", "respond-async, Wait=10; x=y"}})) == 10);
  CHECK(preferred_wait(request_with({{"Prefer", "handling=lenient"}, {"Prefer", "wait=\"3\""}})) == 3);
  CHECK_FALSE(preferred_wait(request_with({{"Prefer", "wait=soon"}})).has_value());
  CHECK_FALSE(preferred_wait(request_with({{"Prefer", "wait"}})).has_value());
  CHECK_FALSE(preferred_wait(request_with({})).has_value());
}

TEST_CASE("traceparent, Request-Id and Idempotency-Key", "[http][fields]") {
  const std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  CHECK(traceparent_of(request_with({{"traceparent", good}})) == good);
  const std::vector<std::string> malformed{"00-x", "01" + good.substr(2), good + "0",
                                           "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                           "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"};
  for (const auto& bad : malformed) {
    CAPTURE(bad);
    CHECK(traceparent_of(request_with({{"traceparent", bad}})).empty());
  }
  CHECK(request_id_of(request_with({{"Request-Id", "abc-1"}})) == std::string_view("abc-1"));
  CHECK_FALSE(request_id_of(request_with({{"Request-Id", "a b"}})).has_value());
  CHECK(idempotency_key_of(request_with({{"Idempotency-Key", "k-1"}})).value() == "k-1");
  CHECK(idempotency_key_of(request_with({{"Idempotency-Key", "\"k-1\""}})).value() == "k-1");
  CHECK(idempotency_key_of(request_with({})).value().empty());
  CHECK(idempotency_key_of(request_with({{"Idempotency-Key", "a b"}})).error().code == ErrorCode::invalid_name);
  CHECK(idempotency_key_of(request_with({{"Idempotency-Key", "a"}, {"idempotency-key", "b"}})).error().code ==
        ErrorCode::invalid_request);
}

TEST_CASE("media types", "[http][fields]") {
  CHECK(accepts(request_with({{"Accept", "text/html, Text/Event-Stream;q=0.9"}}), "text/event-stream"));
  CHECK_FALSE(accepts(request_with({{"Accept", "*/*"}}), "text/event-stream"));
  CHECK(require_json(request_with({}, "{}")).has_value());
  CHECK(require_json(request_with({{"Content-Type", "application/json; charset=utf-8"}}, "{}")).has_value());
  CHECK(require_json(request_with({{"Content-Type", "application/merge-patch+json"}}, "{}")).has_value());
  CHECK(require_json(request_with({{"Content-Type", "application/x-www-form-urlencoded"}}, "{}")).has_value());
  CHECK_FALSE(require_json(request_with({{"Content-Type", "text/plain"}}, "{}")).has_value());
  CHECK_FALSE(
      require_json(request_with({{"Content-Type", "application/x-www-form-urlencoded"}, {"Origin", "http://x"}}, "{}"))
          .has_value());
}

}  // namespace holdfast::http
