#include "storage/keys.hpp"

#include <algorithm>
#include <limits>

#include "src/core/check.hpp"

namespace holdfast::keys {
namespace {

constexpr char kSession = 'S';
constexpr char kObject = 'O';
constexpr char kReady = 'R';
constexpr char kPush = 'P';
constexpr char kAlarm = 'A';
constexpr char kCallback = 'C';
constexpr char kDead = 'D';
constexpr char kMail = 'M';
constexpr char kRuntime = 'T';
constexpr char kHeld = 'L';
constexpr std::size_t kNumberBytes = 8;
static_assert(kPositionBytes == kNumberBytes);
constexpr std::uint8_t kPriorityMax = 9;

void append_number(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

// A time before 1970 sorts as 1970: as a due time both mean "at once".
void append_time(std::string& out, Time at) { append_number(out, static_cast<std::uint64_t>(std::max<Time>(at, 0))); }

void append_short(std::string& out, std::string_view text) {
  HOLDFAST_CHECK(text.size() <= std::numeric_limits<std::uint8_t>::max());
  out += static_cast<char>(text.size());
  out += text;
}

std::string project_prefix(std::string_view project) {
  std::string key(1, kSession);
  append_short(key, project);
  return key;
}

std::string in_session(const ObjectId& id, char kind) {
  std::string key = session_prefix(id);
  key += kind;
  return key;
}

std::string at_position(const ObjectId& id, char kind, std::uint64_t position) {
  std::string key = in_session(id, kind);
  append_number(key, position);
  return key;
}

// The first key after every key that starts with `prefix`.
std::string end_of(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) ++prefix.back();
  return prefix;
}

Range starting_with(std::string prefix) {
  std::string end = end_of(prefix);
  return {std::move(prefix), std::move(end)};
}

// Reads a key from the front; after the first bad read done() stays false.
class Reader {
 public:
  explicit Reader(std::string_view key) : rest_(key) {}

  std::string_view take(std::size_t bytes) noexcept {
    if (bytes > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  std::uint8_t byte() noexcept {
    const auto one = take(1);
    return one.empty() ? 0 : static_cast<std::uint8_t>(one.front());
  }
  void reject() noexcept { ok_ = false; }
  void expect(char c) noexcept { ok_ = byte() == static_cast<std::uint8_t>(c) && ok_; }
  std::uint64_t number() noexcept {
    std::uint64_t value = 0;
    for (const char c : take(kNumberBytes)) value = value << 8 | static_cast<std::uint8_t>(c);
    return value;
  }
  std::string short_text() { return std::string(take(byte())); }
  std::string rest() { return std::string(take(rest_.size())); }
  [[nodiscard]] bool done() const noexcept { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// What is behind the kind of a session's prefix.
ObjectId read_session_name(Reader& in) {
  std::string project = in.short_text();
  std::string name = in.short_text();
  return {std::move(project), std::move(name), {}};
}

ObjectId read_session(Reader& in) {
  in.expect(kSession);
  return read_session_name(in);
}

// A session, or an object of a host's class.
ObjectId read_owner(Reader& in) {
  const auto kind = in.byte();
  if (kind != static_cast<std::uint8_t>(kObject)) {
    if (kind != static_cast<std::uint8_t>(kSession)) in.reject();
    return read_session_name(in);
  }
  std::string project = in.short_text();
  std::string object_class = in.short_text();
  std::string name = in.short_text();
  if (object_class.empty()) in.reject();
  return {std::move(project), std::move(name), std::move(object_class)};
}

std::string object_prefix(const ObjectId& id) {
  std::string key(1, kObject);
  append_short(key, id.project);
  append_short(key, id.object_class);
  append_short(key, id.name);
  return key;
}

}  // namespace

std::string session_prefix(const ObjectId& id) {
  std::string key = project_prefix(id.project);
  append_short(key, id.name);
  return key;
}

std::string document(const ObjectId& id) { return in_session(id, 'd'); }
std::string state(const ObjectId& id) { return in_session(id, 's'); }
std::string marker(const ObjectId& id, std::uint64_t position) { return at_position(id, 'j', position); }
std::string delivery(const ObjectId& id, std::uint64_t position) { return at_position(id, 'd', position); }
std::string event(const ObjectId& id, std::uint64_t position) { return at_position(id, 'e', position); }

std::string message_id(const ObjectId& id, std::string_view message) {
  std::string key = in_session(id, 'i');
  key += message;
  return key;
}

Range all_of(const ObjectId& id) { return starting_with(session_prefix(id)); }

Range markers(const ObjectId& id, std::uint64_t from, std::uint64_t to) { return {marker(id, from), marker(id, to)}; }

Range deliveries(const ObjectId& id, std::uint64_t from, std::uint64_t to) {
  return {delivery(id, from), delivery(id, to)};
}

Range events(const ObjectId& id, std::uint64_t from, std::uint64_t to) { return {event(id, from), event(id, to)}; }

std::uint64_t position_of(std::string_view key) noexcept {
  HOLDFAST_CHECK(key.size() >= kNumberBytes);
  return Reader(key.substr(key.size() - kNumberBytes)).number();
}

std::string_view run_of(std::string_view key) noexcept {
  Reader in(key);
  in.expect(kSession);
  in.take(in.byte());
  in.take(in.byte());
  const auto kind = in.byte();
  in.number();
  const bool counted = kind == 'j' || kind == 'd' || kind == 'e';
  return counted && in.done() ? key.substr(0, key.size() - kNumberBytes) : std::string_view();
}

std::string ready(const Ready& entry) {
  HOLDFAST_CHECK(entry.priority <= kPriorityMax);
  std::string key(1, entry.push ? kPush : kReady);
  append_short(key, entry.project);
  key += static_cast<char>(kPriorityMax - entry.priority);
  append_time(key, entry.at);
  key += entry.name;
  return key;
}

std::optional<Ready> parse_ready(std::string_view key) {
  Reader in(key);
  Ready entry;
  entry.push = !key.empty() && key.front() == kPush;
  in.expect(entry.push ? kPush : kReady);
  entry.project = in.short_text();
  const std::uint8_t rank = in.byte();
  entry.at = static_cast<Time>(in.number());
  entry.name = in.rest();
  if (!in.done() || rank > kPriorityMax || entry.at < 0) return std::nullopt;
  entry.priority = static_cast<std::uint8_t>(kPriorityMax - rank);
  return entry;
}

Range all_ready(bool push) { return starting_with(std::string(1, push ? kPush : kReady)); }

std::string alarm(const Alarm& entry) {
  std::string key(1, kAlarm);
  append_time(key, entry.at);
  key += entry.owner.object_class.empty() ? session_prefix(entry.owner) : object_prefix(entry.owner);
  return key;
}

std::optional<Alarm> parse_alarm(std::string_view key) {
  Reader in(key);
  in.expect(kAlarm);
  Alarm entry;
  entry.at = static_cast<Time>(in.number());
  entry.owner = read_owner(in);
  if (!in.done() || entry.at < 0) return std::nullopt;
  return entry;
}

Range all_alarms() { return starting_with(std::string(1, kAlarm)); }

std::string object_meta(const ObjectId& id) { return object_prefix(id) + 'm'; }

std::string object_value(const ObjectId& id, std::string_view key) {
  std::string out = object_prefix(id) + 'k';
  out += key;
  return out;
}

std::string_view object_key(const ObjectId& id, std::string_view stored) noexcept {
  return stored.substr(object_value(id, {}).size());
}

Range object_values(const ObjectId& id, std::string_view prefix) { return starting_with(object_value(id, prefix)); }

std::string object_event(const ObjectId& id, std::uint64_t position) {
  std::string key = object_prefix(id) + 'e';
  append_number(key, position);
  return key;
}

std::string object_mail(const ObjectId& id, std::uint64_t seq) {
  std::string key = object_prefix(id) + 'o';
  append_number(key, seq);
  return key;
}

Range object_mails(const ObjectId& id) { return starting_with(object_prefix(id) + 'o'); }

std::string object_inbox(const ObjectId& id, const ObjectId& from) {
  std::string key = object_prefix(id) + 'i';
  append_short(key, from.object_class);
  append_short(key, from.name);
  return key;
}

std::string mail(const Mail& entry) {
  std::string key(1, kMail);
  append_time(key, entry.at);
  key += object_prefix(entry.from);
  append_number(key, entry.seq);
  return key;
}

std::optional<Mail> parse_mail(std::string_view key) {
  Reader in(key);
  in.expect(kMail);
  Mail entry;
  entry.at = static_cast<Time>(in.number());
  entry.from = read_owner(in);
  entry.seq = in.number();
  if (!in.done() || entry.at < 0 || entry.from.object_class.empty()) return std::nullopt;
  return entry;
}

Range all_mail() { return starting_with(std::string(1, kMail)); }

std::string callback(const Callback& entry) {
  std::string key(1, kCallback);
  append_time(key, entry.at);
  key += session_prefix(entry.session);
  append_number(key, entry.position);
  return key;
}

std::optional<Callback> parse_callback(std::string_view key) {
  Reader in(key);
  in.expect(kCallback);
  Callback entry;
  entry.at = static_cast<Time>(in.number());
  entry.session = read_session(in);
  entry.position = in.number();
  if (!in.done() || entry.at < 0) return std::nullopt;
  return entry;
}

Range all_callbacks() { return starting_with(std::string(1, kCallback)); }

Time due_at(std::string_view key) noexcept {
  HOLDFAST_CHECK(key.size() > kNumberBytes);
  return static_cast<Time>(Reader(key.substr(1, kNumberBytes)).number());
}

std::string dead_letter(const DeadLetter& entry) {
  std::string key(1, kDead);
  key += session_prefix(entry.session);
  append_number(key, entry.position);
  return key;
}

std::optional<DeadLetter> parse_dead_letter(std::string_view key) {
  Reader in(key);
  in.expect(kDead);
  DeadLetter entry;
  entry.session = read_session(in);
  entry.position = in.number();
  if (!in.done()) return std::nullopt;
  return entry;
}

Range dead_letters(const ObjectId& id) { return starting_with(kDead + session_prefix(id)); }
Range dead_letters(std::string_view project) { return starting_with(kDead + project_prefix(project)); }

std::string runtime(std::string_view project, std::string_view name) {
  std::string key(1, kRuntime);
  append_short(key, project);
  key += name;
  return key;
}

Range runtimes(std::string_view project) { return starting_with(runtime(project, {})); }

std::string held_turn(std::string_view runtime, const ObjectId& session) {
  std::string key(1, kHeld);
  append_short(key, session.project);
  append_short(key, runtime);
  key += session_prefix(session);
  return key;
}

std::optional<ObjectId> session_of_held_turn(std::string_view key) {
  Reader in(key);
  in.expect(kHeld);
  in.short_text();
  in.short_text();
  auto session = read_session(in);
  if (!in.done()) return std::nullopt;
  return session;
}

Range held_turns(std::string_view project, std::string_view runtime) {
  std::string prefix(1, kHeld);
  append_short(prefix, project);
  append_short(prefix, runtime);
  return starting_with(std::move(prefix));
}

std::optional<Owned> parse_owned(std::string_view key) {
  Reader in(key);
  Owned owned;
  owned.owner = read_owner(in);
  const auto rest = in.rest();
  if (!in.done() || rest.empty()) return std::nullopt;
  owned.rest = key.substr(key.size() - rest.size());
  return owned;
}

Range all_owned(const ObjectId& owner) {
  return owner.object_class.empty() ? all_of(owner) : starting_with(object_prefix(owner));
}

std::optional<ObjectId> session_of_document(std::string_view key) {
  Reader in(key);
  ObjectId id = read_session(in);
  in.expect('d');
  if (!in.done()) return std::nullopt;
  return id;
}

Range documents(std::string_view project, std::size_t name_length, std::string_view prefix, std::string_view after) {
  HOLDFAST_CHECK(name_length <= std::numeric_limits<std::uint8_t>::max());
  const std::string base = project_prefix(project) + static_cast<char>(name_length);
  Range range = starting_with(base + std::string(prefix));
  // A listing goes by length first: shorter names came before all of these, longer ones come after.
  const bool none = prefix.size() > name_length || after.size() > name_length;
  if (none) {
    range.from = range.to;
  } else if (after.size() == name_length && !after.empty()) {
    // Every row of `after` has one byte behind the name, and none is 0xff.
    range.from = std::min(std::max(range.from, base + std::string(after) + '\xff'), range.to);
  }
  return range;
}

}  // namespace holdfast::keys
