// Envelope: what is on its way to an actor in the Router, and its answer on the way back. A session gets commands, an
// object of a host's class gets events; either is counted, gated and answered in the same way.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <holdfast/object.hpp>
#include <memory>
#include <optional>
#include <variant>

#include "actors/session/commands.hpp"
#include "actors/session/kernel.hpp"
#include "actors/shell/sockets.hpp"
#include "storage/keys.hpp"

namespace holdfast::shell {

// Bounds what is in flight. A permit is taken at the door and given back when the answer has left.
class Permits {
 public:
  Permits(std::uint64_t count_max, std::uint64_t bytes_max) : count_max_(count_max), bytes_max_(bytes_max) {}

  class Permit {
   public:
    Permit() = default;
    Permit(Permits* from, std::uint64_t bytes) noexcept : from_(from), bytes_(bytes) {}
    Permit(Permit&& other) noexcept : from_(std::exchange(other.from_, nullptr)), bytes_(other.bytes_) {}
    Permit& operator=(Permit&& other) noexcept {
      release();
      from_ = std::exchange(other.from_, nullptr);
      bytes_ = other.bytes_;
      return *this;
    }
    ~Permit() { release(); }
    explicit operator bool() const noexcept { return from_ != nullptr; }

   private:
    void release() noexcept {
      if (from_ == nullptr) return;
      from_->count_.fetch_sub(1, std::memory_order_relaxed);
      from_->bytes_.fetch_sub(bytes_, std::memory_order_relaxed);
      from_ = nullptr;
    }
    Permits* from_ = nullptr;
    std::uint64_t bytes_ = 0;
  };

  // An empty permit when it would pass a bound; a single command may always pass the bytes when nothing else is in
  // flight.
  [[nodiscard]] Permit take(std::uint64_t bytes) noexcept {
    const auto count = count_.fetch_add(1);  // before a look at whether the engine is open, see Engine::Impl::close()
    const auto before = bytes_.fetch_add(bytes, std::memory_order_relaxed);
    if (count < count_max_ && (before + bytes <= bytes_max_ || count == 0)) return {this, bytes};
    (count >= count_max_ ? refused_count_ : refused_bytes_).fetch_add(1, std::memory_order_relaxed);
    count_.fetch_sub(1, std::memory_order_relaxed);
    bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    return {};
  }
  [[nodiscard]] std::uint64_t in_flight() const noexcept { return count_.load(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t refused_count() const noexcept { return refused_count_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t refused_bytes() const noexcept { return refused_bytes_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t count_max_;
  const std::uint64_t bytes_max_;
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> refused_count_{0};
  std::atomic<std::uint64_t> refused_bytes_{0};
};

struct Envelope {
  enum class Kind : std::uint8_t {
    work,
    leave,  // nobody asked for a while: leave if nothing came meanwhile
  };
  Envelope() = default;  // leave
  explicit Envelope(ObjectId receiver) : to(std::move(receiver)), kind(Kind::work) {}
  virtual ~Envelope() = default;
  Envelope(const Envelope&) = delete;
  Envelope& operator=(const Envelope&) = delete;
  // Answers, if somebody waits.
  virtual void refuse(const Error&) {}

  const ObjectId to{};
  const Kind kind = Kind::leave;
  Permits::Permit permit;
};
using EnvelopePtr = std::shared_ptr<Envelope>;

// Holds, after the command was applied, what leaves the session once its write set is durable.
struct SessionCommand final : Envelope {
  using Done = std::function<void(Result<session::Reply>&&)>;  // exactly once; may be empty
  SessionCommand(ObjectId session, session::Command what, Done when_done = nullptr)
      : Envelope(std::move(session)), command(std::move(what)), done(std::move(when_done)) {}
  void refuse(const Error& error) override {
    if (done) done(tl::unexpected(error));
  }

  session::Command command;
  Done done;
  Result<session::Reply> reply;
  session::Effects effects;
  session::Terms terms;  // of the session, when it is ready
};
using SessionCommandPtr = std::shared_ptr<SessionCommand>;

// ---- what happens to an object of a host's class ----

struct OnRequest {
  Request request;
  std::shared_ptr<BodyTransfer> bodies{};
};
struct OnMessage {
  Inbound message;
  std::uint64_t floor = 0;  // the sender has nothing left below it
};
struct OnAlarm {};
struct OnSocketOpen {
  SocketPtr socket;
  Request request;
};
struct OnSocketMessage {
  SocketPtr socket;
  SocketMessage message;
};
struct OnSocketClose {
  SocketPtr socket;
  SocketClose close;
};
struct OnDeferred {  // work that was deferred ended, with what to do about it or with what it threw
  std::function<Task<>(Object&, Context&)> then;
  std::string thrown;
};
// These run no handler of their own.
struct Resume {  // what a handler awaited is there, or its writes could not be made durable
  std::uint64_t waiter = 0;
  std::optional<Error> error{};
};
struct MailEnded {
  keys::Mail mail;
  std::optional<Error> error;
};
struct Cancel {};  // the engine closes: handlers that wait end

using Happening = std::variant<OnRequest, OnMessage, OnAlarm, OnSocketOpen, OnSocketMessage, OnSocketClose, OnDeferred,
                               Resume, MailEnded, Cancel>;

struct ObjectEvent final : Envelope {
  ObjectEvent(ObjectId object, Happening happening, Done<Reply> when_done = nullptr)
      : Envelope(std::move(object)), what(std::move(happening)), done(std::move(when_done)) {}
  void refuse(const Error& error) override {
    if (done) done(tl::unexpected(error));
  }

  Happening what;
  Done<Reply> done;  // exactly once; may be empty
};
using ObjectEventPtr = std::shared_ptr<ObjectEvent>;

}  // namespace holdfast::shell
