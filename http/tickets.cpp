#include "http/tickets.hpp"

#include <array>
#include <span>

#include "src/core/crypto.hpp"

namespace holdfast::http {

void Tickets::drop_expired(Time now) {
  std::erase_if(grants_, [now](const auto& entry) { return entry.second.expires_at <= now; });
}

Result<Ticket> Tickets::mint(std::string session, Time now) {
  std::array<char, 24> secret;
  random_.fill(std::as_writable_bytes(std::span(secret)));
  Ticket ticket{"tkt_" + to_base64url({secret.data(), secret.size()}), now + ttl_ms_};
  const std::lock_guard lock(mutex_);
  if (grants_.size() >= kTicketsMax) drop_expired(now);
  if (grants_.size() >= kTicketsMax) return fail(ErrorCode::overloaded, "too many tickets are waiting to be used");
  grants_.emplace(sha256(ticket.ticket), Grant{std::move(session), ticket.expires_at});
  return ticket;
}

bool Tickets::redeem(std::string_view ticket, std::string_view session, Time now) {
  const std::lock_guard lock(mutex_);
  const auto found = grants_.find(sha256(ticket));
  if (found == grants_.end()) return false;
  const Grant grant = std::move(found->second);
  grants_.erase(found);  // also when it is the wrong session's: a ticket is tried once
  return grant.session == session && grant.expires_at > now;
}

}  // namespace holdfast::http
