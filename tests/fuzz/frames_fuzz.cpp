// Events as Server-Sent Events, in pieces of any size: `holdfast tail` and a reader by the letter of WHATWG HTML 9.2
// get the same events back. And the reason of a close frame: a prefix that fits, and no half character at its end.
//
// The first byte is the size of the pieces, the second how many bytes of the rest are the type; what follows is data.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "actors/session/event_types.hpp"
#include "http/close_reason.hpp"
#include "http/event_text.hpp"
#include "src/cli/event_lines.hpp"
#include "src/core/check.hpp"
#include "src/core/json.hpp"

using namespace holdfast;

namespace {

struct Received {
  std::string id;
  std::string type;
  std::string data;
};

// What an EventSource would dispatch.
std::vector<Received> by_the_letter(std::string_view stream) {
  std::vector<Received> events;
  Received now;
  while (!stream.empty()) {
    const auto end = stream.find_first_of("\r\n");
    HOLDFAST_CHECK(end != std::string_view::npos);
    const auto line = stream.substr(0, end);
    const bool crlf = stream[end] == '\r' && end + 1 < stream.size() && stream[end + 1] == '\n';
    stream.remove_prefix(end + (crlf ? 2 : 1));
    if (line.empty()) {
      if (!now.data.empty()) events.push_back(now);
      now = {};
      continue;
    }
    const auto colon = line.find(':');
    const auto field = line.substr(0, colon);
    auto value = colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "id") now.id = value;
    else if (field == "event") now.type = value;
    else if (field == "data") now.data += value;
  }
  return events;
}

bool half_character_at_end(std::string_view text) {
  std::size_t tail = 0;
  while (tail < text.size() && (static_cast<unsigned char>(text[text.size() - 1 - tail]) & 0xc0) == 0x80) ++tail;
  if (tail == text.size()) return tail != 0;
  const auto lead = static_cast<unsigned char>(text[text.size() - 1 - tail]);
  const std::size_t follow = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
  return tail < follow;
}

void check_reason(std::string_view reason) {
  constexpr std::size_t kBytesMax = 123;
  const auto sent = http::reason_in_frame(reason);
  HOLDFAST_CHECK(sent.size() <= kBytesMax && reason.starts_with(sent));
  HOLDFAST_CHECK(reason.size() > kBytesMax || sent == reason);
  simdjson::simdjson_result<bool> valid = simdjson::validate_utf8(reason.data(), reason.size());
  if (valid.value_unsafe()) HOLDFAST_CHECK(!half_character_at_end(sent));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t piece = std::max<std::size_t>(data[0], 1);
  const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto type = rest.substr(0, std::min<std::size_t>(data[1], rest.size()));
  const auto text = rest.substr(type.size());
  check_reason(rest);
  if (!session::valid_event_type(type) || !simdjson::validate_utf8(text.data(), text.size())) return 0;

  std::string stream;
  std::vector<Event> sent;
  for (std::uint64_t id = 1; id <= 2; ++id) {
    sent.push_back({id, std::string(type), 1'700'000'000'000, json::quote(text)});
    http::append_event(stream, sent.back());
    stream += ":\n\n";  // a comment, as a heartbeat is
  }
  const auto received = by_the_letter(stream);
  HOLDFAST_CHECK(received.size() == sent.size());
  std::vector<std::string> lines;
  cli::EventLines reader;
  for (std::size_t at = 0; at < stream.size(); at += piece)
    reader.feed(std::string_view(stream).substr(at, piece), [&](std::string_view line) { lines.emplace_back(line); });
  HOLDFAST_CHECK(lines.size() == sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    HOLDFAST_CHECK(received[i].id == std::to_string(sent[i].id) && received[i].type == sent[i].type);
    HOLDFAST_CHECK(received[i].data == to_json(sent[i]) && lines[i] == to_json(sent[i]));
    json::Parser parser;
    const auto parsed = parser.parse(lines[i]);
    HOLDFAST_CHECK(parsed.has_value());
  }
  return 0;
}
