// Lease: the token that a runtime holds while it runs a turn. It names the session, the message and the attempt (its
// generation), so that a delivery call finds its actor without an index, and carries 16 random bytes that prove
// it; only their hash is stored. A token of an earlier generation never matches the row of a later one.
#pragma once

#include <holdfast/types.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "src/core/ids.hpp"

namespace holdfast::session {

struct Lease {
  ObjectId session;
  std::uint64_t position = 0;
  std::uint32_t attempt = 0;
  std::string secret;    // 16 bytes
  std::string delivery;  // not in the token: the id that the caller names beside it
};

[[nodiscard]] std::string format(const Lease& lease);
// Nothing when the text is not of this form; such a lease is as lost as any other.
[[nodiscard]] std::optional<Lease> parse_lease(std::string_view text);

}  // namespace holdfast::session
