// Strict reading of JSON values: every helper answers invalid_body with the JSON pointer of the place it looked at.
// A `Place` grows only when something is wrong or nested, so that reading a good body builds no pointers.
#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <holdfast/types.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "src/core/json.hpp"

namespace holdfast::strict {

// Where a value stands: a link to the place around it and the last step. Lives on the stack.
class Place {
 public:
  explicit Place(std::string_view root) noexcept : step_(root) {}
  Place(const Place& parent, std::string_view member) noexcept : parent_(&parent), step_(member) {}
  Place(const Place& parent, std::size_t index) noexcept : parent_(&parent), index_(index) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  [[nodiscard]] std::string pointer() const;  // RFC 6901

 private:
  const Place* parent_ = nullptr;
  std::string_view step_;
  std::optional<std::size_t> index_;
};

[[nodiscard]] tl::unexpected<Error> bad(const Place& at, std::string detail);
[[nodiscard]] tl::unexpected<Error> too_large(const Place& at, std::string_view limit, std::uint64_t max);

[[nodiscard]] Result<json::Object> object(json::Element e, const Place& at);
[[nodiscard]] Result<json::Array> array(json::Element e, const Place& at);
[[nodiscard]] Result<std::string_view> text(json::Element e, const Place& at);
[[nodiscard]] Result<std::string_view> filled_text(json::Element e, const Place& at, std::size_t bytes_max);
[[nodiscard]] Result<bool> boolean(json::Element e, const Place& at);
[[nodiscard]] Result<std::uint64_t> number(json::Element e, const Place& at, std::uint64_t min, std::uint64_t max);
[[nodiscard]] Result<Time> time(json::Element e, const Place& at);
[[nodiscard]] Result<std::string> name(json::Element e, const Place& at);
// Strings by name, as many as `members_max`.
[[nodiscard]] Result<Labels> labels(json::Element e, const Place& at, std::uint64_t members_max);
// The canonical text of an object, at most `bytes_max` long.
[[nodiscard]] Result<Json> document(json::Element e, const Place& at, std::string_view limit, std::uint64_t bytes_max);

[[nodiscard]] tl::unexpected<Error> unknown(const Place& at);
[[nodiscard]] tl::unexpected<Error> missing(const Place& parent, std::string_view member);

}  // namespace holdfast::strict

// Assigns the value of a Result, or returns its error from the enclosing function.
#define HOLDFAST_TRY(target, expression)                                             \
  do {                                                                               \
    auto holdfast_result = (expression);                                             \
    if (!holdfast_result) return tl::unexpected(std::move(holdfast_result.error())); \
    target = std::move(*holdfast_result);                                            \
  } while (false)
