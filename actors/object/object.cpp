#include "actors/object/object.hpp"

#include <algorithm>

#include "actors/session/codec_parts.hpp"
#include "actors/session/marker.hpp"
#include "src/core/json.hpp"
#include "storage/codec.hpp"
#include "storage/keys.hpp"

namespace holdfast::object {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr Time kAlarmRetryMs = 2'000;  // doubled with each failure

std::string encoded(const Meta& meta) {
  std::string out;
  Encoder e(out);
  e.u8(kFormat);
  e.varint(static_cast<std::uint64_t>(meta.alarm));
  e.varint(meta.alarm_failures);
  e.varint(meta.last_event);
  return out;
}

template <class T>
T value_of(Result<T>&& result) {
  if (!result) throw ObjectError(std::move(result.error()));
  return std::move(*result);
}

}  // namespace

Result<Meta> load(const Readable& reader, const ObjectId& id) {
  const auto value = reader.get(Family::objects, keys::object_meta(id));
  if (!value) return tl::unexpected(value.error());
  Meta meta;
  if (!*value) return meta;
  Decoder d(**value);
  const bool known = d.u8() == kFormat;
  meta.alarm = static_cast<Time>(d.varint());
  meta.alarm_failures = static_cast<std::uint32_t>(d.varint());
  meta.last_event = d.varint();
  if (!known || !d.done()) return session::damaged("object");
  return meta;
}

Result<EventPage> read_events(const Readable& reader, const ObjectId& id, const EventQuery& query) {
  EventPage page;
  page.next = query.after;
  std::size_t bytes = 0;
  std::optional<Error> error;
  const Range range{keys::object_event(id, query.after + 1), keys::object_event(id, UINT64_MAX)};
  auto scanned = reader.scan(Family::streams, range, [&](std::string_view key, std::string_view value) {
    if (page.items.size() >= query.limit || bytes >= query.bytes_max) {
      page.more = true;
      return Visit::stop;
    }
    auto event = session::decode_stream_event(value);
    if (!event) {
      error = std::move(event.error());
      return Visit::stop;
    }
    page.next = keys::position_of(key);
    if (!query.types.empty() && std::find(query.types.begin(), query.types.end(), event->type) == query.types.end())
      return Visit::next;
    bytes += event->data.size();
    page.items.push_back({page.next, std::move(event->type), event->at, std::move(event->data)});
    return Visit::next;
  });
  if (!scanned) return tl::unexpected(std::move(scanned.error()));
  if (error) return tl::unexpected(std::move(*error));
  return page;
}

// ---- alarm and events ----

void Step::set_alarm(Time at) {
  meta_.alarm = std::max<Time>(at, 1);
  meta_.alarm_failures = 0;
}

std::optional<Time> Step::alarm() const { return meta_.alarm == 0 ? std::nullopt : std::optional(meta_.alarm); }

void Step::emit(std::string type, Json data) {
  if (type.empty()) throw ObjectError(ErrorCode::invalid_body, "an event needs a type");
  if (!data.empty()) {
    json::Parser parser;
    (void)value_of(parser.parse(data));
  }
  grow(type.size() + data.size());
  std::string value;
  session::encode(value, session::StreamEvent{std::move(type), now_, std::move(data)});
  writes_.put(Family::streams, keys::object_event(id_, ++meta_.last_event), std::move(value));
}

void Step::discard() {
  writes_.ops.clear();
  meta_ = before_;
  bytes_ = 0;
}

void Step::take_alarm() { meta_.alarm = 0; }

void Step::retry_alarm() {
  discard();
  if (meta_.alarm_failures >= kAlarmRetries) {
    meta_.alarm = 0;
    meta_.alarm_failures = 0;
    emit("object.alarm_failed", {});
    return;
  }
  meta_.alarm = now_ + (kAlarmRetryMs << meta_.alarm_failures);
  ++meta_.alarm_failures;
}

void Step::settle() {
  if (meta_.alarm == 0) meta_.alarm_failures = 0;
  if (meta_ == before_) return;
  if (meta_.alarm != before_.alarm) {
    if (before_.alarm != 0) writes_.erase(Family::index, keys::alarm({before_.alarm, id_}));
    if (meta_.alarm != 0) writes_.put(Family::index, keys::alarm({meta_.alarm, id_}), {});
  }
  writes_.put(Family::objects, keys::object_meta(id_), encoded(meta_));
}

// ---- storage ----

void Step::grow(std::size_t bytes) {
  bytes_ += bytes;
  if (bytes_ > limits_.object_event_bytes_max)
    throw ObjectError(ErrorCode::too_large, "one event writes over object_event_bytes_max");
}

std::optional<std::string> Step::read(std::string_view key) {
  return value_of(reader_.get(Family::objects, keys::object_value(id_, key)));
}

void Step::write(std::string_view key, std::string value) {
  if (key.empty() || key.size() > limits_.object_key_bytes_max)
    throw ObjectError(ErrorCode::too_large, "a key has 1 to object_key_bytes_max bytes");
  if (value.size() > limits_.object_value_bytes_max)
    throw ObjectError(ErrorCode::too_large, "the value of \"" + std::string(key) + "\" is over object_value_bytes_max");
  grow(key.size() + value.size());
  writes_.put(Family::objects, keys::object_value(id_, key), std::move(value));
}

bool Step::remove(std::string_view key) {
  if (!read(key)) return false;
  writes_.erase(Family::objects, keys::object_value(id_, key));
  return true;
}

void Step::clear() {
  const auto all = keys::object_values(id_, {});
  writes_.erase_range(Family::objects, all.from, all.to);
}

std::vector<ObjectStorage::Entry> Step::list(const ListOptions& options) {
  auto range = keys::object_values(id_, options.prefix);
  if (!options.from.empty()) range.from = std::max(range.from, keys::object_value(id_, options.from));
  if (!options.to.empty()) range.to = std::min(range.to, keys::object_value(id_, options.to));
  range.order = options.reverse ? Range::Order::descending : Range::Order::ascending;
  std::vector<Entry> entries;
  if (options.limit == 0 || range.from >= range.to) return entries;
  auto scanned = reader_.scan(Family::objects, range, [&](std::string_view key, std::string_view value) {
    entries.push_back({std::string(keys::object_key(id_, key)), std::string(value)});
    return entries.size() < options.limit ? Visit::next : Visit::stop;
  });
  if (!scanned) throw ObjectError(std::move(scanned.error()));
  return entries;
}

void Step::transaction(const std::function<void()>& steps) {
  const auto size = writes_.ops.size();
  const auto bytes = bytes_;
  const auto meta = meta_;
  try {
    steps();
  } catch (...) {
    writes_.ops.resize(size);
    bytes_ = bytes;
    meta_ = meta;
    throw;
  }
}

}  // namespace holdfast::object

namespace holdfast {

std::string_view Request::header(std::string_view name) const noexcept {
  const auto found =
      std::find_if(headers.begin(), headers.end(), [&](const auto& field) { return field.first == name; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

Reply Reply::text(std::string body, int status) {
  return {status, std::move(body), {{"content-type", "text/plain; charset=utf-8"}}};
}
Reply Reply::json(Json body, int status) { return {status, std::move(body), {{"content-type", "application/json"}}}; }
Reply Reply::empty(int status) { return {status, {}, {}}; }

}  // namespace holdfast
