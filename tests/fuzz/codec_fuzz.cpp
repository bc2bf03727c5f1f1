// Any bytes as a stored value, a key or a token: refused, or read as something that is written and read to the same.
//
// The first byte of the input says as what the rest is read.
#include <cstddef>
#include <cstdint>
#include <string>

#include "actors/session/entity.hpp"
#include "actors/session/lease.hpp"
#include "actors/session/marker.hpp"
#include "src/core/check.hpp"
#include "storage/codec.hpp"
#include "storage/keys.hpp"

using namespace holdfast;

namespace {

// The bytes may be written in another way than Encoder does (a long varint); what Encoder made of them may not.
template <class Decode>
void check_value(std::string_view bytes, Decode decode) {
  const auto value = decode(bytes);
  if (!value) {
    HOLDFAST_CHECK(value.error().code == ErrorCode::internal);
    return;
  }
  std::string written;
  session::encode(written, *value);
  const auto again = decode(std::string_view(written));
  HOLDFAST_CHECK(again.has_value());
  std::string twice;
  session::encode(twice, *again);
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

void check_keys(std::string_view bytes) {
  if (const auto ready = keys::parse_ready(bytes)) HOLDFAST_CHECK(keys::ready(*ready) == bytes);
  if (const auto alarm = keys::parse_alarm(bytes)) HOLDFAST_CHECK(keys::alarm(*alarm) == bytes);
  if (const auto id = keys::session_of_document(bytes)) HOLDFAST_CHECK(keys::document(*id) == bytes);
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
  switch ("dsmevkl"[*data % 7]) {
    case 'd': check_value(bytes, &session::decode_document); break;
    case 's': check_value(bytes, &session::decode_state); break;
    case 'm': check_value(bytes, &session::decode_marker); break;
    case 'e': check_value(bytes, &session::decode_stream_event); break;
    case 'v': check_varints(bytes); break;
    case 'k': check_keys(bytes); break;
    default: check_lease(bytes);
  }
  return 0;
}
