// Cors: which web pages of other origins may read our answers (the Fetch standard's CORS protocol).
//
// Only the listed origins get Access-Control-* fields; without a list nobody does. `*` lists every origin. Credentials
// travel in headers that a page sets itself, never in cookies, so Allow-Credentials is never sent. Immutable; any
// thread.
#pragma once

#include <string>
#include <vector>

#include "http/answer.hpp"
#include "http/request.hpp"

namespace holdfast::http {

class Cors {
 public:
  explicit Cors(std::vector<std::string> origins) : origins_(std::move(origins)) {}

  // Adds what the answer to this request needs; nothing for an origin that is not listed.
  void decorate(Answer& answer, const Request& request) const;
  // Adds the answer to a preflight (OPTIONS with Access-Control-Request-Method).
  void preflight(Answer& answer, const Request& request, std::string_view allowed_methods) const;

 private:
  [[nodiscard]] bool listed(std::string_view origin) const noexcept;

  std::vector<std::string> origins_;
};

}  // namespace holdfast::http
