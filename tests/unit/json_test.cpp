// JSON in and out: the vectors of RFC 8785 and RFC 7396, what the strict parser refuses, and escaping at every length
// and place around the eight bytes that append_string takes at a time.
#include "src/core/json.hpp"

#include <rapidcheck.h>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

namespace holdfast::json {
namespace {

// "ok" or the code, the pointer and the detail of the refusal.
std::string verdict(std::string_view text, std::uint64_t depth_max = 64) {
  Parser parser;
  const auto parsed = parser.parse(text, depth_max);
  if (parsed) return "ok";
  return std::string(name_of(parsed.error().code)) + " " + parsed.error().pointer + " " + parsed.error().detail;
}

std::string pointer_of(std::string_view text) {
  Parser parser;
  const auto parsed = parser.parse(text);
  return parsed ? "(ok)" : parsed.error().pointer;
}

std::string canonical_of(std::string_view text) {
  const auto out = canonical_text(text);
  return out ? *out : "(refused) " + out.error().detail;
}

double double_of(std::uint64_t bits) {
  double value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// A literal that is read as exactly this double, and never as an integer.
std::string literal_of(double value) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.17e", value);
  return buffer.data();
}

// The canonical form of a number that the strict parser may refuse.
std::string canonical_number(double value) {
  simdjson::dom::parser parser;
  return canonical(parser.parse(simdjson::padded_string(literal_of(value))));
}

// What append_string promises, one byte at a time.
std::string plainly_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') (out += '\\') += c;
    else if (c == '\b') out += "\\b";
    else if (c == '\t') out += "\\t";
    else if (c == '\n') out += "\\n";
    else if (c == '\f') out += "\\f";
    else if (c == '\r') out += "\\r";
    else if (byte < 0x20) (out += byte < 0x10 ? "\\u000" : "\\u001") += "0123456789abcdef"[byte & 0xf];
    else out += c;
  }
  return out + '"';
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      put(0xe0 | point >> 12);
    } else {
      put(0xf0 | point >> 18);
      put(0x80 | (point >> 12 & 0x3f));
    }
    put(0x80 | (point >> 6 & 0x3f));
  }
  put(0x80 | (point & 0x3f));
}

std::string utf8_of(const std::vector<std::uint32_t>& points) {
  std::string out;
  for (const auto point : points) append_utf8(out, point);
  return out;
}

std::vector<std::uint16_t> utf16_of(const std::vector<std::uint32_t>& points) {
  std::vector<std::uint16_t> out;
  for (const auto point : points) {
    if (point >= 0x10000) out.push_back(static_cast<std::uint16_t>(0xd800 + ((point - 0x10000) >> 10)));
    out.push_back(static_cast<std::uint16_t>(point >= 0x10000 ? 0xdc00 + ((point - 0x10000) & 0x3ff) : point));
  }
  return out;
}

// Code points of every length in UTF-8, the ones that are escaped more often than by chance; no surrogates.
rc::Gen<std::vector<std::uint32_t>> code_points() {
  return rc::gen::container<std::vector<std::uint32_t>>(rc::gen::weightedOneOf<std::uint32_t>(
      {{4, rc::gen::inRange<std::uint32_t>(0x20, 0x80)},
       {2, rc::gen::inRange<std::uint32_t>(0, 0x20)},
       {2, rc::gen::element<std::uint32_t>('"', '\\', '/', 0x7f, 0x80, 0x2028, 0xfffd, 0xffff, 0x10000, 0x10ffff)},
       {1, rc::gen::inRange<std::uint32_t>(0x80, 0xd800)},
       {1, rc::gen::inRange<std::uint32_t>(0xe000, 0x110000)}}));
}

}  // namespace

TEST_CASE("json: numbers as in RFC 8785, appendix B", "[json]") {
  const std::vector<std::pair<std::uint64_t, std::string>> vectors{
      {0x0000000000000000, "0"},
      {0x8000000000000000, "0"},
      {0x0000000000000001, "5e-324"},
      {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"},
      {0xffefffffffffffff, "-1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"},
      {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"},
      {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"},
      {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"},
      {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"},
      {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
      {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"},
      {0x41b3de4355555554, "333333333.33333325"},
      {0x41b3de4355555555, "333333333.3333333"},
      {0x41b3de4355555556, "333333333.3333334"},
      {0x41b3de4355555557, "333333333.33333343"},
      {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"},
  };
  for (const auto& [bits, text] : vectors) {
    CAPTURE(bits, text);
    CHECK(canonical_number(double_of(bits)) == text);
  }
}

TEST_CASE("json: integers keep their digits, and equal numbers have one form", "[json]") {
  for (const std::string same : {"0", "7", "-7", "1234567890123456", "9007199254740992", "-9007199254740992"})
    CHECK(canonical_of(same) == same);
  CHECK(canonical_of("-0") == "0");
  CHECK(canonical_of("-0.0") == "0");
  CHECK(canonical_of("1.0") == "1");
  CHECK(canonical_of("10e-1") == "1");
  CHECK(canonical_of("1e2") == "100");
  CHECK(canonical_of("1E+21") == "1e+21");
  CHECK(canonical_of("0.00001") == "0.00001");
  CHECK(canonical_of("0.0000001") == "1e-7");
}

TEST_CASE("json: the example of RFC 8785, section 3.2", "[json]") {
  CHECK(canonical_of(R"({
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  })") ==
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
        "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
  CHECK(canonical_of(" [ ] ") == "[]");
  CHECK(canonical_of("{ }") == "{}");
}

TEST_CASE("json: members are sorted by UTF-16 code units", "[json]") {
  CHECK(canonical_of(R"({"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh",)"
                     R"("1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control",)"
                     R"("\u00f6":"Latin Small Letter O With Diaeresis"})") ==
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
        "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\",\"\xe2\x82\xac\":\"Euro Sign\","
        "\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\",\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
  CHECK(canonical_of(R"({"b":1,"a":{"d":1,"c":2},"":0,"aa":3})") == R"({"":0,"a":{"c":2,"d":1},"aa":3,"b":1})");

  const bool held = rc::check([] {
    const auto a = *code_points();
    const auto b = *code_points();
    RC_PRE(a != b);
    const std::string one = quote(utf8_of(a)) + ":1";
    const std::string two = quote(utf8_of(b)) + ":2";
    const bool a_first = utf16_of(a) < utf16_of(b);
    const std::string sorted = "{" + (a_first ? one + "," + two : two + "," + one) + "}";
    RC_ASSERT(canonical_of("{" + one + "," + two + "}") == sorted);
    RC_ASSERT(canonical_of("{" + two + "," + one + "}") == sorted);
  });
  CHECK(held);
}

TEST_CASE("json: an accepted number has a form that is accepted again and means the same", "[json]") {
  const auto holds = [](double value) {
    const auto first = canonical_text(literal_of(value));
    if (!first) return first.error().code == ErrorCode::invalid_body;
    return canonical_of(*first) == *first && std::strtod(first->c_str(), nullptr) == value;
  };
  for (const double edge : {0x1p53, 0x1p53 + 2, 1e16, 0x1p63, 0x1p64, 1e19, 1e20, 9.99e20, 1e21, 1e22, 1e-7, 1e308}) {
    CAPTURE(edge);
    CHECK(holds(edge));
    CHECK(holds(-edge));
  }
  const bool held = rc::check([&](std::uint64_t bits) {
    const double any = double_of(bits);
    RC_PRE(std::isfinite(any));
    RC_ASSERT(holds(any));
    RC_ASSERT(holds(std::ldexp(1.0 + std::abs(any - std::trunc(any)), static_cast<int>(bits % 140) - 40)));
  });
  CHECK(held);
}

TEST_CASE("json: an integer beyond 2^53 is refused however it is written", "[json]") {
  CHECK(verdict("9007199254740992") == "ok");
  CHECK(verdict("-9007199254740992") == "ok");
  for (const std::string number :
       {"9007199254740993", "-9007199254740993", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
        "18446744073709551615", "1e16", "-1e16", "100000000000000000000.0", "9.999e20"}) {
    CAPTURE(number);
    CHECK_THAT(verdict("{\"a\":[0," + number + "]}"),
               Catch::Matchers::StartsWith("invalid_body /a/1 ") && Catch::Matchers::Contains("2^53"));
  }
  for (const std::string number : {"18446744073709551616", "100000000000000000000", "1e400", "-1e400"}) {
    CAPTURE(number);
    CHECK_THAT(verdict(number), Catch::Matchers::StartsWith("invalid_body"));
  }
}

TEST_CASE("json: what is no JSON text is refused", "[json]") {
  for (const std::string text :
       {"",         " ",      "{} x",       "{}{}",    "1 2",       "[1]]",        "[1",      "{",        "\"a",
        "[1,]",     "[,1]",   "{\"a\":1,}", "{\"a\"}", "{\"a\" 1}", "{a:1}",       "{'a':1}", "{1:1}",    "nul",
        "True",     "NaN",    "Infinity",   "-",       "+1",        "01",          "-01",     "1.",       ".5",
        "1e",       "1e+",    "0x10",       "// a\n1", "\"\\x\"",   "\"\\u12g4\"", "\"\\u12", "\"a\nb\"", "\"a\tb\"",
        "\"\x01\"", "\x0c[]", "\xc2\xa0[]"}) {
    CAPTURE(text);
    CHECK_THAT(verdict(text), Catch::Matchers::StartsWith("invalid_body"));
  }
  CHECK_THAT(verdict(std::string("[1]\0", 4)), Catch::Matchers::StartsWith("invalid_body"));
  CHECK_THAT(verdict(std::string("\"\0\"", 3)), Catch::Matchers::StartsWith("invalid_body"));
  CHECK(verdict(" \t\r\n[ 1 , 2 ] \n") == "ok");
  for (const std::string scalar : {"1", "\"\"", "null", "true", "-0.5e-3"}) CHECK(verdict(scalar) == "ok");
}

TEST_CASE("json: text that is not UTF-8 is refused", "[json]") {
  for (const std::string bytes :
       {"\x80", "\xff", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe2\x82", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80"}) {
    CAPTURE(bytes);
    CHECK_THAT(verdict("\"" + bytes + "\""), Catch::Matchers::StartsWith("invalid_body"));
    CHECK_THAT(verdict("{\"" + bytes + "\":1}"), Catch::Matchers::StartsWith("invalid_body"));
  }
  CHECK(verdict("\"\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"") == "ok");
}

TEST_CASE("json: a surrogate that is not half of a pair is refused", "[json]") {
  for (const std::string text :
       {R"("\ud800")", R"("\udbff")", R"("\udc00")", R"("\udfff")", R"("\ud800x")", R"("\ud800\n")",
        R"("\ud800\u0041")", R"("\ud800\ud800")", R"("\ud800\ue000")", R"("\udc00\ud800")", R"("a\uDC00b")"}) {
    CAPTURE(text);
    CHECK_THAT(verdict(text), Catch::Matchers::StartsWith("invalid_body"));
    CHECK_THAT(verdict("{" + text + ":1}"), Catch::Matchers::StartsWith("invalid_body"));
  }
  CHECK(canonical_of(R"("\ud83d\ude00\uD800\uDC00\udbff\udfff")") ==
        "\"\xf0\x9f\x98\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"");
}

TEST_CASE("json: a key that stands twice is refused, and the pointer says where", "[json]") {
  CHECK(pointer_of(R"({"a":1,"a":1})") == "/a");
  CHECK(pointer_of(R"({"a":1,"\u0061":2})") == "/a");
  CHECK(pointer_of(R"({"x":[0,{"a/b~c":1,"a/b~c":2}]})") == "/x/1/a~1b~0c");
  CHECK(pointer_of(R"({"":{"":1,"":2}})") == "//");
  CHECK(pointer_of(R"([{"a":1},{"a":1}])") == "(ok)");
  CHECK(pointer_of(R"({"a":{"a":{"a":1}}})") == "(ok)");
  CHECK(pointer_of(R"({"a":1,"A":1})") == "(ok)");

  // Few members are compared one by one, many are sorted: every pair of places, on both sides of that line.
  for (const std::size_t size : {2, 15, 16, 17, 18, 40}) {
    for (std::size_t first = 0; first < size; ++first) {
      for (std::size_t second = first; second < size; ++second) {
        std::string text;
        for (std::size_t i = 0; i < size; ++i)
          text += (i == 0 ? "{\"k" : ",\"k") + std::to_string(i == second ? first : i) + "\":0";
        const auto expected = first == second ? "(ok)" : "/k" + std::to_string(first);
        if (pointer_of(text + "}") != expected) {
          CAPTURE(size, first, second);
          CHECK(pointer_of(text + "}") == expected);
        }
      }
    }
  }
}

TEST_CASE("json: nesting is accepted to the limit and refused after it", "[json]") {
  const auto arrays = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  const auto objects = [](std::size_t depth) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += i + 1 == depth ? "{" : "{\"a\":";
    return text + std::string(depth, '}');
  };
  for (const auto& text : {arrays(64), objects(64), "{\"a\":" + arrays(63) + "}", "[" + objects(63) + "]"})
    CHECK(verdict(text) == "ok");
  for (const auto& text : {arrays(65), objects(65), "{\"a\":" + arrays(64) + "}", "[" + objects(64) + "]",
                           arrays(1'024), arrays(1'025), objects(5'000), arrays(100'000), std::string(100'000, '[')}) {
    CHECK_THAT(verdict(text), Catch::Matchers::StartsWith("invalid_body"));
  }
  CHECK_THAT(verdict(arrays(65)), Catch::Matchers::Contains("nested deeper than 64"));
  CHECK_THAT(verdict(arrays(5'000)), Catch::Matchers::Contains("nested deeper than 64"));
  CHECK(verdict("[[]]", 2) == "ok");
  CHECK_THAT(verdict("[[[]]]", 2), Catch::Matchers::Contains("nested deeper than 2"));
  CHECK(verdict("1", 0) == "ok");
  CHECK_THAT(verdict("[]", 0), Catch::Matchers::Contains("nested deeper than 0"));
}

TEST_CASE("json: a parser is used again, also after a refusal", "[json]") {
  Parser parser;
  for (const std::string text : {"[1]", "[1", "{\"a\":1,\"a\":2}", "\"x\"", ""}) {
    const auto parsed = parser.parse(text);
    CHECK(parsed.has_value() == (text == "[1]" || text == "\"x\""));
    if (parsed) CHECK(canonical(*parsed) == text);
  }
}

TEST_CASE("json: every control character is escaped, in its shortest form", "[json]") {
  for (int byte = 0; byte < 0x20; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    CAPTURE(byte);
    CHECK(quote(text) == plainly_quoted(text));
    CHECK(canonical_of(quote(text)) == quote(text));
  }
  CHECK(quote(std::string(1, '\0')) == R"("\u0000")");
  CHECK(quote("\x1f\x7f/") == "\"\\u001f\x7f/\"");
  CHECK(quote("\"\\\b\t\n\f\r") == R"("\"\\\b\t\n\f\r")");
  CHECK(quote("") == "\"\"");
}

TEST_CASE("json: escaping is right for every byte at every place of every short length", "[json]") {
  std::size_t wrong = 0;
  std::string first_wrong;
  const auto try_one = [&](const std::string& text) {
    if (quote(text) == plainly_quoted(text)) return;
    if (wrong++ == 0) first_wrong = plainly_quoted(text);
  };
  for (std::size_t length = 0; length <= 26; ++length) {
    for (const char filler : {'a', ' ', '\xff', '\x80', '!', '#', '[', ']'}) {
      const std::string plain(length, filler);
      try_one(plain);
      for (std::size_t at = 0; at < length; ++at) {
        std::string text = plain;
        for (int byte = 0; byte < 256; ++byte) {
          text[at] = static_cast<char>(byte);
          try_one(text);
        }
        for (std::size_t other = 0; other < at; ++other) {
          text[at] = '"';
          text[other] = '\n';
          try_one(text);
          text[other] = filler;
        }
      }
    }
  }
  INFO("first: " << first_wrong);
  CHECK(wrong == 0);
}

TEST_CASE("json: what was escaped is parsed back to the same string", "[json]") {
  const bool held = rc::check([] {
    const auto text = utf8_of(*code_points());
    const auto quoted = quote(text);
    RC_ASSERT(quoted == plainly_quoted(text));
    Parser parser;
    const auto parsed = parser.parse(quoted);
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(std::string_view(*parsed) == text);
    RC_ASSERT(canonical(*parsed) == quoted);
  });
  CHECK(held);
}

TEST_CASE("json: append_string appends, and to what it was given", "[json]") {
  std::string out = "x";
  append_string(out, std::string_view("abc\"defgh", 3));
  CHECK(out == "x\"abc\"");
}

TEST_CASE("json: merge patches as in RFC 7396, appendix A", "[json]") {
  const std::vector<std::tuple<std::string, std::string, std::string>> vectors{
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", R"({})"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
      {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
      {R"({"a":"foo"})", R"(null)", R"(null)"},
      {R"({"a":"foo"})", R"("bar")", R"("bar")"},
      {R"({"e":null})", R"({"a":1})", R"({"a":1,"e":null})"},
      {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
      {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
  };
  for (const auto& [target, patch, expected] : vectors) {
    CAPTURE(target, patch);
    const auto merged = merge_patch(target, patch);
    REQUIRE(merged.has_value());
    CHECK(*merged == expected);
  }
}

TEST_CASE("json: a merge patch keeps what it does not name, and answers in canonical form", "[json]") {
  const auto merged =
      merge_patch(R"({"z":1.0,"a":{"y":[{"q":2,"p":1}],"x":"k\u00e9"}})", R"({"a":{"w":{"v":null}},"b":1e2})");
  REQUIRE(merged.has_value());
  CHECK(*merged == "{\"a\":{\"w\":{},\"x\":\"k\xc3\xa9\",\"y\":[{\"p\":1,\"q\":2}]},\"b\":100,\"z\":1}");
  CHECK(canonical_of(*merged) == *merged);
  CHECK_FALSE(merge_patch("{", "{}").has_value());
  CHECK_FALSE(merge_patch("{}", "{\"a\":1,\"a\":2}").has_value());
}

TEST_CASE("json: the object writer puts commas and leaves out what is empty", "[json]") {
  std::string out;
  ObjectWriter o(out);
  o.text("t", "a\"b").text_if("gone", "").text_if("kept", "x").number("n", std::numeric_limits<std::uint64_t>::max());
  o.boolean("yes", true).boolean("no", false).time("at", 1).time_if("never", 0).time_if("then", 86'400'000);
  o.raw("r", "[1]").raw_if("gone", "").raw_if("k\n", "{}").null("z");
  o.end();
  CHECK(out ==
        R"({"t":"a\"b","kept":"x","n":18446744073709551615,"yes":true,"no":false,"at":"1970-01-01T00:00:00.001Z",)"
        R"("then":"1970-01-02T00:00:00.000Z","r":[1],"k\n":{},"z":null})");
  std::string empty;
  ObjectWriter(empty).end();
  CHECK(empty == "{}");
}

}  // namespace holdfast::json
