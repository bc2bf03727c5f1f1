#include "actors/session/merge.hpp"

#include "src/core/json.hpp"

namespace holdfast::session {
namespace {

void append_items(std::string& list, json::Element content) {
  if (list.size() > 1) list += ',';
  json::Array items;
  if (content.get(items) != simdjson::SUCCESS) {
    json::append_canonical(list, content);
    return;
  }
  bool first = true;
  for (const auto item : items) {
    if (!first) list += ',';
    first = false;
    json::append_canonical(list, item);
  }
}

}  // namespace

std::optional<Json> merge_turns(std::string_view into, std::string_view added, std::uint64_t content_bytes_max) {
  json::Parser first_parser;
  json::Parser second_parser;
  const auto first = first_parser.parse(into);
  const auto second = second_parser.parse(added);
  if (!first || !second) return std::nullopt;
  std::string_view first_kind;
  std::string_view second_kind;
  if (first->at_key("kind").get(first_kind) != simdjson::SUCCESS) return std::nullopt;
  if (second->at_key("kind").get(second_kind) != simdjson::SUCCESS || first_kind != second_kind) return std::nullopt;

  json::Element first_content;
  json::Element second_content;
  const bool has_first = first->at_key("content").get(first_content) == simdjson::SUCCESS;
  const bool has_second = second->at_key("content").get(second_content) == simdjson::SUCCESS;
  std::string content;
  if (has_first && has_second && first_content.is_string() && second_content.is_string()) {
    const std::string joined =
        std::string(std::string_view(first_content)) + "\n\n" + std::string(std::string_view(second_content));
    json::append_string(content, joined);
  } else {
    content = "[";
    if (has_first) append_items(content, first_content);
    if (has_second) append_items(content, second_content);
    content += ']';
  }
  if (content.size() > content_bytes_max) return std::nullopt;

  std::string attachments = "[";
  json::Element list;
  if (first->at_key("attachments").get(list) == simdjson::SUCCESS) append_items(attachments, list);
  if (second->at_key("attachments").get(list) == simdjson::SUCCESS) append_items(attachments, list);
  attachments += ']';

  std::string turn;
  json::ObjectWriter o(turn);
  if (attachments.size() > 2) o.raw("attachments", attachments);
  o.raw("content", content).text("kind", first_kind);
  o.end();
  return turn;
}

}  // namespace holdfast::session
