#include "src/core/json.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

namespace holdfast::json {
namespace {

// RFC 7493 (I-JSON): beyond this an integer is not safe in a double, and the canonical form has only doubles.
constexpr std::int64_t kIntegerMax = std::int64_t{1} << 53;
// From here on ECMAScript writes a double with an exponent; a smaller integer is written with all its digits.
constexpr double kExponentMin = 1e21;

constexpr Time kTimeMin = -62'167'219'200'000;  // 0000-01-01T00:00:00.000Z
constexpr Time kTimeMax = 253'402'300'799'999;  // 9999-12-31T23:59:59.999Z

tl::unexpected<Error> bad(std::string detail, std::string pointer = {}) {
  return fail(ErrorCode::invalid_body, std::move(detail), std::move(pointer));
}

void append_pointer(std::string& out, std::string_view name) {
  out += '/';
  for (const char c : name) {
    if (c == '~') out += "~0";
    else if (c == '/') out += "~1";
    else out += c;
  }
}

// Walks the document once: depth, duplicate keys, numbers that lose their value. The pointer is built on the way back
// from an error only.
class Checker {
 public:
  explicit Checker(std::uint64_t depth_max) : depth_max_(depth_max) {}

  // True when all is well; otherwise detail() and pointer() say what is not.
  bool check(Element e, std::uint64_t depth) {
    switch (e.type()) {
      case simdjson::dom::element_type::ARRAY: return check_array(e, depth);
      case simdjson::dom::element_type::OBJECT: return check_object(e, depth);
      case simdjson::dom::element_type::INT64: {
        const auto v = std::int64_t(e);
        return (v <= kIntegerMax && v >= -kIntegerMax) || refuse_number();
      }
      case simdjson::dom::element_type::UINT64: return refuse_number();  // simdjson: only what int64 cannot hold
      case simdjson::dom::element_type::DOUBLE: {
        // 1e16 is as refused as 10000000000000000, which is its canonical form: what is stored can be read again.
        const double v = std::abs(double(e));
        return v <= static_cast<double>(kIntegerMax) || v >= kExponentMin || refuse_number();
      }
      default: return true;
    }
  }
  [[nodiscard]] const std::string& detail() const { return detail_; }
  [[nodiscard]] std::string pointer() const {
    std::string out;
    for (auto part = path_.rbegin(); part != path_.rend(); ++part) append_pointer(out, *part);
    return out;
  }

 private:
  bool refuse(std::string detail) {
    detail_ = std::move(detail);
    return false;
  }
  bool refuse_number() {
    return refuse("the integer is beyond 2^53, where a JSON number is not exact; send it as a string");
  }
  bool too_deep() { return refuse("nested deeper than " + std::to_string(depth_max_)); }

  bool check_array(Element e, std::uint64_t depth) {
    if (depth >= depth_max_) return too_deep();
    std::size_t i = 0;
    for (const auto item : Array(e)) {
      if (!check(item, depth + 1)) {
        path_.push_back(std::to_string(i));
        return false;
      }
      ++i;
    }
    return true;
  }

  bool check_object(Element e, std::uint64_t depth) {
    if (depth >= depth_max_) return too_deep();
    std::array<std::string_view, 16> few;
    std::vector<std::string_view> many;
    std::size_t count = 0;
    for (const auto [name, value] : Object(e)) {
      if (count < few.size()) {
        for (std::size_t i = 0; i < count; ++i) {
          if (few[i] == name) return duplicate(name);
        }
        few[count] = name;
      } else {
        many.push_back(name);
      }
      ++count;
      if (!check(value, depth + 1)) {
        path_.emplace_back(name);
        return false;
      }
    }
    if (many.empty()) return true;
    many.insert(many.end(), few.begin(), few.end());
    std::sort(many.begin(), many.end());
    const auto twice = std::adjacent_find(many.begin(), many.end());
    return twice == many.end() || duplicate(*twice);
  }
  bool duplicate(std::string_view name) {
    path_.emplace_back(name);
    return refuse("the key stands twice in its object");
  }

  const std::uint64_t depth_max_;
  std::string detail_;
  std::vector<std::string> path_;  // innermost first
};

// ECMAScript Number::toString.
void append_double(std::string& out, double value) {
  if (value == 0) {
    out += '0';
    return;
  }
  std::array<char, 40> buffer{};
  const auto done = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string_view text(buffer.data(), static_cast<std::size_t>(done.ptr - buffer.data()));
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const auto e = text.find('e');
  int exponent = 0;
  const auto* from = text.data() + e + 1 + (text[e + 1] == '+' ? 1 : 0);
  std::from_chars(from, text.data() + text.size(), exponent);
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c != '.') digits += c;
  }
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  const int k = static_cast<int>(digits.size());
  const int n = exponent + 1;  // the decimal point stands after the n-th digit
  if (k <= n && n <= 21) {
    out += digits;
    out.append(static_cast<std::size_t>(n - k), '0');
  } else if (0 < n && n <= 21) {
    out += digits.substr(0, static_cast<std::size_t>(n)) + '.' + digits.substr(static_cast<std::size_t>(n));
  } else if (-6 < n && n <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-n), '0');
    out += digits;
  } else {
    out += digits.front();
    if (k > 1) out += '.' + digits.substr(1);
    out += n - 1 < 0 ? "e-" : "e+";
    out += std::to_string(std::abs(n - 1));
  }
}

// RFC 8785 sorts by UTF-16 code units. That is the order of the bytes but for U+E000..U+FFFF against supplementary
// characters, whose surrogates sort below them.
bool utf16_less(std::string_view a, std::string_view b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (y == b.end()) return false;
  if (x == a.end()) return true;
  const auto p = static_cast<unsigned char>(*x);
  const auto q = static_cast<unsigned char>(*y);
  const bool p_pair = p >= 0xf0;
  const bool q_pair = q >= 0xf0;
  if (p_pair != q_pair && (p_pair ? q : p) >= 0xee) return p_pair;
  return p < q;
}

void append_object(std::string& out, Object object) {
  struct Member {
    std::string_view name;
    Element value;
  };
  std::vector<Member> members;
  members.reserve(object.size());
  for (const auto [name, value] : object) members.push_back({name, value});
  std::sort(members.begin(), members.end(),
            [](const Member& a, const Member& b) { return utf16_less(a.name, b.name); });
  out += '{';
  bool first = true;
  for (const auto& member : members) {
    if (!first) out += ',';
    first = false;
    append_string(out, member.name);
    out += ':';
    append_canonical(out, member.value);
  }
  out += '}';
}

// What a simdjson value says, as an owned tree: for merge_patch only, which is not on the hot path.
struct Node {
  std::string name;  // of a member
  std::string text;  // canonical text of anything but an object
  std::vector<Node> members;
  bool object = false;
};

Node node_of(std::string_view own_name, Element e) {
  Node node;
  node.name = own_name;
  Object object;
  if (e.get(object) != simdjson::SUCCESS) {
    node.text = canonical(e);
    return node;
  }
  node.object = true;
  for (const auto [name, value] : object) node.members.push_back(node_of(name, value));
  return node;
}

// Changes what `target` holds; its name stays.
void apply_patch(Node& target, const Node& patch) {
  if (!patch.object || !target.object) {
    target.text = patch.text;
    target.members.clear();
    target.object = patch.object;
  }
  for (const auto& change : patch.members) {
    auto member = std::find_if(target.members.begin(), target.members.end(),
                               [&change](const Node& m) { return m.name == change.name; });
    if (!change.object && change.text == "null") {
      if (member != target.members.end()) target.members.erase(member);
      continue;
    }
    if (member == target.members.end()) member = target.members.insert(member, Node{change.name, {}, {}, false});
    apply_patch(*member, change);
  }
}

void append_node(std::string& out, Node& node) {
  if (!node.object) {
    out += node.text;
    return;
  }
  std::sort(node.members.begin(), node.members.end(),
            [](const Node& a, const Node& b) { return utf16_less(a.name, b.name); });
  out += '{';
  bool first = true;
  for (auto& member : node.members) {
    if (!first) out += ',';
    first = false;
    append_string(out, member.name);
    out += ':';
    append_node(out, member);
  }
  out += '}';
}

bool special(unsigned char c) noexcept { return c < 0x20 || c == '"' || c == '\\'; }

// Whether one of the bytes of `word` is special. (A byte of x is below n, for n <= 128, if and only if
// (x - n) & ~x has its high bit set, of the lowest such byte at least: S. E. Anderson, "Bit Twiddling Hacks".)
template <class Word>
bool any_special(Word word) noexcept {
  constexpr Word kOnes = static_cast<Word>(~Word{0}) / 0xff;
  const auto below = [](Word x, Word n) { return (x - kOnes * n) & ~x; };
  const Word quote = word ^ (kOnes * '"');
  const Word backslash = word ^ (kOnes * '\\');
  return ((below(word, 0x20) | below(quote, 1) | below(backslash, 1)) & (kOnes * 0x80)) != 0;
}

template <class Word>
Word load(const char* from) noexcept {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// The first byte at or after `from` that a string must escape. Looked at by words, the last of which overlaps the one
// before.
std::size_t first_special(std::string_view text, std::size_t from) noexcept {
  using Word = std::uint64_t;
  const auto plain = [&]<class W>(std::size_t at, W) { return !any_special(load<W>(text.data() + at)); };
  const auto size = text.size();
  while (from + sizeof(Word) <= size && plain(from, Word{})) from += sizeof(Word);
  if (size >= sizeof(Word)) {
    if (from + sizeof(Word) > size && plain(size - sizeof(Word), Word{})) return size;
  } else if (size >= sizeof(std::uint32_t)) {
    if (plain(0, std::uint32_t{}) && plain(size - sizeof(std::uint32_t), std::uint32_t{})) return size;
  }
  while (from < size && !special(static_cast<unsigned char>(text[from]))) ++from;
  return from;
}

// A few short texts that reach the output in one step.
template <std::size_t kBytesMax>
class Piece {
 public:
  [[nodiscard]] static bool fits(std::size_t bytes) noexcept { return bytes <= kBytesMax; }
  Piece& add(std::string_view text) noexcept {
    std::memcpy(bytes_ + size_, text.data(), text.size());
    size_ += text.size();
    return *this;
  }
  void append_to(std::string& out) const { out.append(bytes_, size_); }

 private:
  char bytes_[kBytesMax];
  std::size_t size_ = 0;
};

void append_escaped(std::string& out, unsigned char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\t': out += "\\t"; return;
    case '\n': out += "\\n"; return;
    case '\f': out += "\\f"; return;
    case '\r': out += "\\r"; return;
    default: break;
  }
  out += "\\u00";
  out += kDigits[c >> 4];
  out += kDigits[c & 0xf];
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) noexcept {
  if (at + count > text.size()) return std::nullopt;
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

}  // namespace

Result<Element> Parser::parse(std::string_view text, std::uint64_t depth_max) {
  Element root;
  if (const auto error = parser_.parse(text.data(), text.size()).get(root); error != simdjson::SUCCESS) {
    if (error == simdjson::DEPTH_ERROR) return bad("nested deeper than " + std::to_string(depth_max));
    return bad(std::string("not valid JSON: ") + simdjson::error_message(error));
  }
  Checker checker(depth_max);
  if (!checker.check(root, 0)) return bad(checker.detail(), checker.pointer());
  return root;
}

void append_canonical(std::string& out, Element e) {
  switch (e.type()) {
    case simdjson::dom::element_type::ARRAY: {
      out += '[';
      bool first = true;
      for (const auto item : Array(e)) {
        if (!first) out += ',';
        first = false;
        append_canonical(out, item);
      }
      out += ']';
      return;
    }
    case simdjson::dom::element_type::OBJECT: append_object(out, Object(e)); return;
    case simdjson::dom::element_type::INT64: out += std::to_string(std::int64_t(e)); return;
    case simdjson::dom::element_type::UINT64: append_double(out, static_cast<double>(std::uint64_t(e))); return;
    case simdjson::dom::element_type::DOUBLE: append_double(out, double(e)); return;
    case simdjson::dom::element_type::STRING: append_string(out, std::string_view(e)); return;
    case simdjson::dom::element_type::BOOL: out += bool(e) ? "true" : "false"; return;
    case simdjson::dom::element_type::NULL_VALUE: out += "null"; return;
  }
}

std::string canonical(Element element) {
  std::string out;
  append_canonical(out, element);
  return out;
}

Result<std::string> canonical_text(std::string_view text) {
  Parser parser;
  auto root = parser.parse(text);
  if (!root) return tl::unexpected(std::move(root.error()));
  return canonical(*root);
}

Result<std::string> merge_patch(std::string_view target, std::string_view patch) {
  Parser target_parser;
  Parser patch_parser;
  auto from = target_parser.parse(target);
  if (!from) return tl::unexpected(std::move(from.error()));
  auto change = patch_parser.parse(patch);
  if (!change) return tl::unexpected(std::move(change.error()));
  Node node = node_of({}, *from);
  apply_patch(node, node_of({}, *change));
  std::string out;
  append_node(out, node);
  return out;
}

void append_string(std::string& out, std::string_view utf8) {
  std::size_t i = first_special(utf8, 0);
  if (Piece<126> short_one; i == utf8.size() && short_one.fits(i + 2)) {  // a name or an id, as most strings are
    short_one.add("\"").add(utf8).add("\"").append_to(out);
    return;
  }
  out += '"';
  for (std::size_t plain = 0;; i = first_special(utf8, i)) {
    out.append(utf8, plain, i - plain);
    if (i == utf8.size()) break;
    append_escaped(out, static_cast<unsigned char>(utf8[i]));
    plain = ++i;
  }
  out += '"';
}

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 20> buffer{};
  const auto done = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  out.append(buffer.data(), done.ptr);
}

std::string quote(std::string_view utf8) {
  std::string out;
  append_string(out, utf8);
  return out;
}

void append_time(std::string& out, Time at) {
  // Civil date from days since 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
  const Time ms = ((at % 86'400'000) + 86'400'000) % 86'400'000;
  const Time days = (at - ms) / 86'400'000 + 719'468;
  const Time era = (days >= 0 ? days : days - 146'096) / 146'097;
  const auto doe = static_cast<unsigned>(days - era * 146'097);
  const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const unsigned mp = (5 * doy + 2) / 153;
  const unsigned day = doy - (153 * mp + 2) / 5 + 1;
  const unsigned month = mp < 10 ? mp + 3 : mp - 9;
  const Time year = static_cast<Time>(yoe) + era * 400 + (month <= 2 ? 1 : 0);

  char text[] = "\"0000-00-00T00:00:00.000Z\"";
  const auto put = [&text](std::size_t index, std::size_t width, Time value) {
    auto rest = static_cast<std::uint32_t>(value);
    for (std::size_t i = width; i-- > 0; rest /= 10) text[index + i] = static_cast<char>('0' + rest % 10);
  };
  put(1, 4, year);
  put(6, 2, month);
  put(9, 2, day);
  put(12, 2, ms / 3'600'000);
  put(15, 2, ms / 60'000 % 60);
  put(18, 2, ms / 1'000 % 60);
  put(21, 3, ms % 1'000);
  out.append(text, sizeof text - 1);
}

std::string format_time(Time at) {
  std::string quoted;
  append_time(quoted, at);
  return quoted.substr(1, quoted.size() - 2);
}

std::optional<Time> parse_time(std::string_view t) noexcept {
  const auto year = digits(t, 0, 4);
  const auto month = digits(t, 5, 2);
  const auto day = digits(t, 8, 2);
  const auto hour = digits(t, 11, 2);
  const auto minute = digits(t, 14, 2);
  const auto second = digits(t, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  if (t[4] != '-' || t[7] != '-' || (t[10] != 'T' && t[10] != 't') || t[13] != ':' || t[16] != ':') return std::nullopt;
  constexpr std::array kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
  if (*month < 1 || *month > 12 || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  if (*day < 1 || *day > kDays[static_cast<std::size_t>(*month - 1)] + (leap && *month == 2 ? 1 : 0))
    return std::nullopt;

  std::size_t i = 19;
  Time ms = 0;
  if (i < t.size() && t[i] == '.') {
    Time scale = 100;
    const std::size_t first = ++i;
    for (; i < t.size() && t[i] >= '0' && t[i] <= '9'; ++i, scale /= 10) ms += (t[i] - '0') * scale;
    if (i == first || i - first > 9) return std::nullopt;
  }
  Time offset_minutes = 0;
  if (i < t.size() && (t[i] == 'Z' || t[i] == 'z')) {
    ++i;
  } else if (i < t.size() && (t[i] == '+' || t[i] == '-')) {
    const auto hours = digits(t, i + 1, 2);
    const auto minutes = digits(t, i + 4, 2);
    if (!hours || !minutes || t[i + 3] != ':' || *hours > 23 || *minutes > 59) return std::nullopt;
    offset_minutes = (t[i] == '-' ? -1 : 1) * (*hours * 60 + *minutes);
    i += 6;
  } else {
    return std::nullopt;
  }
  if (i != t.size()) return std::nullopt;

  const Time y = *year - (*month <= 2 ? 1 : 0);
  const Time era = (y >= 0 ? y : y - 399) / 400;
  const Time yoe = y - era * 400;
  const Time doy = (153 * (*month + (*month > 2 ? -3 : 9)) + 2) / 5 + *day - 1;
  const Time doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  const Time days = era * 146'097 + doe - 719'468;
  const Time at = ((days * 24 + *hour) * 60 + *minute - offset_minutes) * 60'000 + *second * 1'000 + ms;
  // The offset can lead out of the years that format_time can write.
  if (at < kTimeMin || at > kTimeMax) return std::nullopt;
  return at;
}

ObjectWriter& ObjectWriter::key(Name name) {
  const std::string_view text = name.text();
  if (Piece<64> key; name.plain() && key.fits(text.size() + 4)) {
    key.add(std::exchange(first_, false) ? "\"" : ",\"").add(text).add("\":").append_to(out_);
  } else {
    if (!std::exchange(first_, false)) out_ += ',';
    append_string(out_, text);
    out_ += ':';
  }
  return *this;
}
ObjectWriter& ObjectWriter::text(Name name, std::string_view value) {
  const auto member_name = name.text();
  if (Piece<190> member;
      name.plain() && member.fits(member_name.size() + value.size() + 6) && first_special(value, 0) == value.size()) {
    member.add(std::exchange(first_, false) ? "\"" : ",\"")
        .add(member_name)
        .add("\":\"")
        .add(value)
        .add("\"")
        .append_to(out_);
    return *this;
  }
  key(name);
  append_string(out_, value);
  return *this;
}
ObjectWriter& ObjectWriter::text_if(Name name, std::string_view value) {
  return value.empty() ? *this : text(name, value);
}
ObjectWriter& ObjectWriter::number(Name name, std::uint64_t value) {
  key(name);
  append_number(out_, value);
  return *this;
}
ObjectWriter& ObjectWriter::boolean(Name name, bool value) {
  key(name);
  out_ += value ? "true" : "false";
  return *this;
}
ObjectWriter& ObjectWriter::time(Name name, Time at) {
  key(name);
  append_time(out_, at);
  return *this;
}
ObjectWriter& ObjectWriter::time_if(Name name, Time at) { return at == 0 ? *this : time(name, at); }
ObjectWriter& ObjectWriter::raw(Name name, std::string_view json) {
  key(name);
  out_ += json;
  return *this;
}
ObjectWriter& ObjectWriter::raw_if(Name name, std::string_view json) { return json.empty() ? *this : raw(name, json); }
ObjectWriter& ObjectWriter::null(Name name) { return raw(name, "null"); }

}  // namespace holdfast::json
