// Tickets: a browser's way to an event stream, since EventSource and WebSocket cannot send an Authorization header.
//
// A ticket reads the events of one session, once, within ticket_ttl_ms. Only its hash is kept, in memory: a restart
// ends all of them. Any thread. At most kTicketsMax live at once; then minting answers overloaded.
#pragma once

#include <holdfast/error.hpp>
#include <holdfast/types.hpp>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "src/core/random.hpp"

namespace holdfast::http {

struct Ticket {
  std::string ticket;
  Time expires_at = 0;
};

class Tickets {
 public:
  static constexpr std::size_t kTicketsMax = 65'536;

  Tickets(Random& random, std::int64_t ttl_ms) : random_(random), ttl_ms_(ttl_ms) {}

  // Errors: overloaded.
  [[nodiscard]] Result<Ticket> mint(std::string session, Time now);
  // True once, for the session that it was minted for and in time.
  [[nodiscard]] bool redeem(std::string_view ticket, std::string_view session, Time now);

 private:
  struct Grant {
    std::string session;
    Time expires_at = 0;
  };
  void drop_expired(Time now);

  Random& random_;
  const std::int64_t ttl_ms_;
  std::mutex mutex_;
  std::unordered_map<std::string, Grant> grants_;  // by the ticket's SHA-256
};

}  // namespace holdfast::http
