#include "actors/session/marker.hpp"

#include "actors/session/codec_parts.hpp"

namespace holdfast::session {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kPriorityMax = 9;

// Which optional parts of an intent follow.
enum IntentPart : std::uint8_t {
  kMode = 1 << 0,
  kModel = 1 << 1,
  kAuthor = 1 << 2,
  kTimes = 1 << 3,
  kMetadata = 1 << 4,
  kBudget = 1 << 5,
  kCallback = 1 << 6,
  kTrace = 1 << 7,
};

void encode_intent(Encoder& e, const Intent& i) {
  std::uint8_t parts = 0;
  if (i.agent.mode) parts |= kMode;
  if (i.agent.model) parts |= kModel;
  if (!i.author.empty()) parts |= kAuthor;
  if (i.not_before != 0 || i.expires_at != 0) parts |= kTimes;
  if (!i.metadata.empty()) parts |= kMetadata;
  if (!i.budget.empty()) parts |= kBudget;
  if (i.callback) parts |= kCallback;
  if (!i.traceparent.empty()) parts |= kTrace;
  e.u8(parts);
  e.bytes(i.id);
  e.varint(i.seq);
  e.bytes(i.body_hash);
  e.varint(i.credential_version);
  e.varint(i.place);
  e.varint(static_cast<std::uint64_t>(i.admitted_at));
  e.u8(i.priority);
  e.u8(static_cast<std::uint8_t>(static_cast<unsigned>(i.outcome) | static_cast<unsigned>(i.credential_outcome) << 4));
  e.bytes(i.turn);
  if (parts & kMode) e.bytes(*i.agent.mode);
  if (parts & kModel) e.bytes(*i.agent.model);
  if (parts & kAuthor) e.bytes(i.author);
  if (parts & kTimes) {
    e.varint(static_cast<std::uint64_t>(i.not_before));
    e.varint(static_cast<std::uint64_t>(i.expires_at));
  }
  if (parts & kMetadata) e.bytes(i.metadata);
  if (parts & kBudget) e.bytes(i.budget);
  if (parts & kCallback) {
    encode_callback(e, *i.callback);
    e.bytes(i.callback_headers);
  }
  if (parts & kTrace) e.bytes(i.traceparent);
}

Intent decode_intent(Decoder& d) {
  Intent i;
  const std::uint8_t parts = d.u8();
  i.id = d.text();
  i.seq = d.varint();
  i.body_hash = d.text();
  i.credential_version = d.varint();
  i.place = d.varint();
  i.admitted_at = static_cast<Time>(d.varint());
  i.priority = d.u8();
  const std::uint8_t outcomes = d.u8();
  i.outcome = static_cast<Outcome>(outcomes & 0xf);
  i.credential_outcome = static_cast<CredentialOutcome>(outcomes >> 4);
  i.turn = d.text();
  if (parts & kMode) i.agent.mode = d.text();
  if (parts & kModel) i.agent.model = d.text();
  if (parts & kAuthor) i.author = d.text();
  if (parts & kTimes) {
    i.not_before = static_cast<Time>(d.varint());
    i.expires_at = static_cast<Time>(d.varint());
  }
  if (parts & kMetadata) i.metadata = d.text();
  if (parts & kBudget) i.budget = d.text();
  if (parts & kCallback) {
    i.callback = decode_callback(d);
    i.callback_headers = d.text();
  }
  if (parts & kTrace) i.traceparent = d.text();
  return i;
}

// A fresh row is most of them: one byte says so.
enum RowPart : std::uint8_t {
  kFresh = 0,
  kDelivered = 1 << 0,
  kEdited = 1 << 1,
  kEnded = 1 << 2,
  kRetried = 1 << 3,
  kRedriven = 1 << 4,
  kSteered = 1 << 5,
  kCalledBack = 1 << 6,
};

void encode_row(Encoder& e, const Row& r) {
  std::uint8_t parts = kFresh;
  if (!r.delivery.empty() || r.attempt != 0) parts |= kDelivered;
  if (r.edits != 0) parts |= kEdited;
  if (terminal(r.state)) parts |= kEnded;
  if (r.retry_at != 0 || r.failures != decltype(r.failures){}) parts |= kRetried;
  if (r.order != 0) parts |= kRedriven;
  if (!r.steered_into.empty()) parts |= kSteered;
  if (r.callback) parts |= kCalledBack;
  e.u8(static_cast<std::uint8_t>(r.state));
  e.u8(parts);
  if (parts & kDelivered) {
    e.varint(r.attempt);
    e.varint(static_cast<std::uint64_t>(r.dispatched_at));
    e.varint(static_cast<std::uint64_t>(r.accepted_at));
    e.bytes(r.delivery);
    e.bytes(r.lease_hash);
  }
  if (parts & kEdited) {
    e.varint(r.edits);
    e.varint(r.content);
    e.varint(static_cast<std::uint64_t>(r.edited_at));
  }
  if (parts & kRetried) {
    e.varint(static_cast<std::uint64_t>(r.retry_at));
    for (const auto n : r.failures) e.varint(n);
  }
  if (parts & kRedriven) e.varint(r.order);
  if (parts & kSteered) e.bytes(r.steered_into);
  if (parts & kEnded) {
    e.varint(static_cast<std::uint64_t>(r.finished_at));
    e.bytes(r.result);
    e.bytes(r.merged_into);
    e.u8(r.failure ? 1 : 0);
    if (r.failure) {
      e.bytes(r.failure->code);
      e.bytes(r.failure->reason);
      e.varint(r.failure->attempts);
      e.bytes(r.failure->detail);
    }
  }
}

Row decode_row(Decoder& d) {
  Row r;
  r.state = static_cast<MessageState>(d.u8());
  const std::uint8_t parts = d.u8();
  r.callback = parts & kCalledBack;
  if (parts & kDelivered) {
    r.attempt = static_cast<std::uint32_t>(d.varint());
    r.dispatched_at = static_cast<Time>(d.varint());
    r.accepted_at = static_cast<Time>(d.varint());
    r.delivery = d.text();
    r.lease_hash = d.text();
  }
  if (parts & kEdited) {
    r.edits = static_cast<std::uint32_t>(d.varint());
    r.content = d.varint();
    r.edited_at = static_cast<Time>(d.varint());
  }
  if (parts & kRetried) {
    r.retry_at = static_cast<Time>(d.varint());
    for (auto& n : r.failures) n = static_cast<std::uint32_t>(d.varint());
  }
  if (parts & kRedriven) r.order = d.varint();
  if (parts & kSteered) r.steered_into = d.text();
  if (parts & kEnded) {
    r.finished_at = static_cast<Time>(d.varint());
    r.result = d.text();
    r.merged_into = d.text();
    if (d.u8() != 0) {
      Failure f;
      f.code = d.text();
      f.reason = d.text();
      f.attempts = static_cast<std::uint32_t>(d.varint());
      f.detail = d.text();
      r.failure = std::move(f);
    }
  }
  return r;
}

}  // namespace

void encode(std::string& out, const Marker& m) {
  out.reserve(out.size() + 160 + m.intent.turn.size() + m.intent.metadata.size() + m.row.result.size() + m.data.size());
  Encoder e(out);
  e.u8(kFormat);
  e.u8(static_cast<std::uint8_t>(m.kind));
  e.varint(static_cast<std::uint64_t>(m.at));
  if (m.kind == MarkerKind::operation) {
    e.bytes(m.what);
    e.bytes(m.data);
    return;
  }
  e.varint(m.message);
  if (m.kind != MarkerKind::transition) encode_intent(e, m.intent);
  encode_row(e, m.row);
}

Result<Marker> decode_marker(std::string_view value) {
  Decoder d(value);
  Marker m;
  const std::uint8_t format = d.u8();
  const std::uint8_t kind = d.u8();
  if (format != kFormat || kind < 1 || kind > 4) return damaged("journal marker");
  m.kind = static_cast<MarkerKind>(kind);
  m.at = static_cast<Time>(d.varint());
  if (m.kind == MarkerKind::operation) {
    m.what = d.text();
    m.data = d.text();
  } else {
    m.message = d.varint();
    if (m.kind != MarkerKind::transition) m.intent = decode_intent(d);
    m.row = decode_row(d);
  }
  const auto& intent = m.intent;
  if (!d.done() || m.row.state > MessageState::merged || intent.priority > kPriorityMax ||
      intent.outcome > Outcome::steered || intent.credential_outcome > CredentialOutcome::ignored)
    return damaged("journal marker");
  return m;
}

void encode(std::string& out, const StreamEvent& event) {
  Encoder e(out);
  e.u8(kFormat);
  e.varint(static_cast<std::uint64_t>(event.at));
  e.bytes(event.type);
  e.bytes(event.data);
}

Result<StreamEvent> decode_stream_event(std::string_view value) {
  Decoder d(value);
  StreamEvent event;
  const std::uint8_t format = d.u8();
  event.at = static_cast<Time>(d.varint());
  event.type = d.text();
  event.data = d.text();
  if (format != kFormat || !d.done()) return damaged("event");
  return event;
}

std::string event_type(const Marker& m) {
  if (m.kind == MarkerKind::operation) return m.what;
  if (m.kind == MarkerKind::edited) return "message.edited";
  return "message." + std::string(name_of(m.row.state));
}

}  // namespace holdfast::session
