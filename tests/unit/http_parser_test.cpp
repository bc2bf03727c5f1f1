// The parser on its own: whole requests, every split of them, several in a row, limits at the edge, malformed input.
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "http/parser.hpp"

namespace holdfast::http {
namespace {

constexpr std::uint64_t kBodyMax = 64;

std::optional<std::uint64_t> body_max(const Request&, const void*) { return kBodyMax; }

ParserLimits limits(std::uint64_t header_bytes_max = 1'024) { return {header_bytes_max, &body_max, nullptr}; }

const std::string kWithLength =
    "POST /v1/sessions/a/messages?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\nX-Thing: two words \r\n\r\n{\"a\":1}";
const std::string kChunked =
    "PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nTrailer: "
    "t\r\n\r\n";

// Feeds all of `bytes`, keeping what is not consumed, as the connection does.
Result<std::string> feed(Parser& parser, std::string pending, std::string_view bytes) {
  pending += bytes;
  auto used = parser.feed(pending);
  if (!used) return tl::unexpected(std::move(used.error()));
  pending.erase(0, *used);
  return pending;
}

ErrorCode refusal(const std::string& bytes, const ParserLimits& l = limits()) {
  Request request;
  Parser parser(request, l);
  const auto used = parser.feed(bytes);
  REQUIRE_FALSE(used.has_value());
  return used.error().code;
}

std::string with_fields(const std::string& fields) { return "GET / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n"; }

}  // namespace

TEST_CASE("a request is read, part by part", "[http][parser]") {
  Request request;
  Parser parser(request, limits());
  const auto used = parser.feed(kWithLength);
  REQUIRE(used.has_value());
  CHECK(*used == kWithLength.size());
  REQUIRE(parser.state() == Parser::State::complete);
  CHECK(request.method() == Verb::post);
  CHECK(request.path() == "/v1/sessions/a/messages");
  CHECK(request.query() == "x=1");
  CHECK(request.body() == "{\"a\":1}");
  CHECK(request.find("x-thing") == std::string_view("two words"));
  CHECK_FALSE(request.find("x-other").has_value());
  CHECK(request.persistence() == Request::Persistence::keep_alive);
}

TEST_CASE("a request may be split at every byte", "[http][parser]") {
  for (const auto& whole : {kWithLength, kChunked, "\r\n\r\n" + kWithLength}) {
    for (std::size_t cut = 1; cut < whole.size(); ++cut) {
      CAPTURE(whole, cut);
      Request request;
      Parser parser(request, limits());
      auto rest = feed(parser, {}, std::string_view(whole).substr(0, cut));
      REQUIRE(rest.has_value());
      CHECK(parser.state() != Parser::State::complete);
      rest = feed(parser, *rest, std::string_view(whole).substr(cut));
      REQUIRE(rest.has_value());
      CHECK(rest->empty());
      CHECK(parser.state() == Parser::State::complete);
      CHECK(request.body() == (whole == kChunked ? "abcdefg" : "{\"a\":1}"));
    }
  }
}

TEST_CASE("pipelined requests are taken one at a time", "[http][parser]") {
  Request request;
  Parser parser(request, limits());
  std::string bytes = kWithLength + kChunked + "\r\n" + kWithLength;
  for (const auto path : {"/v1/sessions/a/messages", "/c", "/v1/sessions/a/messages"}) {
    auto rest = feed(parser, {}, bytes);
    REQUIRE(rest.has_value());
    REQUIRE(parser.state() == Parser::State::complete);
    CHECK(request.path() == path);
    bytes = *rest;
    parser.reset();
    CHECK(parser.state() == Parser::State::empty);
    CHECK(request.body().empty());
    CHECK_FALSE(request.find("host").has_value());
  }
  CHECK(bytes.empty());
}

TEST_CASE("the body limit holds at its edge, by length and by chunks", "[http][parser]") {
  for (const auto size : {kBodyMax, kBodyMax + 1}) {
    const std::string body(size, 'x');
    const auto by_length = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + body;
    std::string by_chunks = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t i = 0; i < size; ++i) by_chunks += "1\r\nx\r\n";
    by_chunks += "0\r\n\r\n";
    for (const auto& bytes : {by_length, by_chunks}) {
      CAPTURE(bytes);
      if (size > kBodyMax) {
        CHECK(refusal(bytes) == ErrorCode::too_large);
        continue;
      }
      Request request;
      Parser parser(request, limits());
      REQUIRE(parser.feed(bytes).has_value());
      CHECK(parser.state() == Parser::State::complete);
      CHECK(request.body() == body);
    }
  }
}

TEST_CASE("the header limit holds for one long field, many short ones, and trailers", "[http][parser]") {
  const std::string start = "GET / HTTP/1.1\r\nHost: h\r\n";
  constexpr std::size_t kMax = 256;
  const auto padded = [&](std::size_t total) {
    return start + "X: " + std::string(total - start.size() - 7, 'y') + "\r\n\r\n";
  };
  Request request;
  Parser parser(request, limits(kMax));
  REQUIRE(padded(kMax).size() == kMax);
  REQUIRE(parser.feed(padded(kMax)).has_value());
  CHECK(parser.state() == Parser::State::complete);
  CHECK(refusal(padded(kMax + 1), limits(kMax)) == ErrorCode::headers_too_large);

  std::string many = start;
  for (int i = 0; i < 100; ++i) many += "A: b\r\n";
  CHECK(refusal(many, limits(kMax)) == ErrorCode::headers_too_large);
  CHECK(refusal(start + "X: " + std::string(4 * kMax, 'y'), limits(kMax)) == ErrorCode::headers_too_large);
  CHECK(refusal("GET /" + std::string(4 * kMax, 'y'), limits(kMax)) == ErrorCode::headers_too_large);

  const std::string chunk = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  CHECK(refusal(chunk + "0\r\nT: " + std::string(4 * kMax, 'y') + "\r\n\r\n", limits(kMax)) ==
        ErrorCode::headers_too_large);
  CHECK(refusal(chunk + "1;" + std::string(4 * kMax, 'y'), limits(kMax)) == ErrorCode::headers_too_large);
}

TEST_CASE("what a proxy could read differently is refused", "[http][parser]") {
  const std::vector<std::string> bad{
      "GET / HTTP/1.1\r\n\r\n",                                                 // no Host
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",                           // two of them
      "GET / HTTP/2.0\r\nHost: h\r\n\r\n",                                      // a version that is not ours
      "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",                                     // two blanks
      "GET / HTTP/1.1\nHost: h\n\n",                                            // bare line feeds
      "GET v1 HTTP/1.1\r\nHost: h\r\n\r\n",                                     // no path
      "GE\x01T / HTTP/1.1\r\nHost: h\r\n\r\n",                                  // no token
      with_fields("Name : v\r\n"),                                              // a blank before the colon
      with_fields("N\xc3\xa4me: v\r\n"),                                        // no token
      with_fields("X: a\x01z\r\n"),                                             // a control character
      with_fields("Content-Length: 1\r\nContent-Length: 2\r\n"),                // lengths that differ
      with_fields("Content-Length: -1\r\n"),                                    //
      with_fields("Content-Length: 1x\r\n"),                                    //
      with_fields("Content-Length: 99999999999999999999\r\n"),                  //
      with_fields("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),       // both
      with_fields("Transfer-Encoding: gzip\r\n"),                               // not understood
      with_fields("Transfer-Encoding: chunked, gzip\r\n"),                      // not last
      with_fields("Transfer-Encoding: gzip, chunked\r\n"),                      // not understood
      with_fields("Transfer-Encoding: xchunked\r\n"),                           //
      "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",                   // not in 1.0
      with_fields("Transfer-Encoding: chunked\r\n") + "zz\r\n",                 // no size
      with_fields("Transfer-Encoding: chunked\r\n") + "1\r\nabc\r\n0\r\n\r\n",  // a chunk longer than it says
  };
  for (const auto& bytes : bad) {
    CAPTURE(bytes);
    CHECK(refusal(bytes) == ErrorCode::invalid_request);
  }
}

TEST_CASE("connection semantics follow version and Connection", "[http][parser]") {
  const auto persistence = [](const std::string& bytes) {
    Request request;
    Parser parser(request, limits());
    REQUIRE(parser.feed(bytes).has_value());
    REQUIRE(parser.state() == Parser::State::complete);
    return request.persistence();
  };
  CHECK(persistence("GET / HTTP/1.1\r\nHost: h\r\n\r\n") == Request::Persistence::keep_alive);
  CHECK(persistence("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n") == Request::Persistence::close);
  CHECK(persistence("GET / HTTP/1.0\r\n\r\n") == Request::Persistence::close);
  CHECK(persistence("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") == Request::Persistence::keep_alive);
}

TEST_CASE("Expect, the absolute form and repeated fields are understood", "[http][parser]") {
  Request request;
  Parser parser(request, limits());
  REQUIRE(parser
              .feed("PUT http://h:80/x?q HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nPrefer: a\r\nPrefer: wait=1\r\n"
                    "Content-Length: 1\r\n\r\n")
              .has_value());
  CHECK(parser.state() == Parser::State::body);
  CHECK(request.wants_continue());
  CHECK(request.path() == "/x");
  CHECK(request.query() == "q");
  CHECK(request.joined("prefer") == "a, wait=1");
  const auto twice = request.single("prefer");
  REQUIRE_FALSE(twice.has_value());
  CHECK(twice.error().code == ErrorCode::invalid_request);
}

TEST_CASE("mutated requests are answered or refused, and never read past their end", "[http][parser]") {
  std::mt19937 random(20'260'101);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = round % 2 == 0 ? kWithLength : kChunked;
    const auto changes = 1 + random() % 4;
    for (unsigned i = 0; i < changes; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    Request request;
    Parser parser(request, limits());
    const auto used = parser.feed(bytes);
    if (!used) ++refused;
    else CHECK(*used <= bytes.size());
    CHECK(request.body().size() <= kBodyMax);
  }
  CHECK(refused > 1'000);
}

}  // namespace holdfast::http
