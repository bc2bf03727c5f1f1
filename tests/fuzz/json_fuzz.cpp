// Any bytes as a JSON body: refused with invalid_body, or accepted with a canonical form that is its own canonical form
// and means the same.
#include <cstddef>
#include <cstdint>

#include "src/core/check.hpp"
#include "src/core/json.hpp"

using namespace holdfast;

namespace {

// Strings: what append_string wrote is read back.
void check_strings(json::Element e) {
  std::string_view text;
  json::Array array;
  json::Object object;
  if (e.get(text) == simdjson::SUCCESS) {
    json::Parser parser;
    const auto again = parser.parse(json::quote(text));
    HOLDFAST_CHECK(again.has_value() && std::string_view(*again) == text);
  } else if (e.get(array) == simdjson::SUCCESS) {
    for (const auto item : array) check_strings(item);
  } else if (e.get(object) == simdjson::SUCCESS) {
    for (const auto [name, value] : object) check_strings(value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  json::Parser parser;
  const auto parsed = parser.parse(text);
  if (!parsed) {
    HOLDFAST_CHECK(parsed.error().code == ErrorCode::invalid_body && !parsed.error().detail.empty());
    return 0;
  }
  check_strings(*parsed);
  const auto canonical = json::canonical(*parsed);
  const auto again = json::canonical_text(canonical);
  HOLDFAST_CHECK(again.has_value() && *again == canonical);

  // A patch applied twice is the patch applied once, and an empty one only writes the canonical form.
  const auto once = json::merge_patch("{}", canonical);
  HOLDFAST_CHECK(once.has_value());
  HOLDFAST_CHECK(json::merge_patch(*once, canonical) == once->c_str());
  if (parsed->is_object()) HOLDFAST_CHECK(json::merge_patch(text, "{}") == canonical);

  std::string_view time;
  if (parsed->get(time) == simdjson::SUCCESS) {
    const auto at = json::parse_time(time);
    if (at) HOLDFAST_CHECK(json::parse_time(json::format_time(*at)) == at);
  }
  return 0;
}
