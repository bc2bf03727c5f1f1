#include "http/query.hpp"

#include <algorithm>
#include <charconv>

namespace holdfast::http {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr bool unreserved(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

tl::unexpected<Error> bad(std::string detail) { return fail(ErrorCode::invalid_request, std::move(detail)); }

}  // namespace

std::optional<std::string> percent_decoded(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (unreserved(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

std::string with_parameter(std::string_view raw, std::string_view name, std::string_view value) {
  std::string out;
  while (!raw.empty()) {
    const auto part = raw.substr(0, raw.find('&'));
    raw.remove_prefix(std::min(part.size() + 1, raw.size()));
    if (part.empty() || part.substr(0, part.find('=')) == name) continue;
    out += part;
    out += '&';
  }
  out += name;
  out += '=';
  return out += percent_encoded(value);
}

Result<Query> Query::parse(std::string_view raw, std::initializer_list<std::string_view> known) {
  Query query;
  while (!raw.empty()) {
    const auto part = raw.substr(0, raw.find('&'));
    raw.remove_prefix(std::min(part.size() + 1, raw.size()));
    if (part.empty()) continue;
    const auto equals = part.find('=');
    auto name = percent_decoded(part.substr(0, equals), Plus::space);
    auto value =
        percent_decoded(equals == std::string_view::npos ? std::string_view{} : part.substr(equals + 1), Plus::space);
    if (!name || !value) return bad("the query string has a broken percent escape");
    if (std::find(known.begin(), known.end(), *name) == known.end())
      return bad("there is no query parameter of that name here: " + percent_encoded(*name));
    if (query.find(*name)) return bad("the query parameter " + *name + " may come once only");
    query.parameters_.emplace_back(std::move(*name), std::move(*value));
  }
  return query;
}

std::optional<std::string_view> Query::find(std::string_view name) const noexcept {
  for (const auto& [key, value] : parameters_)
    if (key == name) return value;
  return std::nullopt;
}

std::string Query::text(std::string_view name) const { return std::string(find(name).value_or(std::string_view{})); }

Result<std::uint64_t> Query::number(std::string_view name, std::uint64_t fallback, std::uint64_t min,
                                    std::uint64_t max) const {
  const auto value = find(name);
  if (!value) return fallback;
  std::uint64_t number = 0;
  const auto [end, ec] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (ec != std::errc{} || end != value->data() + value->size() || number < min || number > max)
    return bad("the query parameter " + std::string(name) + " must be a whole number from " + std::to_string(min) +
               " to " + std::to_string(max));
  return number;
}

}  // namespace holdfast::http
