#include "http/request.hpp"

#include <algorithm>

namespace holdfast::http {
namespace {

constexpr std::size_t kBodyBytesKept = 64 << 10;  // a larger buffer is given back after its request

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// RFC 9112 3.2: a server accepts the absolute form; only its path matters here.
std::string_view origin_form(std::string_view target) noexcept {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() < scheme.size() || !equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    const auto slash = target.find('/', scheme.size());
    return slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  return target;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view Request::query() const noexcept {
  return path_size_ < target_.size() ? std::string_view(target_).substr(path_size_ + 1) : std::string_view{};
}

std::optional<std::string_view> Request::find(std::string_view name) const noexcept {
  for (const auto& field : fields_)
    if (named(field, name)) return value_of(field);
  return std::nullopt;
}

Result<std::optional<std::string_view>> Request::single(std::string_view name) const {
  std::optional<std::string_view> found;
  for (const auto& field : fields_) {
    if (!named(field, name)) continue;
    if (found) return fail(ErrorCode::invalid_request, "the header " + std::string(name) + " may come once only");
    found = value_of(field);
  }
  return found;
}

std::string Request::joined(std::string_view name) const {
  std::string all;
  for (const auto& field : fields_) {
    if (!named(field, name)) continue;
    if (!all.empty()) all += ", ";
    all += value_of(field);
  }
  return all;
}

void Request::clear() noexcept {
  method_ = Verb::unknown;
  version_ = 11;
  persistence_ = Persistence::keep_alive;
  wants_continue_ = false;
  in_parts_ = false;
  path_size_ = 0;
  target_.clear();
  text_.clear();
  fields_.clear();
  body_.clear();
  if (body_.capacity() > kBodyBytesKept) body_.shrink_to_fit();
}

void Request::set_start_line(Verb method, std::string_view target, int version) {
  method_ = method;
  version_ = version;
  target_ = origin_form(target);
  path_size_ = std::min(target_.find('?'), target_.size());
}

void Request::add_field(std::string_view name, std::string_view value) {
  fields_.push_back({static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(name.size()),
                     static_cast<std::uint32_t>(value.size())});
  text_ += name;
  text_ += value;
}

}  // namespace holdfast::http
