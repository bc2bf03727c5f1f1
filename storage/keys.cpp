#include "storage/keys.hpp"

namespace holdfast {

namespace keys {
namespace {

void append_big_endian(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

std::uint64_t read_big_endian(std::string_view eight) noexcept {
  std::uint64_t value = 0;
  for (const char c : eight) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

void append_text(std::string& out, std::string_view text) {
  out += static_cast<char>(text.size());
  out += text;
}

std::optional<std::string_view> read_text(std::string_view& in) noexcept {
  if (in.empty()) return std::nullopt;
  const auto size = static_cast<unsigned char>(in.front());
  if (in.size() < 1U + size) return std::nullopt;
  const auto text = in.substr(1, size);
  in.remove_prefix(1U + size);
  return text;
}

std::string positioned(const SessionId& id, char kind, std::uint64_t position) {
  std::string key = session_prefix(id);
  key += kind;
  append_big_endian(key, position);
  return key;
}

// The first key after every key that starts with `prefix`.
std::string after_prefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

Range positions(const SessionId& id, char kind, std::uint64_t from, std::uint64_t to) {
  return {positioned(id, kind, from), positioned(id, kind, to), Range::Order::ascending};
}

}  // namespace

std::string session_prefix(const SessionId& id) {
  std::string key;
  key.reserve(3 + id.project.size() + id.name.size() + 9);
  key += 'S';
  append_text(key, id.project);
  append_text(key, id.name);
  return key;
}

std::string document(const SessionId& id) { return session_prefix(id) + 'd'; }
std::string state(const SessionId& id) { return session_prefix(id) + 's'; }
std::string marker(const SessionId& id, std::uint64_t position) { return positioned(id, 'j', position); }
std::string delivery(const SessionId& id, std::uint64_t position) { return positioned(id, 'd', position); }
std::string event(const SessionId& id, std::uint64_t position) { return positioned(id, 'e', position); }

std::string message_id(const SessionId& id, std::string_view message) {
  std::string key = session_prefix(id);
  key += 'i';
  key += message;
  return key;
}

Range all_of(const SessionId& id) {
  auto prefix = session_prefix(id);
  auto end = after_prefix(prefix);
  return {std::move(prefix), std::move(end), Range::Order::ascending};
}

Range markers(const SessionId& id, std::uint64_t from, std::uint64_t to) { return positions(id, 'j', from, to); }
Range deliveries(const SessionId& id, std::uint64_t from, std::uint64_t to) { return positions(id, 'd', from, to); }
Range events(const SessionId& id, std::uint64_t from, std::uint64_t to) { return positions(id, 'e', from, to); }

std::uint64_t position_of(std::string_view key) noexcept {
  return key.size() < 8 ? 0 : read_big_endian(key.substr(key.size() - 8));
}

std::string ready(const Ready& entry) {
  std::string key = "R";
  append_text(key, entry.project);
  key += static_cast<char>(9 - entry.priority);
  append_big_endian(key, static_cast<std::uint64_t>(entry.at));
  key += entry.name;
  return key;
}

std::optional<Ready> parse_ready(std::string_view key) {
  if (key.empty() || key.front() != 'R') return std::nullopt;
  key.remove_prefix(1);
  const auto project = read_text(key);
  if (!project || key.size() < 10 || static_cast<unsigned char>(key.front()) > 9) return std::nullopt;
  Ready entry;
  entry.project = *project;
  entry.priority = static_cast<std::uint8_t>(9 - key.front());
  entry.at = static_cast<Time>(read_big_endian(key.substr(1, 8)));
  entry.name = key.substr(9);
  return entry;
}

Range all_ready() { return {"R", "S", Range::Order::ascending}; }

std::string alarm(const Alarm& entry) {
  std::string key = "A";
  append_big_endian(key, static_cast<std::uint64_t>(entry.at));
  return key + session_prefix(entry.session);
}

std::optional<Alarm> parse_alarm(std::string_view key) {
  if (key.size() < 10 || key.front() != 'A' || key[9] != 'S') return std::nullopt;
  Alarm entry;
  entry.at = static_cast<Time>(read_big_endian(key.substr(1, 8)));
  key.remove_prefix(10);
  const auto project = read_text(key);
  const auto name = project ? read_text(key) : std::nullopt;
  if (!name || !key.empty()) return std::nullopt;
  entry.session = {std::string(*project), std::string(*name)};
  return entry;
}

Range all_alarms() { return {"A", "B", Range::Order::ascending}; }

std::optional<SessionId> session_of_document(std::string_view key) {
  if (key.empty() || key.front() != 'S') return std::nullopt;
  key.remove_prefix(1);
  const auto project = read_text(key);
  const auto name = project ? read_text(key) : std::nullopt;
  if (!name || key != "d") return std::nullopt;
  return SessionId{std::string(*project), std::string(*name)};
}

Range documents(std::string_view project, std::size_t name_length, std::string_view prefix, std::string_view after) {
  std::string start = "S";
  append_text(start, project);
  start += static_cast<char>(name_length);
  start += prefix;
  auto end = after_prefix(start);
  if (!after.empty()) start = document({std::string(project), std::string(after)}) + '\0';
  return {std::move(start), std::move(end), Range::Order::ascending};
}

}  // namespace keys
}  // namespace holdfast
