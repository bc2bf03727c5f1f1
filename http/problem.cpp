#include "http/problem.hpp"

#include "src/core/json.hpp"

namespace holdfast::http {
namespace {

constexpr std::int64_t kRetryAfterMs = 1'000;  // where the error itself gives no advice
constexpr std::string_view kUnauthorized =
    "this needs a valid credential: send it as \"Authorization: Bearer <key>\" or as \"x-api-key: <key>\"";

void write_body(std::string& out, const Error& error, std::string_view detail) {
  const auto code = name_of(error.code);
  std::string type = "/errors/";
  type += code;
  json::ObjectWriter o(out);
  o.text("type", type)
      .text("title", title_of(error.code))
      .number("status", static_cast<std::uint64_t>(status_of(error.code)))
      .text_if("detail", detail)
      .text("code", code)
      .boolean("retryable", retryable(error.code));
  if (error.code == ErrorCode::unauthorized) return o.end();
  o.text_if("pointer", error.pointer);
  if (!error.members.empty()) {
    out += ',';
    out += error.members;
  }
  o.end();
}

}  // namespace

void write_problem(Answer& answer, const Error& error) {
  answer.clear();
  answer.status = status_of(error.code);
  answer.content_type = kProblemType;
  if (error.code == ErrorCode::unauthorized) answer.add_header("WWW-Authenticate", "Bearer realm=\"holdfast\"");
  if (retryable(error.code)) {
    const auto ms = error.retry_after_ms > 0 ? error.retry_after_ms : kRetryAfterMs;
    answer.add_header("Retry-After", std::to_string((ms + 999) / 1'000));
  }
  write_body(answer.body, error,
             error.code == ErrorCode::unauthorized ? kUnauthorized : std::string_view(error.detail));
}

}  // namespace holdfast::http
