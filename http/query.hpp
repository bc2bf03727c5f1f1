// The query string of a request: decoded once, every parameter known or refused.
//
// A parameter that the route does not name, that comes twice, or that is not well encoded is invalid_request: a
// misspelt filter must not answer with everything. One thread; views live as long as the Query.
#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::http {

// Nothing when an escape is broken.
enum class Plus : std::uint8_t { literal, space };
[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text, Plus plus);
[[nodiscard]] std::string percent_encoded(std::string_view text);

// `raw` with the parameter `name` (which needs no escapes) set to `value`; for Link.
[[nodiscard]] std::string with_parameter(std::string_view raw, std::string_view name, std::string_view value);

class Query {
 public:
  [[nodiscard]] static Result<Query> parse(std::string_view raw, std::initializer_list<std::string_view> known);

  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;
  [[nodiscard]] std::string text(std::string_view name) const;  // empty when absent
  // Errors: invalid_request when it is no whole number from `min` to `max`.
  [[nodiscard]] Result<std::uint64_t> number(std::string_view name, std::uint64_t fallback, std::uint64_t min,
                                             std::uint64_t max) const;

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

}  // namespace holdfast::http
