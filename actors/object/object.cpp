#include "actors/object/object.hpp"

#include <algorithm>

#include "actors/session/checks.hpp"
#include "actors/session/codec_parts.hpp"
#include "actors/session/marker.hpp"
#include "src/core/json.hpp"
#include "storage/codec.hpp"
#include "storage/keys.hpp"

namespace holdfast::object {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr Time kRetryMs = 2'000;  // doubled with each failure

std::string encoded(const Meta& meta) {
  std::string out;
  Encoder e(out);
  e.u8(kFormat);
  e.varint(static_cast<std::uint64_t>(meta.alarm));
  e.varint(meta.alarm_failures);
  e.varint(meta.last_event);
  e.varint(meta.last_mail);
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
  meta.last_mail = d.varint();
  if (!known || !d.done()) return session::damaged("object");
  return meta;
}

Result<EventPage> read_events(const Readable& reader, const ObjectId& id, const EventQuery& query) {
  EventPage page;
  page.next = query.after;
  if (query.after == UINT64_MAX) return page;
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

// ---- the event ----

void Step::begin(const Meta& meta, Time now) {
  before_ = meta;
  meta_ = meta;
  now_ = now;
  ringing_before_ = ringing_;
  writes_.ops.clear();
  effects_ = {};
  attachments_.clear();
  bytes_ = 0;
}

void Step::discard() {
  ringing_ = ringing_before_;
  begin(before_, now_);
}

void Step::settle() {
  if (meta_.alarm == 0) meta_.alarm_failures = 0;
  if (meta_ == before_) return;
  if (meta_.alarm != before_.alarm) {
    if (before_.alarm != 0) writes_.erase(Family::index, keys::alarm({before_.alarm, id_}));
    if (meta_.alarm != 0) writes_.put(Family::index, keys::alarm({meta_.alarm, id_}), {});
  }
  if (meta_.alarm == 0) effects_.alarm = 0;
  effects_.events = meta_.last_event != before_.last_event;
  if (meta_ == Meta{})
    writes_.erase(Family::objects, keys::object_meta(id_));  // nothing is left of an object that cleared all
  else writes_.put(Family::objects, keys::object_meta(id_), encoded(meta_));
}

// ---- alarm and events ----

void Step::set_alarm(Time at) {
  meta_.alarm = std::max<Time>(at, 1);
  meta_.alarm_failures = 0;
  ringing_ = 0;
  effects_.alarm = meta_.alarm;
}

// The one that the handler has is set no more.
std::optional<Time> Step::alarm() const {
  return meta_.alarm == 0 || meta_.alarm == ringing_ ? std::nullopt : std::optional(meta_.alarm);
}

// While a handler awaits, its alarm stays on disk, so that a crash rings it again.
void Step::end_alarm() noexcept {
  if (meta_.alarm == ringing_) meta_.alarm = 0;
}

void Step::retry_alarm() {
  if (meta_.alarm != ringing_) return;  // set anew, or cleared, before the last await
  if (meta_.alarm_failures >= kRetries) {
    meta_.alarm = 0;
    append("object.alarm_failed", {});
    return;
  }
  meta_.alarm = now_ + (kRetryMs << meta_.alarm_failures);
  ++meta_.alarm_failures;
  effects_.alarm = meta_.alarm;
}

void Step::emit(std::string type, Json data) {
  if (type.empty()) throw ObjectError(ErrorCode::invalid_body, "an event needs a type");
  if (!data.empty()) {
    json::Parser parser;
    (void)value_of(parser.parse(data));
  }
  grow(type.size() + data.size());
  append(std::move(type), std::move(data));
}

void Step::append(std::string type, Json data) {
  std::string value;
  session::encode(value, session::StreamEvent{std::move(type), now_, std::move(data)});
  writes_.put(Family::streams, keys::object_event(id_, ++meta_.last_event), std::move(value));
}

// ---- mail ----

std::uint64_t Step::enqueue(const ObjectName& to, std::string body) {
  if (!valid_name(to.object_class) || !valid_name(to.name))
    throw ObjectError(ErrorCode::invalid_name, "\"" + to.object_class + "/" + to.name + "\" names no object");
  return enqueue({{id_.project, to.name, to.object_class}, std::move(body)});
}

std::uint64_t Step::enqueue(const std::string& session, AdmitRequest message) {
  if (message.git_token || (message.callback && !message.callback->headers.empty()))
    throw ObjectError(ErrorCode::invalid_body, "a message that an object enqueues carries no git_token and no headers");
  auto to = value_of(ObjectId::parse(id_.project, session));
  if (message.id.empty()) message.id = letter_id(id_, meta_.last_mail + 1);
  if (auto ok = session::check(message, limits_); !ok) throw ObjectError(std::move(ok.error()));
  return enqueue({std::move(to), std::move(message)});
}

std::uint64_t Step::enqueue(const Letter& letter) {
  std::string value;
  encode(value, letter);
  grow(value.size());
  const keys::Mail mail{0, id_, ++meta_.last_mail};
  writes_.put(Family::objects, keys::object_mail(id_, mail.seq), std::move(value));
  writes_.put(Family::index, keys::mail(mail), {});
  effects_.mail.push_back(mail);
  return mail.seq;
}

void Step::take_mail(const ObjectId& from, std::uint64_t seq, std::uint64_t floor) {
  auto inbox = value_of(Inbox::load(reader_, id_, from));
  inbox.take(seq, floor);
  writes_.put(Family::objects, keys::object_inbox(id_, from), inbox.encoded());
}

void Step::strike_mail(const keys::Mail& mail) {
  writes_.erase(Family::index, keys::mail(mail));
  writes_.erase(Family::objects, keys::object_mail(id_, mail.seq));
}

void Step::retry_mail(const keys::Mail& mail, Fault fault, const Error& error) {
  const auto tries = value_of(reader_.get(Family::index, keys::mail(mail)));
  if (!tries) return;  // dealt with meanwhile
  Decoder d(*tries);
  const auto failures = tries->empty() ? 0 : d.varint();
  if (fault == Fault::final || failures >= kRetries) {
    const auto letter =
        decode_letter(value_of(reader_.get(Family::objects, keys::object_mail(id_, mail.seq))).value_or(""));
    std::string data;
    json::ObjectWriter o(data);
    if (letter && !letter->to.object_class.empty()) o.text("class", letter->to.object_class);
    if (letter) o.text(letter->to.object_class.empty() ? "session" : "name", letter->to.name);
    o.number("seq", mail.seq).text("code", name_of(error.code)).text("detail", error.detail).end();
    strike_mail(mail);
    return append("object.message_failed", std::move(data));
  }
  auto next = mail;
  next.at = now_ + (kRetryMs << failures);
  std::string value;
  Encoder(value).varint(failures + 1);
  writes_.erase(Family::index, keys::mail(mail));
  writes_.put(Family::index, keys::mail(next), std::move(value));
  effects_.mail.push_back(std::move(next));
}

// ---- WebSockets ----

void Step::attach(std::uint64_t socket, std::string bytes) {
  if (bytes.size() > limits_.websocket_attachment_bytes_max)
    throw ObjectError(ErrorCode::too_large, "an attachment is over websocket_attachment_bytes_max");
  attachments_.insert_or_assign(socket, std::move(bytes));
}

void Step::send(std::uint64_t socket, SocketMessage message) {
  effects_.frames.emplace_back(socket, std::move(message));
}

void Step::close(std::uint64_t socket, SocketClose close) { effects_.frames.emplace_back(socket, std::move(close)); }

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
  const auto ringing = ringing_;
  const auto alarm = effects_.alarm;
  const auto mail = effects_.mail.size();
  const auto frames = effects_.frames.size();
  const auto work = effects_.work.size();
  const auto attachments = attachments_;
  try {
    steps();
  } catch (...) {
    writes_.ops.resize(size);
    bytes_ = bytes;
    meta_ = meta;
    ringing_ = ringing;
    effects_.alarm = alarm;
    effects_.mail.resize(mail);
    effects_.frames.resize(frames);
    effects_.work.resize(work);
    attachments_ = attachments;
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
