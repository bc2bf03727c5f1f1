// For whoever runs the server: probes, metrics, limits, the documents that it carries.
#include "http/assets.hpp"
#include "http/fields.hpp"
#include "http/metrics.hpp"
#include "http/readiness.hpp"
#include "http/respond.hpp"
#include "http/routes.hpp"

namespace holdfast::http {
namespace {

constexpr std::string_view kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::string_view kMarkdownType = "text/markdown; charset=utf-8";
constexpr std::string_view kHtmlType = "text/html; charset=utf-8";

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '<') out += "&lt;";
    else if (c == '&') out += "&amp;";
    else out += c;
  }
}

// Markdown reads well as it is; a browser gets it in a page of its own.
void append_page(std::string& out, std::string_view title, std::string_view markdown) {
  out +=
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>";
  append_escaped(out, title);
  out +=
      "</title><style>body{max-width:46rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
      "pre{white-space:pre-wrap}</style><pre>";
  append_escaped(out, markdown);
  out += "</pre></html>";
}

}  // namespace

Result<void> get_livez(Exchange& x) {
  send_json(x, 200, R"({"status":"live"})");
  return {};
}

Result<void> get_readyz(Exchange& x) {
  const auto& services = x.services();
  const auto stopping = services.stopping.load(std::memory_order_relaxed) ? Stopping::yes : Stopping::no;
  const auto* engine = services.engine.load(std::memory_order_acquire);
  const auto disk = engine != nullptr && engine->disk_full() ? Disk::full : Disk::has_room;
  write_readiness(x.answer(), readiness(engine, stopping), disk, services.recovery);
  x.send();
  return {};
}

Result<void> get_metrics(Exchange& x) {
  auto& services = x.services();
  auto& answer = x.answer();
  answer.content_type = kPrometheusType;
  answer.body = services.metrics.render(x.engine().stats(), x.limits(),
                                        services.connections.load(std::memory_order_relaxed), x.engine().overloaded());
  x.send();
  return {};
}

Result<void> get_openapi(Exchange& x) {
  send_json(x, 200, std::string(openapi_json()));
  return {};
}

Result<void> get_limits(Exchange& x) {
  auto& answer = x.answer();
  json::ObjectWriter o(answer.body);
  for_each_limit(x.limits(), [&o](std::string_view name, std::uint64_t value) { o.number(name, value); });
  o.end();
  x.send();
  return {};
}

Result<void> get_error_page(Exchange& x) {
  const auto code = x.match().parameters[0];
  const auto page = error_page(code);
  if (!page) return fail(ErrorCode::not_found, "there is no error of this code");
  auto& answer = x.answer();
  answer.add_header("X-Content-Type-Options", "nosniff");
  if (accepts(x.request(), "text/html")) {
    answer.content_type = kHtmlType;
    append_page(answer.body, code, *page);
  } else {
    answer.content_type = kMarkdownType;
    answer.body = *page;
  }
  x.send();
  return {};
}

Result<void> get_receipt_keys(Exchange& x) {
  const auto key = x.engine().receipt_key();
  auto& answer = x.answer();
  answer.body += "{\"keys\":[";
  json::ObjectWriter(answer.body).text("key", key.key).text("alg", "Ed25519").text("public_key", key.public_key).end();
  answer.body += "]}";
  x.send();
  return {};
}

Result<void> rotate_webhook_secret(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  if (auto ok = no_body(x); !ok) return ok;
  x.engine().rotate_webhook_secret_async(x.then<std::string>([](Exchange& e, std::string& secret) {
    auto& answer = e.answer();
    answer.add_header("Cache-Control", "no-store");
    json::ObjectWriter(answer.body).text("secret", secret).end();
    e.send();
  }));
  return {};
}

}  // namespace holdfast::http
