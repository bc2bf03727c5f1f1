// The OpenAPI document against the code: its routes are those that are served, its error codes those that exist, its
// limits those that can be set, and nothing in it points nowhere.
#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
#include <holdfast/options.hpp>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "http/routes.hpp"
#include "src/core/json.hpp"

namespace holdfast::http {
namespace {

using json::Element;
using Names = std::multiset<std::string>;

Element document() {
  static json::Parser parser;
  static const Element kDocument = [] {
    std::ifstream in(HOLDFAST_SOURCE_DIR "/http/openapi.yaml", std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    auto parsed = parser.parse(text);
    if (!parsed) FAIL(parsed.error().detail << " at " << parsed.error().pointer);
    return *parsed;
  }();
  return kDocument;
}

Element at(Element e, std::string_view pointer) {
  Element value;
  INFO(pointer);
  REQUIRE(e.at_pointer(pointer).get(value) == simdjson::SUCCESS);
  return value;
}

std::string text(Element e) {
  std::string_view value;
  REQUIRE(e.get(value) == simdjson::SUCCESS);
  return std::string(value);
}

Names members(Element e) {
  Names names;
  for (const auto [name, value] : json::Object(e)) names.emplace(name);
  return names;
}

Names texts(Element e) {
  Names names;
  for (const auto item : json::Array(e)) names.insert(text(item));
  return names;
}

// What `e` stands for when it is a reference.
Element resolved(Element e) {
  Element target;
  if (e.at_key("$ref").get(target) != simdjson::SUCCESS) return e;
  return at(document(), text(target).substr(1));
}

// Calls `visit(name, value)` for every member of every object in `e`.
void each_member(Element e, const std::function<void(std::string_view, Element)>& visit) {
  if (e.is_object()) {
    for (const auto [name, value] : json::Object(e)) {
      visit(name, value);
      each_member(value, visit);
    }
  } else if (e.is_array()) {
    for (const auto item : json::Array(e)) each_member(item, visit);
  }
}

// Calls `visit("get /path", operation)` for every operation.
void each_operation(const std::function<void(const std::string&, Element)>& visit) {
  for (const auto [path, methods] : json::Object(at(document(), "/paths")))
    for (const auto [method, operation] : json::Object(methods))
      visit(std::string(method) + " " + std::string(path), operation);
}

std::map<std::string, ErrorCode> error_codes() {
  std::map<std::string, ErrorCode> codes;
  for (int i = 0; i < kErrorCodes; ++i) codes.emplace(name_of(static_cast<ErrorCode>(i)), static_cast<ErrorCode>(i));
  return codes;
}

// The path parameters of "/v1/sessions/{s}/messages/{m}": s and m.
Names parameters_in(std::string_view pattern) {
  Names names;
  for (auto from = pattern.find('{'); from != std::string_view::npos; from = pattern.find('{', from + 1))
    names.emplace(pattern.substr(from + 1, pattern.find('}', from) - from - 1));
  return names;
}

}  // namespace

TEST_CASE("the OpenAPI document has the routes of the server, and no others", "[openapi]") {
  CHECK(text(at(document(), "/openapi")).starts_with("3.1."));
  Names served;
  for (const auto& route : api_routes()) {
    std::string pattern(route.pattern);
    if (const auto rest = pattern.find("*}"); rest != std::string::npos) pattern.erase(rest, 1);
    const auto verb = boost::beast::http::to_string(route.method);
    std::string one(verb.data(), verb.size());
    for (auto& c : one) c = static_cast<char>(c | 0x20);
    for (const std::string method : {"get", "post", "put", "patch", "delete"})
      if (route.method == kAnyMethod || one == method) served.insert(method + " " + pattern);
  }
  Names described;
  Names ids;
  each_operation([&](const std::string& route, Element operation) {
    INFO(route);
    described.insert(route);
    const auto id = text(at(operation, "/operationId"));
    CHECK(ids.count(id) == 0);
    ids.insert(id);
    CHECK_FALSE(text(at(operation, "/summary")).empty());
    Names parameters;
    Element list;
    if (operation.at_key("parameters").get(list) == simdjson::SUCCESS) {
      for (const auto item : json::Array(list))
        if (text(at(resolved(item), "/in")) == "path") parameters.insert(text(at(resolved(item), "/name")));
    }
    CHECK(parameters == parameters_in(route));
  });
  CHECK(described == served);
}

TEST_CASE("nothing in the OpenAPI document points nowhere", "[openapi]") {
  Names used;
  each_member(document(), [&](std::string_view name, Element value) {
    if (name != "$ref") return;
    const auto target = text(value);
    REQUIRE(target.starts_with("#/"));
    at(document(), target.substr(1));
    used.insert(target);
  });
  for (const std::string kind : {"schemas", "responses", "parameters", "headers"}) {
    for (const auto& name : members(at(document(), "/components/" + kind))) {
      INFO(kind << " " << name);
      CHECK(used.count("#/components/" + kind + "/" + name) > 0);
    }
  }
}

TEST_CASE("the OpenAPI document knows the error codes, each under its status", "[openapi]") {
  const auto codes = error_codes();
  Names known;
  for (const auto& [name, code] : codes) known.insert(name);
  CHECK(texts(at(document(), "/components/schemas/Problem/properties/code/enum")) == known);

  const auto check = [&](const std::string& status, Element response) {
    Element problem;
    if (response.at_pointer("/content/application~1problem+json").get(problem) != simdjson::SUCCESS) return;
    const auto described = text(at(response, "/description"));
    const auto named = texts(at(problem, "/schema/allOf/1/properties/code/enum"));
    CHECK_FALSE(named.empty());
    bool retries = true;
    for (const auto& name : named) {
      INFO(name);
      REQUIRE(codes.count(name) == 1);
      const auto code = codes.at(name);
      CHECK((status == "default" || status == std::to_string(status_of(code))));
      CHECK(described.find("`" + name + "`") != std::string::npos);
      retries = retries && retryable(code);
    }
    Element header;
    CHECK((response.at_pointer("/headers/Retry-After").get(header) == simdjson::SUCCESS) == retries);
  };
  each_operation([&](const std::string& route, Element operation) {
    for (const auto [status, response] : json::Object(at(operation, "/responses"))) {
      INFO(route << " " << status);
      check(std::string(status), resolved(response));
    }
  });
}

TEST_CASE("the OpenAPI document lists every limit with its meaning and its default", "[openapi]") {
  const auto properties = at(document(), "/components/schemas/Limits/properties");
  const Limits limits;
  Names names;
  for (const auto& field : limit_fields()) {
    INFO(field.name);
    names.emplace(field.name);
    std::uint64_t value = 0;
    REQUIRE(at(properties, "/" + std::string(field.name) + "/default").get(value) == simdjson::SUCCESS);
    CHECK(value == limits.*field.field);
    CHECK(text(at(properties, "/" + std::string(field.name) + "/description")) == std::string(field.meaning) + ".");
  }
  CHECK(members(properties) == names);
}

TEST_CASE("the OpenAPI document closes every request body", "[openapi]") {
  each_operation([](const std::string& route, Element operation) {
    Element content;
    if (operation.at_pointer("/requestBody/content").get(content) != simdjson::SUCCESS) return;
    for (const auto [type, media] : json::Object(content)) {
      INFO(route << " " << type);
      auto schema = resolved(at(media, "/schema"));
      if (text(at(schema, "/type")) == "array") schema = resolved(at(schema, "/items"));
      if (text(at(schema, "/type")) != "object") continue;
      bool open = true;
      CHECK((schema.at_key("additionalProperties").get(open) == simdjson::SUCCESS && !open));
    }
  });
}

}  // namespace holdfast::http
