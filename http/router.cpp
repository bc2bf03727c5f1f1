#include "http/router.hpp"

#include <boost/beast/http/verb.hpp>

#include <algorithm>

#include "src/core/check.hpp"

namespace holdfast::http {
namespace {

// What kAnyMethod stands for in an Allow field.
constexpr std::array kMethods{Verb::get, Verb::post, Verb::put, Verb::patch, Verb::delete_};

bool parameter(std::string_view segment) noexcept { return segment.starts_with('{'); }

// The segments after the leading slash; more than there is room for are counted as one too many.
template <std::size_t N>
std::size_t split(std::string_view path, std::array<std::string_view, N>& out) noexcept {
  std::size_t count = 0;
  path.remove_prefix(std::min<std::size_t>(1, path.size()));
  while (true) {
    const auto slash = path.find('/');
    if (count == N) return N + 1;  // the first N are there
    out[count++] = path.substr(0, slash);
    if (slash == std::string_view::npos) return count;
    path.remove_prefix(slash + 1);
  }
}

void add_method(std::string& allow, Verb method) {
  const auto name = boost::beast::http::to_string(method);
  const std::string_view text(name.data(), name.size());
  if (allow.find(text) != std::string::npos) return;
  if (!allow.empty()) allow += ", ";
  allow += text;
  if (method == Verb::get) allow += ", HEAD";
}

}  // namespace

Router::Router(std::span<const Route> routes) : routes_(routes) {
  for (std::size_t i = 0; i < routes.size(); ++i) {
    Segments segments;
    auto count = split(routes[i].pattern, segments);
    HOLDFAST_CHECK(count <= kSegmentsMax);
    const bool open_ended = segments[count - 1].ends_with("*}");
    if (open_ended) --count;
    (open_ended ? open_ended_ : by_length_)[count].push_back(
        {i, {segments.begin(), segments.begin() + static_cast<std::ptrdiff_t>(count)}});
  }
}

bool Router::fits(const Pattern& pattern, const Segments& segments, Match& match) {
  std::size_t parameters = 0;
  for (std::size_t i = 0; i < pattern.segments.size(); ++i) {
    if (!parameter(pattern.segments[i])) {
      if (pattern.segments[i] != segments[i]) return false;
    } else {
      if (segments[i].empty()) return false;
      HOLDFAST_CHECK(parameters < kPathParametersMax);
      match.parameters[parameters++] = segments[i];
    }
  }
  return true;
}

std::variant<Match, NoPath, NoMethod> Router::match(Verb method, std::string_view path) const {
  Segments segments;
  const auto count = split(path, segments);
  if (count <= kSegmentsMax) {
    auto found = choose(by_length_[count], method, segments, {});
    if (!std::holds_alternative<NoPath>(found)) return found;
  }
  for (std::size_t before = 1; before < std::min(count, kSegmentsMax + 1); ++before) {
    if (open_ended_[before].empty()) continue;
    const auto* end = segments[before - 1].data() + segments[before - 1].size();
    const auto rest = path.substr(static_cast<std::size_t>(end - path.data()));
    auto found = choose(open_ended_[before], method, segments, rest);
    if (!std::holds_alternative<NoPath>(found)) return found;
  }
  return NoPath{};
}

std::variant<Match, NoPath, NoMethod> Router::choose(const std::vector<Pattern>& patterns, Verb method,
                                                     const Segments& segments, std::string_view rest) const {
  const Verb wanted = method == Verb::head ? Verb::get : method;
  NoMethod others;
  for (const auto& pattern : patterns) {
    Match found;
    if (!fits(pattern, segments, found)) continue;
    const auto& route = routes_[pattern.index];
    const bool any = route.method == kAnyMethod && method != Verb::options;
    if (route.method != wanted && !any) {
      for (const auto verb : route.method == kAnyMethod ? std::span<const Verb>(kMethods) : std::span(&route.method, 1))
        add_method(others.allow, verb);
      continue;
    }
    found.route = &route;
    found.index = pattern.index;
    found.rest = rest;
    return found;
  }
  if (others.allow.empty()) return NoPath{};
  return others;
}

}  // namespace holdfast::http
