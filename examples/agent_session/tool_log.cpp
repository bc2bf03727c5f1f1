#include "tool_log.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "json.hpp"

namespace {

using holdfast::Context;
using holdfast::ErrorCode;
using holdfast::Json;
using holdfast::ObjectError;
using holdfast::Reply;
using simdjson::dom::element;

// A key of several that stay in order: numbers have ten digits.
std::string numbered(const std::string& prefix, std::uint64_t n) {
  constexpr std::size_t kDigits = 10;
  const auto digits = std::to_string(n);
  return prefix + std::string(kDigits - std::min(kDigits, digits.size()), '0') + digits;
}

Json listed(Context& ctx, const std::string& name, const std::string& prefix) {
  holdfast::ListOptions all;
  all.prefix = prefix;
  Json list;
  for (const auto& entry : ctx.storage().list(all)) (list += list.empty() ? "" : ",") += entry.value;
  return "{" + json_string(name) + ":[" + list + "]}";
}

// ---- the tools ----

Json add(simdjson::dom::array arguments) {
  std::int64_t sum = 0;
  for (const auto number : arguments) sum += number.get_int64().value();
  return std::to_string(sum);
}

// Appends to the session's notes: an effect, and it is counted.
Json note(Context& ctx, simdjson::dom::array arguments) {
  const auto text = simdjson::minify(arguments.at(0).value());
  const auto n = ctx.storage().get<std::uint64_t>("notes").value_or(0) + 1;
  ctx.storage().put("notes", n);
  ctx.storage().put(numbered("note/", n), text);
  return std::to_string(n);
}

// What a tool cannot do is a result too: the model reads it and does better.
Json result_of(Context& ctx, std::string_view tool, simdjson::dom::array arguments) {
  try {
    if (tool == "add") return add(arguments);
    if (tool == "now") return std::to_string(ctx.now());
    if (tool == "note") return note(ctx, arguments);
  } catch (const simdjson::simdjson_error&) {
    return R"({"error":"these arguments are none of that tool's"})";
  }
  return R"({"error":"there is no such tool: there are add, now and note"})";
}

// ---- the steps ----

Json taken(Context& ctx, const std::string& step) {
  simdjson::dom::parser parser;
  element said;
  std::string_view tool;
  simdjson::dom::array arguments;
  if (parser.parse(step).get(said) != simdjson::SUCCESS) throw ObjectError(ErrorCode::invalid_body, "a step is JSON");
  if (said["tool"].get(tool) != simdjson::SUCCESS || said["arguments"].get(arguments) != simdjson::SUCCESS)
    return simdjson::minify(said);
  return R"({"role":"tool","tool":)" + json_string(tool) + R"(,"arguments":)" + simdjson::minify(arguments) +
         R"(,"result":)" + result_of(ctx, tool, arguments) + "}";
}

Json take(Context& ctx, const std::string& key, const std::string& step) {
  if (auto before = ctx.storage().get(key)) return std::move(*before);
  auto now = taken(ctx, step);
  ctx.storage().put(key, now);
  return now;
}

}  // namespace

holdfast::Task<Reply> ToolLog::on_request(Context& ctx, const holdfast::Request& request) {
  const auto& path = request.path;
  const std::string turns = "/turns/";
  if (request.method == "GET" && path == "/notes") return Reply::json(listed(ctx, "notes", "note/"));
  if (path.starts_with(turns)) {
    const auto slash = path.find('/', turns.size());
    const auto turn = "turn/" + path.substr(turns.size(), slash - turns.size()) + "/";
    if (request.method == "GET" && slash == std::string::npos) return Reply::json(listed(ctx, "steps", turn));
    std::uint64_t step = 0;
    if (request.method == "POST" && slash != std::string::npos &&
        std::from_chars(path.data() + slash + 1, path.data() + path.size(), step).ec == std::errc{})
      return Reply::json(take(ctx, numbered(turn, step), request.body));
  }
  throw ObjectError(ErrorCode::not_found, "GET /turns/{message}, POST /turns/{message}/{step}, GET /notes");
}
