#include "http/fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "src/core/ids.hpp"

namespace holdfast::http {
namespace {

std::string_view trimmed(std::string_view text) noexcept {
  const auto from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

// Calls `visit` for each element of a comma-separated list; commas in quotes do not separate.
template <class Visit>
void each_element(std::string_view list, const Visit& visit) {
  bool quoted = false;
  std::size_t from = 0;
  for (std::size_t i = 0; i <= list.size(); ++i) {
    if (i < list.size() && list[i] == '"') quoted = !quoted;
    if (i < list.size() && (list[i] != ',' || quoted)) continue;
    if (const auto element = trimmed(list.substr(from, i - from)); !element.empty()) visit(element);
    from = i + 1;
  }
}

bool quoted_tag(std::string_view tag) noexcept {
  return tag.size() >= 2 && tag.front() == '"' && tag.back() == '"' &&
         tag.substr(1, tag.size() - 2).find('"') == std::string_view::npos;
}

Result<Precondition> match_of(std::string_view list) {
  Precondition precondition;
  if (trimmed(list) == "*") {
    precondition.kind = Precondition::Kind::exists;
    return precondition;
  }
  precondition.kind = Precondition::Kind::etag;
  bool valid = true;
  bool any = false;
  each_element(list, [&](std::string_view tag) {
    any = true;
    const bool weak = tag.starts_with("W/");
    if (weak) tag.remove_prefix(2);
    if (!quoted_tag(tag)) valid = false;
    else if (!weak) precondition.etags.emplace_back(tag.substr(1, tag.size() - 2));
  });
  if (!valid || !any) return fail(ErrorCode::invalid_request, "If-Match takes * or a list of quoted entity tags");
  return precondition;
}

bool lower_hex(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool all_zero(std::string_view text) noexcept { return text.find_first_not_of('0') == std::string_view::npos; }

}  // namespace

Result<Precondition> precondition_of(const Request& request) {
  const bool match = request.find("if-match").has_value();
  const auto none_match = request.find("if-none-match");
  if (match && none_match)
    return fail(ErrorCode::invalid_request, "If-Match and If-None-Match exclude each other; send one of them");
  if (match) return match_of(request.joined("if-match"));
  Precondition precondition;
  if (!none_match) return precondition;
  if (*none_match != "*") return fail(ErrorCode::invalid_request, "If-None-Match takes * only: create, do not replace");
  precondition.kind = Precondition::Kind::absent;
  return precondition;
}

std::optional<std::uint64_t> preferred_wait(const Request& request) {
  if (!request.find("prefer")) return std::nullopt;
  std::optional<std::uint64_t> wait;
  const auto all = request.joined("prefer");
  each_element(all, [&](std::string_view preference) {
    const auto equals = preference.find('=');
    if (wait || equals == std::string_view::npos) return;
    if (!equal_ignoring_case(trimmed(preference.substr(0, equals)), "wait")) return;
    auto value = trimmed(preference.substr(equals + 1, preference.find(';') - equals - 1));
    if (quoted_tag(value)) value = value.substr(1, value.size() - 2);
    std::uint64_t seconds = 0;
    const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (ec == std::errc{} && end == value.data() + value.size()) wait = seconds;
  });
  return wait;
}

std::string traceparent_of(const Request& request) {
  const auto field = request.find("traceparent");
  if (!field || field->size() != 55) return {};
  const auto version = field->substr(0, 3);
  const auto trace = field->substr(3, 32);
  const auto parent = field->substr(36, 16);
  const auto flags = field->substr(53, 2);
  if (version != "00-" || (*field)[35] != '-' || (*field)[52] != '-') return {};
  if (!lower_hex(trace) || !lower_hex(parent) || !lower_hex(flags) || all_zero(trace) || all_zero(parent)) return {};
  return std::string(*field);
}

std::optional<std::string_view> request_id_of(const Request& request) {
  const auto field = request.find("request-id");
  return field && valid_name(*field) ? field : std::nullopt;
}

Result<std::string> idempotency_key_of(const Request& request) {
  const auto field = request.single("idempotency-key");
  if (!field) return tl::unexpected(field.error());
  if (!*field) return std::string{};
  auto key = **field;
  if (quoted_tag(key)) key = key.substr(1, key.size() - 2);
  if (!valid_name(key))
    return fail(ErrorCode::invalid_name,
                "the Idempotency-Key stands for the message id: [A-Za-z0-9][A-Za-z0-9._~:-]{0,127}");
  return std::string(key);
}

bool accepts(const Request& request, std::string_view media_type) {
  if (!request.find("accept")) return false;
  bool found = false;
  const auto all = request.joined("accept");
  each_element(all, [&](std::string_view range) {
    found = found || equal_ignoring_case(trimmed(range.substr(0, range.find(';'))), media_type);
  });
  return found;
}

Result<void> require_json(const Request& request) {
  const auto field = request.single("content-type");
  if (!field) return tl::unexpected(field.error());
  if (!*field || request.body().empty()) return {};
  const auto type = trimmed((*field)->substr(0, (*field)->find(';')));
  constexpr std::string_view kJsonSuffix = "+json";
  if (equal_ignoring_case(type, "application/json")) return {};
  if (type.size() > kJsonSuffix.size() &&
      equal_ignoring_case(type.substr(type.size() - kJsonSuffix.size()), kJsonSuffix))
    return {};
  if (equal_ignoring_case(type, "application/x-www-form-urlencoded") && !request.find("origin")) return {};
  return fail(ErrorCode::unsupported_media_type, "send the body as application/json");
}

bool of_connection(std::string_view name) noexcept {
  constexpr std::array kFields{"connection", "content-length", "transfer-encoding",
                               "keep-alive", "upgrade",        "request-id"};
  return std::any_of(kFields.begin(), kFields.end(),
                     [&](std::string_view one) { return equal_ignoring_case(one, name); });
}

}  // namespace holdfast::http
