# Script mode: writes OUT, a .cpp that holds http/openapi.yaml and docs/errors/*.md of ROOT as strings.
# The OpenAPI file is written in the part of YAML that is JSON, so it is served as it is.
cmake_policy(SET CMP0007 NEW)

# A string literal of a file, in pieces that every compiler takes.
function(literal file out)
  file(READ "${file}" hex HEX)
  string(LENGTH "${hex}" length)
  set(text "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${hex}" ${at} 4096 piece)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" piece "${piece}")
    string(APPEND text "\n    \"${piece}\"")
    math(EXPR at "${at} + 4096")
  endwhile()
  math(EXPR bytes "${length} / 2")
  set(${out} "std::string_view(${text},\n    ${bytes})" PARENT_SCOPE)
endfunction()

literal("${ROOT}/http/openapi.yaml" openapi)
file(GLOB pages "${ROOT}/docs/errors/*.md")
set(rows "")
foreach(page IN LISTS pages)
  get_filename_component(code "${page}" NAME_WE)
  literal("${page}" text)
  string(APPEND rows "  if (code == \"${code}\") return ${text};\n")
endforeach()
file(WRITE "${OUT}" "// Generated from http/openapi.yaml and docs/errors.
#include \"http/assets.hpp\"

namespace holdfast::http {

std::string_view openapi_json() { return ${openapi}; }

std::optional<std::string_view> error_page([[maybe_unused]] std::string_view code) {
${rows}  return std::nullopt;
}

}  // namespace holdfast::http
")
