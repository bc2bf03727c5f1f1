// JSON in: strict parsing (simdjson's DOM) and the canonical form (RFC 8785). JSON out: append_string and friends.
//
// A body is refused for trailing garbage, a duplicate key, depth over the limit, invalid UTF-8, an integer beyond 2^53
// and a number that a double cannot hold; nothing is silently ignored. The canonical form of what was accepted is
// accepted again.
#pragma once

#include <simdjson.h>

#include <concepts>
#include <cstdint>
#include <holdfast/error.hpp>
#include <holdfast/types.hpp>
#include <memory>
#include <string>
#include <string_view>

namespace holdfast::json {

using Element = simdjson::dom::element;
using Object = simdjson::dom::object;
using Array = simdjson::dom::array;

// Owns a parser and its buffers; reuse one a thread. A parsed Element lives until the next parse.
class Parser {
 public:
  // Errors: invalid_body, with a pointer where there is one.
  [[nodiscard]] Result<Element> parse(std::string_view text, std::uint64_t depth_max = 64);

 private:
  simdjson::dom::parser parser_;
};

// RFC 8785 (JCS): members sorted by UTF-16 code units, ECMAScript numbers, minimal escapes.
[[nodiscard]] std::string canonical(Element element);
void append_canonical(std::string& out, Element element);
// Parses and canonicalises; for text that the engine itself has already checked.
[[nodiscard]] Result<std::string> canonical_text(std::string_view text);

// RFC 7396 on texts of valid JSON: the merged document in canonical form.
[[nodiscard]] Result<std::string> merge_patch(std::string_view target, std::string_view patch);

void append_string(std::string& out, std::string_view utf8);  // with quotes and escapes
void append_number(std::string& out, std::uint64_t value);
void append_time(std::string& out, Time at);  // "2026-01-02T03:04:05.678Z", with quotes
[[nodiscard]] std::string quote(std::string_view utf8);

// The name of a member. Of a literal the compiler sees that it needs no escapes.
class Name {
 public:
  template <std::size_t N>
  consteval Name(const char (&literal)[N]) : text_(literal, N - 1), plain_(true) {
    for (const char c : text_) plain_ = plain_ && c >= 0x20 && c != '"' && c != '\\';
  }
  template <std::convertible_to<std::string_view> T>
  Name(const T& text) : text_(text) {}
  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  [[nodiscard]] bool plain() const noexcept { return plain_; }

 private:
  std::string_view text_;
  bool plain_ = false;  // false: it may be, too
};

// Writes one object or array, with the commas in the right places.
//     ObjectWriter o(out); o.text("a", "b").number("n", 1).raw("m", json); o.end();
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  ObjectWriter& key(Name name);
  ObjectWriter& text(Name name, std::string_view value);
  ObjectWriter& text_if(Name name, std::string_view value);  // left out when empty
  ObjectWriter& number(Name name, std::uint64_t value);
  ObjectWriter& boolean(Name name, bool value);
  ObjectWriter& time(Name name, Time at);
  ObjectWriter& time_if(Name name, Time at);  // left out when 0
  ObjectWriter& raw(Name name, std::string_view json);
  ObjectWriter& raw_if(Name name, std::string_view json);  // left out when empty
  ObjectWriter& null(Name name);
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

// RFC 3339 with any offset and up to nanoseconds -> ms. Nothing when it is not of that form or in UTC not in the years
// 0000 to 9999, which are all that format_time writes.
[[nodiscard]] std::optional<Time> parse_time(std::string_view text) noexcept;
[[nodiscard]] std::string format_time(Time at);

}  // namespace holdfast::json
