// The parts that several records of a session share, written and read in one place.
#pragma once

#include <holdfast/error.hpp>
#include <holdfast/types.hpp>

#include "storage/codec.hpp"

namespace holdfast::session {

[[nodiscard]] inline tl::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorCode::internal, "a stored " + std::string(what) +
                                       " cannot be read: it is damaged or from a newer version; run `holdfast check`");
}

inline void encode_labels(Encoder& e, const Labels& labels) {
  e.varint(labels.size());
  for (const auto& [name, value] : labels) {
    e.bytes(name);
    e.bytes(value);
  }
}

[[nodiscard]] inline Labels decode_labels(Decoder& d) {
  Labels labels;
  for (std::uint64_t n = d.varint(); n > 0 && d.ok(); --n) {
    auto name = d.text();
    labels.emplace(std::move(name), d.text());
  }
  return labels;
}

inline void encode_callback(Encoder& e, const Callback& callback) {
  e.bytes(callback.url);
  e.varint(callback.events.size());
  for (const auto& event : callback.events) e.bytes(event);
}

[[nodiscard]] inline Callback decode_callback(Decoder& d) {
  Callback callback;
  callback.url = d.text();
  for (std::uint64_t n = d.varint(); n > 0 && d.ok(); --n) callback.events.push_back(d.text());
  return callback;
}

inline void encode_text(Encoder& e, const std::optional<std::string>& text) {
  e.u8(text ? 1 : 0);
  if (text) e.bytes(*text);
}

[[nodiscard]] inline std::optional<std::string> decode_text(Decoder& d) {
  if (d.u8() == 0) return std::nullopt;
  return d.text();
}

}  // namespace holdfast::session
