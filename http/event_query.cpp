#include "http/event_query.hpp"

#include <charconv>

#include "http/event_stream.hpp"
#include "src/core/strict.hpp"

namespace holdfast::http {
namespace {

constexpr std::size_t kTypesMax = 64;

Result<std::uint64_t> cursor(std::string_view text) {
  std::uint64_t id = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (text.empty() || ec != std::errc{} || end != text.data() + text.size())
    return fail(ErrorCode::invalid_cursor, "an event cursor is the id of an event that you received, a decimal number");
  return id;
}

// A reconnecting EventSource repeats its URL and adds Last-Event-ID, which therefore wins.
Result<std::uint64_t> cursor_of(const Request& request, const Query& query) {
  const auto last = request.single("last-event-id");
  if (!last) return tl::unexpected(last.error());
  if (*last && !(*last)->empty()) return cursor(**last);
  if (query.find("after") && query.find("cursor"))
    return fail(ErrorCode::invalid_request, "after and cursor are the same; send one of them");
  if (const auto after = query.find("after")) return cursor(*after);
  if (const auto next = query.find("cursor")) return cursor(*next);
  return 0;
}

Result<std::vector<std::string>> types_of(const Query& query) {
  std::vector<std::string> types;
  const auto given = query.find("types");
  if (!given) return types;
  for (std::string_view rest = *given;;) {
    const auto type = rest.substr(0, rest.find(','));
    if (type.empty()) return fail(ErrorCode::invalid_request, "types is a list of event types, separated by commas");
    types.emplace_back(type);
    if (type.size() == rest.size()) break;
    rest.remove_prefix(type.size() + 1);
  }
  if (types.size() > kTypesMax)
    return fail(ErrorCode::invalid_request, "types names more than " + std::to_string(kTypesMax) + " types");
  return types;
}

}  // namespace

Result<Query> event_parameters(const Request& request) {
  return Query::parse(request.query(), {"after", "cursor", "limit", "types", "ticket"});
}

Result<EventQuery> event_query_of(const Request& request, const Limits& limits) {
  Query parameters;
  HOLDFAST_TRY(parameters, event_parameters(request));
  EventQuery query;
  HOLDFAST_TRY(query.after, cursor_of(request, parameters));
  HOLDFAST_TRY(query.limit, parameters.number("limit", query.limit, 1, limits.list_items_max));
  HOLDFAST_TRY(query.types, types_of(parameters));
  query.bytes_max = event_page_bytes(limits);
  return query;
}

}  // namespace holdfast::http
