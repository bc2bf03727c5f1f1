// Outbound: the port to receivers outside, and what is asked of them: POSTs.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace holdfast::egress {

struct Request {
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::int64_t timeout_ms = 10'000;  // for all of it, redirects too
  std::size_t answer_bytes_max = 1 << 20;
};

struct Answer {
  int status = 0;
  std::int64_t retry_after_ms = 0;  // 0: none said
  std::string body;
};

enum class Fault : std::uint8_t {
  invalid_url,     // or a header that cannot be sent
  target_refused,  // an address that is not allowed
  unreachable,     // name, connection or TLS
  timed_out,
  answer_too_large,
  closed,  // this client was closed
};
struct Failure {
  Fault fault = Fault::unreachable;
  std::string detail;  // for a person; holds no secret
};
using Outcome = tl::expected<Answer, Failure>;

class Outbound {
 public:
  virtual ~Outbound() = default;
  // `done` is called exactly once, on a thread of the client and not from within this call: it must be short. A client
  // that is closed has no thread any more: there this call itself runs `done`, with `closed`. Thread-safe.
  virtual void post(Request request, std::function<void(Outcome)> done) = 0;
  // Ends what is in the air, and what comes later, as `closed`. Idempotent; thread-safe, but not from within a `done`.
  virtual void close() = 0;
};

// "https://host:port", in lower case and always with a port. Nothing for what is no http(s) URL with a host and without
// a user name.
[[nodiscard]] std::optional<std::string> origin_of(std::string_view url);

}  // namespace holdfast::egress
