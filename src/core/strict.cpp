#include "src/core/strict.hpp"

#include "src/core/ids.hpp"

namespace holdfast::strict {

std::string Place::pointer() const {
  if (parent_ == nullptr) return std::string(step_);
  std::string out = parent_->pointer();
  out += '/';
  if (index_) return out + std::to_string(*index_);
  for (const char c : step_) {
    if (c == '~') out += "~0";
    else if (c == '/') out += "~1";
    else out += c;
  }
  return out;
}

tl::unexpected<Error> bad(const Place& at, std::string detail) {
  return fail(ErrorCode::invalid_body, std::move(detail), at.pointer());
}

tl::unexpected<Error> too_large(const Place& at, std::string_view limit, std::uint64_t max) {
  return fail(ErrorCode::too_large, "over the limit " + std::string(limit) + " = " + std::to_string(max), at.pointer());
}

tl::unexpected<Error> unknown(const Place& at) { return bad(at, "there is no field of this name here"); }

tl::unexpected<Error> missing(const Place& parent, std::string_view member) {
  return bad(Place(parent, member), "this field is required");
}

Result<json::Object> object(json::Element e, const Place& at) {
  json::Object value;
  if (e.get(value) != simdjson::SUCCESS) return bad(at, "must be an object");
  return value;
}

Result<json::Array> array(json::Element e, const Place& at) {
  json::Array value;
  if (e.get(value) != simdjson::SUCCESS) return bad(at, "must be a list");
  return value;
}

Result<std::string_view> text(json::Element e, const Place& at) {
  std::string_view value;
  if (e.get(value) != simdjson::SUCCESS) return bad(at, "must be a string");
  return value;
}

Result<std::string_view> filled_text(json::Element e, const Place& at, std::size_t bytes_max) {
  auto value = text(e, at);
  if (!value) return value;
  if (value->empty()) return bad(at, "must not be empty");
  if (value->size() > bytes_max) return bad(at, "must be at most " + std::to_string(bytes_max) + " bytes long");
  return value;
}

Result<bool> boolean(json::Element e, const Place& at) {
  bool value = false;
  if (e.get(value) != simdjson::SUCCESS) return bad(at, "must be true or false");
  return value;
}

Result<std::uint64_t> number(json::Element e, const Place& at, std::uint64_t min, std::uint64_t max) {
  std::uint64_t value = 0;
  if (e.get(value) != simdjson::SUCCESS || value < min || value > max)
    return bad(at, "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  return value;
}

Result<Time> time(json::Element e, const Place& at) {
  std::string_view value;
  if (e.get(value) == simdjson::SUCCESS)
    if (const auto parsed = json::parse_time(value)) return *parsed;
  return bad(at, "must be an RFC 3339 time, such as 2026-01-02T03:04:05.678Z");
}

Result<std::string> name(json::Element e, const Place& at) {
  auto value = text(e, at);
  if (!value) return tl::unexpected(std::move(value.error()));
  if (!valid_name(*value))
    return fail(ErrorCode::invalid_name, "a name is [A-Za-z0-9][A-Za-z0-9._~:-]{0,127}", at.pointer());
  return std::string(*value);
}

Result<Labels> labels(json::Element e, const Place& at, std::uint64_t members_max) {
  json::Object members;
  HOLDFAST_TRY(members, object(e, at));
  Labels out;
  for (const auto [key, value] : members) {
    std::string_view string;
    HOLDFAST_TRY(string, text(value, Place(at, key)));
    out.emplace(key, string);
  }
  if (out.size() > members_max) return too_large(at, "labels_max", members_max);
  return out;
}

Result<Json> document(json::Element e, const Place& at, std::string_view limit, std::uint64_t bytes_max) {
  if (!e.is_object()) return bad(at, "must be an object");
  auto canonical = json::canonical(e);
  if (canonical.size() > bytes_max) return too_large(at, limit, bytes_max);
  return canonical;
}

}  // namespace holdfast::strict
