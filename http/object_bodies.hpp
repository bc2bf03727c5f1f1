// The bodies of a request to an object and of its reply, in parts.
//
// The body of the request is read from the connection when the object asks for it.
//
// Nothing of the reply happens until the object says so: most replies are whole, and go the way of every other answer.
// With the head the exchange becomes a stream: chunked, or to the end of the connection for HTTP/1.0. A part is
// accepted at once; the object goes on when less than stream_buffer_bytes_max is unsent, so a slow client slows its own
// reply and nobody else. An error after the head ends the connection without the last chunk, which tells the client
// that something is missing.
//
// Thread-safety: BodyTransfer and end() from any thread, one call at a time; the rest on the connection's thread.
#pragma once

#include <atomic>

#include "http/connection.hpp"

namespace holdfast::http {

class ObjectBodies final : public BodyTransfer, public StreamSource, public std::enable_shared_from_this<ObjectBodies> {
 public:
  explicit ObjectBodies(Exchange& exchange);

  void read(Done<std::optional<std::string>> done) override;
  void reply(holdfast::Reply head, Done<Nothing> done) override;
  void write(std::string part, Done<Nothing> done) override;
  // What the object's handler came to. False: it never began a reply, and this one is whole.
  [[nodiscard]] bool end(const Result<holdfast::Reply>& last);

  [[nodiscard]] bool endless() const noexcept override { return false; }
  void on_drained() override;
  void on_tick(std::int64_t) override {}
  void on_closed() override;

 private:
  class Work;
  void post(std::function<void()> call);
  void begin(const holdfast::Reply& head, Done<Nothing> done);
  void send(const std::string& part, Done<Nothing> done);

  const std::shared_ptr<Connection> connection_;
  const std::uint64_t serial_;
  std::atomic<bool> begun_{false};
  enum class Phase : std::uint8_t { waiting, streaming, headless, closed } phase_ = Phase::waiting;
  Done<Nothing> blocked_;  // until there is room
};

// Puts status and headers of an object's reply into the answer. Errors: internal, when they cannot be sent.
[[nodiscard]] Result<void> fill_answer(Answer& answer, const holdfast::Reply& reply);

}  // namespace holdfast::http
