#include "actors/session/entity.hpp"

#include "actors/session/codec_parts.hpp"
#include "src/egress/outbound.hpp"

namespace holdfast::session {
namespace {
constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kPushBit = 0x80;  // beside the priority of a ready mark

void encode_time(Encoder& e, Time at) { e.varint(static_cast<std::uint64_t>(at)); }
Time decode_time(Decoder& d) { return static_cast<Time>(d.varint()); }

void encode_positions(Encoder& e, const std::vector<std::uint64_t>& positions) {
  e.varint(positions.size());
  for (const auto position : positions) e.varint(position);
}
std::vector<std::uint64_t> decode_positions(Decoder& d) {
  std::vector<std::uint64_t> positions;
  for (std::uint64_t n = d.varint(); n > 0 && d.ok(); --n) positions.push_back(d.varint());
  return positions;
}
}  // namespace

void encode(std::string& out, const Document& doc) {
  Encoder e(out);
  e.u8(kFormat);
  e.u8(static_cast<std::uint8_t>((doc.exists ? 1 : 0) | (doc.deleted ? 2 : 0)));
  e.varint(doc.revision);
  encode_time(e, doc.created_at);
  e.bytes(doc.metadata);
  encode_text(e, doc.agent.mode);
  encode_text(e, doc.agent.model);
  e.u8(static_cast<std::uint8_t>(doc.repository.kind));
  e.bytes(doc.repository.url);
  e.varint(doc.queue_capacity ? std::uint64_t{*doc.queue_capacity} + 1 : 0);
  e.u8(static_cast<std::uint8_t>(doc.on_busy));
  encode_labels(e, doc.labels);
  e.u8(doc.delivery ? 1 : 0);
  if (doc.delivery) {
    e.u8(static_cast<std::uint8_t>(doc.delivery->mode));
    e.bytes(doc.delivery->url);
  }
  e.u8(doc.callback ? 1 : 0);
  if (doc.callback) encode_callback(e, *doc.callback);
  e.bytes(doc.callback_headers_hash);
  encode_time(e, doc.ttl_ms);
}

Result<Document> decode_document(std::string_view value) {
  Decoder d(value);
  Document doc;
  if (d.u8() != kFormat) return damaged("session document");
  const std::uint8_t flags = d.u8();
  doc.exists = flags & 1;
  doc.deleted = flags & 2;
  doc.revision = d.varint();
  doc.created_at = decode_time(d);
  doc.metadata = d.text();
  doc.agent.mode = decode_text(d);
  doc.agent.model = decode_text(d);
  doc.repository.kind = static_cast<RepositoryKind>(d.u8());
  doc.repository.url = d.text();
  if (const auto capacity = d.varint(); capacity != 0) doc.queue_capacity = static_cast<std::uint32_t>(capacity - 1);
  doc.on_busy = static_cast<OnBusy>(d.u8());
  doc.labels = decode_labels(d);
  if (d.u8() != 0) {
    DeliveryRoute route;
    route.mode = static_cast<DeliveryMode>(d.u8());
    route.url = d.text();
    doc.delivery = std::move(route);
  }
  if (d.u8() != 0) doc.callback = decode_callback(d);
  doc.callback_headers_hash = d.text();
  doc.ttl_ms = decode_time(d);
  if (!d.done() || doc.repository.kind > RepositoryKind::bitbucket || doc.on_busy > OnBusy::steer ||
      (doc.delivery && doc.delivery->mode > DeliveryMode::push))
    return damaged("session document");
  return doc;
}

Terms terms_of(const Document& document) {
  if (document.delivery && document.delivery->mode == DeliveryMode::push)
    return {{}, egress::origin_of(document.delivery->url).value_or(document.delivery->url)};
  return {document.labels, {}};
}

void encode(std::string& out, const Terms& terms) {
  Encoder e(out);
  e.u8(kFormat);
  encode_labels(e, terms.labels);
  e.bytes(terms.target);
}

Result<Terms> decode_terms(std::string_view value) {
  Decoder d(value);
  Terms terms;
  if (d.u8() != kFormat) return damaged("ready entry");
  terms.labels = decode_labels(d);
  terms.target = d.text();
  if (!d.done()) return damaged("ready entry");
  return terms;
}

void encode(std::string& out, const State& s) {
  Encoder e(out);
  e.u8(kFormat);
  e.u8(static_cast<std::uint8_t>((s.paused ? 1 : 0) | (s.running ? 2 : 0) | (s.ready ? 4 : 0) |
                                 (s.workspace == WorkspaceState::warm ? 8 : 0)));
  e.varint(s.last_position);
  e.varint(s.last_seq);
  e.varint(s.queued);
  e.varint(s.operations);
  encode_time(e, s.updated_at);
  e.varint(s.credential.version);
  encode_time(e, s.credential.updated_at);
  e.varint(s.credential_message);
  e.varint(s.workspace_credential);
  e.varint(s.low);
  encode_positions(e, s.front);
  encode_positions(e, s.steers);
  e.varint(s.steered_turn);
  if (s.running) {
    e.varint(s.running->position);
    encode_time(e, s.running->lease_expires_at);
    encode_time(e, s.running->lease_ms);
    e.bytes(s.running->runtime);
    e.varint(s.running->credential_version);
    encode_time(e, s.running->interrupt_until);
    encode_positions(e, s.running->steered);
  }
  if (s.ready) {
    e.u8(static_cast<std::uint8_t>(s.ready->priority | (s.ready->push ? kPushBit : 0)));
    encode_time(e, s.ready->at);
  }
  encode_time(e, s.armed);
  encode_time(e, s.expiry);
  e.varint(s.floor);
}

Result<State> decode_state(std::string_view value) {
  Decoder d(value);
  State s;
  if (d.u8() != kFormat) return damaged("session state");
  const std::uint8_t flags = d.u8();
  s.paused = flags & 1;
  s.workspace = flags & 8 ? WorkspaceState::warm : WorkspaceState::cold;
  s.last_position = d.varint();
  s.last_seq = d.varint();
  s.queued = d.varint();
  s.operations = d.varint();
  s.updated_at = decode_time(d);
  s.credential.version = d.varint();
  s.credential.updated_at = decode_time(d);
  s.credential_message = d.varint();
  s.workspace_credential = d.varint();
  s.low = d.varint();
  s.front = decode_positions(d);
  s.steers = decode_positions(d);
  s.steered_turn = d.varint();
  if (flags & 2) {
    Running r;
    r.position = d.varint();
    r.lease_expires_at = decode_time(d);
    r.lease_ms = decode_time(d);
    r.runtime = d.text();
    r.credential_version = d.varint();
    r.interrupt_until = decode_time(d);
    r.steered = decode_positions(d);
    s.running = std::move(r);
  }
  if (flags & 4) {
    ReadyMark mark;
    const std::uint8_t priority = d.u8();
    mark.priority = priority & ~kPushBit;
    mark.push = priority & kPushBit;
    mark.at = decode_time(d);
    s.ready = mark;
  }
  s.armed = decode_time(d);
  s.expiry = decode_time(d);
  s.floor = d.varint();
  if (!d.done()) return damaged("session state");
  return s;
}

}  // namespace holdfast::session
