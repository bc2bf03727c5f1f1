#include "src/cli/torture/history.hpp"

#include <array>

#include "src/core/json.hpp"

namespace holdfast::cli::torture {
namespace {

constexpr std::array<std::string_view, kKinds> kNames{"admit",    "look",     "cancel",  "interrupt", "pause",
                                                      "resume",   "hand_out", "accept",  "heartbeat", "emit",
                                                      "complete", "fail",     "release", "read"};

void number_if(json::ObjectWriter& line, std::string_view name, std::uint64_t value) {
  if (value != 0) line.number(name, value);
}

std::string hex(std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = kDigits[(value >> (60 - 4 * i)) & 15];
  return text;
}

}  // namespace

std::string_view name_of(Kind kind) noexcept { return kNames[static_cast<std::size_t>(kind)]; }

std::string_view name_of(Outcome outcome) noexcept {
  if (outcome == Outcome::ok) return "ok";
  return outcome == Outcome::refused ? "refused" : "unknown";
}

void append_line(std::string& out, const Operation& o) {
  json::ObjectWriter line(out);
  line.text("operation", name_of(o.kind)).text("outcome", name_of(o.outcome)).number("actor", o.actor);
  line.number("begin_us", static_cast<std::uint64_t>(o.begin_us));
  line.number("end_us", static_cast<std::uint64_t>(o.end_us));
  number_if(line, "status", static_cast<std::uint64_t>(o.status));
  line.text_if("code", o.code).text_if("session", o.session).text_if("message", o.message);
  if (o.sends > 1) line.number("sends", o.sends);
  number_if(line, "batch", o.batch);
  line.text_if("sent_hash", o.sent_hash).text_if("body_hash", o.body_hash);
  number_if(line, "seq", o.seq);
  if (o.replayed) line.boolean("replayed", true);
  line.text_if("state", o.state).text_if("delivery", o.delivery);
  number_if(line, "attempt", o.attempt);
  line.time_if("handed_out_at", o.handed_out_at).time_if("lease_until", o.lease_until);
  number_if(line, "number", o.number);
  number_if(line, "count", o.count);
  number_if(line, "last_event", o.last_event);
  if (o.kind == Kind::read) {
    std::string seen = "[";
    for (const auto& event : o.seen)
      seen += (seen.size() > 1 ? ",[" : "[") + std::to_string(event.id) + ",\"" + hex(event.digest) + "\"]";
    line.number("after", o.after).raw("seen", seen + "]");
    if (o.to_the_end) line.boolean("to_the_end", true);
  }
  line.end();
  out += '\n';
}

void append_line(std::string& out, const EndMessage& m) {
  json::ObjectWriter line(out);
  line.text("end", "message").text("session", m.session).text("message", m.message).number("seq", m.seq);
  line.text("body_hash", m.body_hash).text_if("content_hash", m.content_hash).text("state", m.state);
  line.number("attempt", m.attempt).text_if("by_delivery", m.by_delivery).end();
  out += '\n';
}

void append_line(std::string& out, const EndEvent& e) {
  json::ObjectWriter line(out);
  line.text("end", "event").text("session", e.session).number("id", e.id).text("digest", hex(e.digest));
  line.text("type", e.type).time("at", e.at).text_if("message", e.message);
  number_if(line, "seq", e.seq);
  number_if(line, "attempt", e.attempt);
  line.text_if("delivery", e.delivery);
  number_if(line, "number", e.number);
  line.end();
  out += '\n';
}

std::string to_ndjson(const History& history) {
  std::string out;
  for (const auto& operation : history.operations) append_line(out, operation);
  for (const auto& message : history.messages) append_line(out, message);
  for (const auto& event : history.events) append_line(out, event);
  return out;
}

}  // namespace holdfast::cli::torture
