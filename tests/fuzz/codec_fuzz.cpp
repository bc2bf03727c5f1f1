// Any bytes as a stored value, a key or a token: refused, or read as something that is written and read to the same.
//
// The first byte of the input says as what the rest is read.
#include <cstddef>
#include <cstdint>
#include <holdfast/object.hpp>
#include <string>

#include "actors/object/mail.hpp"
#include "actors/runtime/runtime.hpp"
#include "actors/session/entity.hpp"
#include "actors/session/lease.hpp"
#include "actors/session/marker.hpp"
#include "src/core/check.hpp"
#include "storage/codec.hpp"
#include "storage/keys.hpp"

using namespace holdfast;

namespace {

// The bytes may be written in another way than Encoder does (a long varint); what Encoder made of them may not.
template <class Decode, class Encode>
void check_value(std::string_view bytes, Decode decode, Encode encode) {
  const auto value = decode(bytes);
  if (!value) {
    HOLDFAST_CHECK(value.error().code == ErrorCode::internal);
    return;
  }
  std::string written;
  encode(written, *value);
  const auto again = decode(std::string_view(written));
  HOLDFAST_CHECK(again.has_value());
  std::string twice;
  encode(twice, *again);
  HOLDFAST_CHECK(written == twice);
}

void check_varints(std::string_view bytes) {
  Decoder in(bytes);
  while (in.ok() && !in.done()) {
    const auto value = in.varint();
    if (!in.ok()) break;
    std::string written;
    Encoder(written).varint(value);
    Decoder again(written);
    HOLDFAST_CHECK(again.varint() == value && again.done());
  }
}

// A key that is read is written as it was; so is a key made of what the bytes say, whatever they say.
void check_keys(std::string_view bytes) {
  if (const auto ready = keys::parse_ready(bytes)) HOLDFAST_CHECK(keys::ready(*ready) == bytes);
  if (const auto alarm = keys::parse_alarm(bytes)) HOLDFAST_CHECK(keys::alarm(*alarm) == bytes);
  if (const auto callback = keys::parse_callback(bytes)) HOLDFAST_CHECK(keys::callback(*callback) == bytes);
  if (const auto mail = keys::parse_mail(bytes)) HOLDFAST_CHECK(keys::mail(*mail) == bytes);
  if (const auto dead = keys::parse_dead_letter(bytes)) HOLDFAST_CHECK(keys::dead_letter(*dead) == bytes);
  if (const auto id = keys::session_of_document(bytes)) HOLDFAST_CHECK(keys::document(*id) == bytes);
  (void)keys::session_of_held_turn(bytes);
}

void check_made_keys(std::string_view bytes) {
  Decoder in(bytes);
  const auto short_text = [&in] { return std::string(in.bytes().substr(0, 255)); };
  const ObjectId session{short_text(), short_text(), {}};
  ObjectId object{session.project, session.name, short_text()};
  if (object.object_class.empty()) object.object_class = "c";
  const auto at = static_cast<Time>(in.varint() >> 1);
  const auto number = in.varint();
  const auto priority = static_cast<std::uint8_t>(number % 10);
  const auto holds = [](bool ok) { HOLDFAST_CHECK(ok); };
  const auto ready = keys::parse_ready(keys::ready({number % 2 == 0, session.project, priority, at, session.name}));
  holds(ready && ready->project == session.project && ready->name == session.name && ready->at == at &&
        ready->priority == priority && ready->push == (number % 2 == 0));
  for (const auto& owner : {session, object}) {
    const auto alarm = keys::parse_alarm(keys::alarm({at, owner}));
    holds(alarm && alarm->owner == owner && alarm->at == at && keys::due_at(keys::alarm({at, owner})) == at);
  }
  const auto callback = keys::parse_callback(keys::callback({at, session, number}));
  holds(callback && callback->session == session && callback->position == number && callback->at == at);
  const auto mail = keys::parse_mail(keys::mail({at, object, number}));
  holds(mail && mail->from == object && mail->seq == number && mail->at == at);
  const auto dead = keys::parse_dead_letter(keys::dead_letter({session, number}));
  holds(dead && dead->session == session && dead->position == number);
  holds(keys::session_of_held_turn(keys::held_turn(object.object_class, session)) == session);
  holds(keys::session_of_document(keys::document(session)) == session);
  holds(keys::position_of(keys::marker(session, number)) == number);
  const auto key = keys::object_value(object, bytes);
  holds(keys::object_key(object, key) == bytes);
  const auto values = keys::object_values(object, {});
  holds(values.from <= key && (values.to.empty() || key < values.to));
  const auto all = keys::all_of(session);
  holds(all.from <= keys::marker(session, number) && keys::marker(session, number) < all.to);
}

template <class T>
void check_stored(std::string_view bytes) {
  if (const auto value = Codec<T>::decode(bytes)) {
    const auto written = Codec<T>::encode(*value);
    const auto again = Codec<T>::decode(written);
    HOLDFAST_CHECK(again.has_value() && Codec<T>::encode(*again) == written);
  }
}

void check_stored_values(std::string_view bytes) {
  check_stored<std::string>(bytes);
  check_stored<std::int64_t>(bytes);
  check_stored<std::uint8_t>(bytes);
  check_stored<double>(bytes);
  check_stored<bool>(bytes);
}

void check_lease(std::string_view bytes) {
  const auto lease = session::parse_lease(bytes);
  if (!lease) return;
  const auto again = session::parse_lease(session::format(*lease));
  HOLDFAST_CHECK(again.has_value() && session::format(*again) == session::format(*lease));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto of_session = [](std::string& out, const auto& value) { session::encode(out, value); };
  const auto of_object = [](std::string& out, const auto& value) { object::encode(out, value); };
  const auto of_runtime = [](std::string& out, const auto& value) { runtime::encode(out, value); };
  switch ("dsmevkltoruK"[*data % 12]) {
    case 'd': check_value(bytes, &session::decode_document, of_session); break;
    case 's': check_value(bytes, &session::decode_state, of_session); break;
    case 'm': check_value(bytes, &session::decode_marker, of_session); break;
    case 'e': check_value(bytes, &session::decode_stream_event, of_session); break;
    case 't': check_value(bytes, &session::decode_terms, of_session); break;
    case 'o': check_value(bytes, &object::decode_letter, of_object); break;
    case 'r': check_value(bytes, &runtime::decode, of_runtime); break;
    case 'v': check_varints(bytes); break;
    case 'k': check_keys(bytes); break;
    case 'K': check_made_keys(bytes); break;
    case 'u': check_stored_values(bytes); break;
    default: check_lease(bytes);
  }
  return 0;
}
