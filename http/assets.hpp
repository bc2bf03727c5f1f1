// Files that are compiled into the server: the OpenAPI document and the pages behind every problem `type`. The
// definitions are generated from http/openapi.yaml and docs/errors/*.md.
#pragma once

#include <optional>
#include <string_view>

namespace holdfast::http {

[[nodiscard]] std::string_view openapi_json();
// Markdown. Nothing for a code that has no page.
[[nodiscard]] std::optional<std::string_view> error_page(std::string_view code);

}  // namespace holdfast::http
