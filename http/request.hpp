// Request: one parsed HTTP/1.x request, in buffers that the next request on the same connection reuses.
//
// It lives until its answer is rendered; every view into it is valid until then. One thread. Its sizes are bounded by
// the parser that fills it.
#pragma once

#include <ostream>  // Boost 1.81 string_view names it and does not include it

#include <boost/beast/http/verb.hpp>
#include <cstdint>
#include <holdfast/error.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::http {

using Verb = boost::beast::http::verb;

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

class Request {
 public:
  enum class Persistence : std::uint8_t { close, keep_alive };

  [[nodiscard]] Verb method() const noexcept { return method_; }
  [[nodiscard]] int version() const noexcept { return version_; }  // 10 or 11
  [[nodiscard]] std::string_view path() const noexcept { return std::string_view(target_).substr(0, path_size_); }
  // Without the question mark; still percent-encoded.
  [[nodiscard]] std::string_view query() const noexcept;
  [[nodiscard]] std::string_view body() const noexcept { return body_; }
  [[nodiscard]] std::string take_body() noexcept { return std::exchange(body_, {}); }
  // Whether its handler is called before the body is there, and takes it in parts: Connection::read_body.
  [[nodiscard]] bool in_parts() const noexcept { return in_parts_; }
  [[nodiscard]] Persistence persistence() const noexcept { return persistence_; }
  [[nodiscard]] bool wants_continue() const noexcept { return wants_continue_; }

  // The first field of that name (compared without case), without surrounding white space.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;
  // The same for a field that must not come twice. Errors: invalid_request.
  [[nodiscard]] Result<std::optional<std::string_view>> single(std::string_view name) const;
  // Calls `visit` for every field, in order.
  template <class Visit>
  void each_field(const Visit& visit) const {
    for (const auto& field : fields_) visit(name_of(field), value_of(field));
  }
  // All fields of that name as one comma-separated list (RFC 9110 5.3).
  [[nodiscard]] std::string joined(std::string_view name) const;

  // ---- for whoever fills it ----
  void clear() noexcept;
  void set_start_line(Verb method, std::string_view target, int version);
  void add_field(std::string_view name, std::string_view value);
  void reserve_body(std::size_t bytes) { body_.reserve(bytes); }
  void append_body(std::string_view part) { body_ += part; }
  void set_persistence(Persistence persistence) noexcept { persistence_ = persistence; }
  void expect_continue() noexcept { wants_continue_ = true; }
  void take_in_parts() noexcept { in_parts_ = true; }

 private:
  struct Field {
    std::uint32_t at = 0;  // of the name in text_; the value follows it
    std::uint32_t name_size = 0;
    std::uint32_t value_size = 0;
  };
  [[nodiscard]] std::string_view name_of(const Field& f) const noexcept {
    return std::string_view(text_).substr(f.at, f.name_size);
  }
  [[nodiscard]] std::string_view value_of(const Field& f) const noexcept {
    return std::string_view(text_).substr(f.at + f.name_size, f.value_size);
  }

  [[nodiscard]] bool named(const Field& f, std::string_view name) const noexcept {
    return f.name_size == name.size() && equal_ignoring_case(name_of(f), name);
  }

  Verb method_ = Verb::unknown;
  int version_ = 11;
  Persistence persistence_ = Persistence::keep_alive;
  bool wants_continue_ = false;
  bool in_parts_ = false;
  std::size_t path_size_ = 0;
  std::string target_;
  std::string text_;  // names and values, one after the other
  std::vector<Field> fields_;
  std::string body_;
};

}  // namespace holdfast::http
