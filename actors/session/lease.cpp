#include "actors/session/lease.hpp"

#include "src/core/crypto.hpp"
#include "storage/codec.hpp"

namespace holdfast::session {
namespace {
constexpr std::string_view kPrefix = "lse_";
}

std::string format(const Lease& lease) {
  std::string raw;
  Encoder e(raw);
  e.bytes(lease.session.project);
  e.bytes(lease.session.name);
  e.varint(lease.position);
  e.varint(lease.attempt);
  e.bytes(lease.secret);
  return std::string(kPrefix) + to_base64url(raw);
}

std::optional<Lease> parse_lease(std::string_view text) {
  if (!text.starts_with(kPrefix) || text.size() > 1024) return std::nullopt;
  const auto raw = from_base64url(text.substr(kPrefix.size()));
  if (!raw) return std::nullopt;
  Decoder d(*raw);
  Lease lease;
  lease.session.project = d.text();
  lease.session.name = d.text();
  lease.position = d.varint();
  lease.attempt = static_cast<std::uint32_t>(d.varint());
  lease.secret = d.text();
  if (!d.done() || lease.secret.size() != 16 || !valid_name(lease.session.name)) return std::nullopt;
  return lease;
}

}  // namespace holdfast::session
