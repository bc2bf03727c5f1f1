// Router: method and path -> the route that answers, from one fixed table.
//
// A pattern is a path whose segments are literal or `{parameter}`; a last segment `{name*}` takes the rest of the path,
// and is looked at when no other pattern has this path. Among the patterns that fit a path the first one
// with the method wins, so that a literal (`/v1/sessions/import`) is listed before a parameter and hides it only for
// its own methods. HEAD is answered by GET. Immutable after construction; any thread. Segments stay percent-encoded.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "http/request.hpp"

namespace holdfast::http {

class Exchange;
// Answers the exchange or starts the call that will. A handler that returns an error did neither: the error is
// answered.
using Handler = Result<void> (*)(Exchange&);

// Whom a route is for, when auth is on.
enum class Access : std::uint8_t {
  operator_only,
  runtimes,  // the operator, and runtimes by their auth token
  tickets,   // as `runtimes`, and the handler redeems tickets
};

// What an overloaded server does with it.
enum class Load : std::uint8_t {
  always_taken,  // reads little, or ends what is in
  new_work,      // turned away first
};

// All methods but OPTIONS, which the front answers.
inline constexpr Verb kAnyMethod = Verb::unknown;

struct Route {
  Verb method = Verb::get;   // or kAnyMethod
  std::string_view pattern;  // static storage
  Handler handler = nullptr;
  Access access = Access::operator_only;
  Load load = Load::always_taken;
};

inline constexpr std::size_t kPathParametersMax = 2;
struct Match {
  const Route* route = nullptr;
  std::size_t index = 0;  // of the route in the table
  std::array<std::string_view, kPathParametersMax> parameters;
  std::string_view rest;  // of the path, with its slash, where the pattern takes it
};
struct NoPath {};
struct NoMethod {
  std::string allow;  // for the Allow field
};

class Router {
 public:
  explicit Router(std::span<const Route> routes);

  [[nodiscard]] std::variant<Match, NoPath, NoMethod> match(Verb method, std::string_view path) const;
  [[nodiscard]] std::span<const Route> routes() const noexcept { return routes_; }

 private:
  static constexpr std::size_t kSegmentsMax = 8;
  struct Pattern {
    std::size_t index = 0;
    std::vector<std::string_view> segments;
  };
  using Segments = std::array<std::string_view, kSegmentsMax>;
  [[nodiscard]] std::variant<Match, NoPath, NoMethod> choose(const std::vector<Pattern>& patterns, Verb method,
                                                             const Segments& segments, std::string_view rest) const;
  [[nodiscard]] static bool fits(const Pattern& pattern, const Segments& segments, Match& match);

  std::span<const Route> routes_;
  std::array<std::vector<Pattern>, kSegmentsMax + 1> by_length_;
  std::array<std::vector<Pattern>, kSegmentsMax + 1> open_ended_;  // by the length of what stands before the rest
};

}  // namespace holdfast::http
