#include "actors/object/mail.hpp"

#include <algorithm>

#include "actors/session/checks.hpp"
#include "actors/session/codec_parts.hpp"
#include "src/core/crypto.hpp"
#include "storage/keys.hpp"

namespace holdfast::object {
namespace {

constexpr std::uint8_t kFormat = 1;

void encode_admission(Encoder& e, const AdmitRequest& r) {
  e.bytes(r.id);
  e.bytes(r.turn);
  session::encode_text(e, r.agent.mode);
  session::encode_text(e, r.agent.model);
  e.u8(r.on_busy ? static_cast<std::uint8_t>(*r.on_busy) + 1 : 0);
  e.varint(r.if_seq ? *r.if_seq + 1 : 0);
  e.varint(static_cast<std::uint64_t>(r.not_before));
  e.varint(static_cast<std::uint64_t>(r.expires_at));
  e.u8(r.priority);
  e.bytes(r.author);
  e.bytes(r.metadata);
  e.bytes(r.budget);
  e.u8(r.callback ? 1 : 0);
  if (r.callback) session::encode_callback(e, *r.callback);
  e.bytes(r.traceparent);
}

AdmitRequest decode_admission(Decoder& d) {
  AdmitRequest r;
  r.id = d.text();
  r.turn = d.text();
  r.agent.mode = session::decode_text(d);
  r.agent.model = session::decode_text(d);
  if (const auto on_busy = d.u8(); on_busy != 0) r.on_busy = static_cast<OnBusy>(on_busy - 1);
  if (const auto if_seq = d.varint(); if_seq != 0) r.if_seq = if_seq - 1;
  r.not_before = static_cast<Time>(d.varint());
  r.expires_at = static_cast<Time>(d.varint());
  r.priority = d.u8();
  r.author = d.text();
  r.metadata = d.text();
  r.budget = d.text();
  if (d.u8() != 0) r.callback = session::decode_callback(d);
  r.traceparent = d.text();
  return r;
}

}  // namespace

void encode(std::string& out, const Letter& letter) {
  Encoder e(out);
  e.u8(kFormat);
  e.bytes(letter.to.project);
  e.bytes(letter.to.object_class);
  e.bytes(letter.to.name);
  if (const auto* body = std::get_if<std::string>(&letter.content)) e.bytes(*body);
  else encode_admission(e, std::get<AdmitRequest>(letter.content));
}

Result<Letter> decode_letter(std::string_view value) {
  Decoder d(value);
  Letter letter;
  const bool known = d.u8() == kFormat;
  letter.to.project = d.text();
  letter.to.object_class = d.text();
  letter.to.name = d.text();
  if (letter.to.object_class.empty()) letter.content = decode_admission(d);
  else letter.content = d.text();
  const auto* message = std::get_if<AdmitRequest>(&letter.content);
  const bool sound = message == nullptr || message->priority <= session::kPriorityMax;
  if (!known || !sound || !d.done()) return session::damaged("message of an object");
  return letter;
}

std::string letter_id(const ObjectId& from, std::uint64_t seq) {
  constexpr std::size_t kHashBytes = 16;
  return "obj_" + to_hex(sha256(from.object_class + "/" + from.name + "/" + std::to_string(seq)).substr(0, kHashBytes));
}

Result<Inbox> Inbox::load(const Readable& reader, const ObjectId& owner, const ObjectId& from) {
  const auto value = reader.get(Family::objects, keys::object_inbox(owner, from));
  if (!value) return tl::unexpected(value.error());
  if (!*value) return Inbox();
  return decode(**value);
}

Result<Inbox> Inbox::decode(std::string_view value) {
  Inbox inbox;
  Decoder d(value);
  const bool known = d.u8() == kFormat;
  inbox.floor_ = d.varint();
  while (known && d.ok() && !d.done()) inbox.taken_.push_back(d.varint());
  if (!known || !d.done()) return session::damaged("inbox");
  return inbox;
}

bool Inbox::taken(std::uint64_t seq) const noexcept {
  return seq < floor_ || std::binary_search(taken_.begin(), taken_.end(), seq);
}

void Inbox::take(std::uint64_t seq, std::uint64_t floor) {
  taken_.insert(std::lower_bound(taken_.begin(), taken_.end(), seq), seq);
  floor_ = std::max(floor_, floor);
  taken_.erase(taken_.begin(), std::lower_bound(taken_.begin(), taken_.end(), floor_));
}

std::string Inbox::encoded() const {
  std::string out;
  Encoder e(out);
  e.u8(kFormat);
  e.varint(floor_);
  for (const auto seq : taken_) e.varint(seq);
  return out;
}

Result<std::uint64_t> lowest_mail(const Readable& reader, const ObjectId& from, std::uint64_t none) {
  auto lowest = none;
  auto scanned = reader.scan(Family::objects, keys::object_mails(from), [&](std::string_view key, std::string_view) {
    lowest = keys::position_of(key);
    return Visit::stop;
  });
  if (!scanned) return tl::unexpected(std::move(scanned.error()));
  return lowest;
}

}  // namespace holdfast::object
