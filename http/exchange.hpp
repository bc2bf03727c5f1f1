// Exchange: one request and its answer, as a handler sees it.
//
// A handler reads the request, starts an Engine call with `then(render)`, and returns; `render` runs on the
// connection's I/O thread when the answer is there. An error becomes a problem without the handler's doing. The request
// stays valid until the answer is sent, so `render` may read it again.
//
// A completion that comes inside the call, on the connection's own thread, is answered at once. Any other only moves
// its Result to the thread, for its next round. The serial number tells an answer that is still wanted from one whose
// connection closed or was answered otherwise (a stop, a client that left a wait): the latter goes to the `orphan`
// function, for results that must not be lost silently.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/answer.hpp"
#include "http/auth.hpp"
#include "http/io_thread.hpp"
#include "http/request.hpp"
#include "http/router.hpp"

namespace holdfast::http {

class Connection;

template <class T>
using Render = void (*)(Exchange&, T&);
template <class T>
using Orphan = void (*)(Services&, T&);

class Exchange {
 public:
  explicit Exchange(Connection& connection) : connection_(connection) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  [[nodiscard]] const Request& request() const noexcept { return request_; }
  [[nodiscard]] Request& request() noexcept { return request_; }
  [[nodiscard]] const Match& match() const noexcept { return match_; }
  [[nodiscard]] Connection& connection() noexcept { return connection_; }
  [[nodiscard]] std::string_view request_id() const noexcept { return request_id_; }
  [[nodiscard]] IoThread& thread() const noexcept;
  [[nodiscard]] Services& services() const noexcept { return thread().services(); }
  // Of a request that dispatch let pass: it is there.
  [[nodiscard]] Engine& engine() const noexcept { return *services().engine.load(std::memory_order_acquire); }
  [[nodiscard]] const Limits& limits() const noexcept { return services().limits; }

  // Who asks.
  [[nodiscard]] const Caller& caller() const noexcept { return caller_; }
  // The path parameter as a name. Errors: invalid_name.
  [[nodiscard]] Result<std::string> name(std::size_t parameter) const;
  // The body as JSON; valid until the thread parses again. Errors: invalid_body, unsupported_media_type.
  [[nodiscard]] Result<json::Element> json() const;
  // The same, where no body stands for {}.
  [[nodiscard]] Result<json::Element> json_or_empty() const;

  // The thread's Answer, cleared. Fill it and send().
  [[nodiscard]] Answer& answer() const noexcept;
  void send();
  void fail(const Error& error);
  void fail(ErrorCode code, std::string detail) { fail(Error{code, std::move(detail), {}, 0, {}}); }

  // The completion of an Engine call that is expected at once.
  template <class T>
  [[nodiscard]] Done<T> then(Render<T> render);
  // The same for a call that may wait: it ends early when the client leaves or the server stops.
  template <class T>
  [[nodiscard]] Done<T> then_waiting(Render<T> render, Orphan<T> orphan = nullptr);

  // ---- for the connection ----
  using Moment = std::chrono::steady_clock::time_point;
  void begin(Moment now);
  void set_match(const Match& match) noexcept { match_ = match; }
  void set_caller(Caller caller) noexcept { caller_ = std::move(caller); }
  // Ends this exchange: answers that are still in the air are no longer wanted.
  void end() noexcept;
  [[nodiscard]] std::uint64_t serial() const noexcept { return serial_; }
  [[nodiscard]] bool waiting() const noexcept { return waiting_; }
  [[nodiscard]] std::uint64_t micros() const noexcept;
  // When it was read, in steady milliseconds.
  [[nodiscard]] std::int64_t begun_ms() const noexcept;

 private:
  Connection& connection_;
  Request request_;
  Match match_;
  Caller caller_;
  std::string request_id_;
  std::uint64_t serial_ = 0;
  bool waiting_ = false;
  Moment begun_;
};

namespace detail {

// The part of a call that does not depend on what it answers.
class CallBase : public Task {
 public:
  ~CallBase() override;

 protected:
  explicit CallBase(Exchange& exchange);
  [[nodiscard]] bool wanted() const noexcept;
  [[nodiscard]] Exchange& exchange() const noexcept;
  [[nodiscard]] Services& services() const noexcept;
  // Runs it now or hands it to the connection's thread.
  static void dispatch(std::unique_ptr<CallBase> call);

 private:
  std::shared_ptr<Connection> connection_;
  std::uint64_t serial_;
};

template <class T>
class Call final : public CallBase {
 public:
  // The engine calls the completion exactly once, so the bare pointer in it is an owner: a std::function must be
  // copyable, and one pointer fits into it without an allocation.
  [[nodiscard]] static Done<T> start(Exchange& exchange, Render<T> render, Orphan<T> orphan) {
    auto* call = new Call(exchange, render, orphan);
    return [call](Result<T> result) {
      std::unique_ptr<Call> owner(call);
      owner->result_.emplace(std::move(result));
      dispatch(std::move(owner));
    };
  }

  void run() override {
    if (!wanted()) {
      if (orphan_ != nullptr && *result_) orphan_(services(), **result_);
    } else if (*result_) {
      render_(exchange(), **result_);
    } else {
      exchange().fail(result_->error());
    }
  }

 private:
  Call(Exchange& exchange, Render<T> render, Orphan<T> orphan) : CallBase(exchange), render_(render), orphan_(orphan) {}

  Render<T> render_;
  Orphan<T> orphan_;
  std::optional<Result<T>> result_;
};

}  // namespace detail

template <class T>
Done<T> Exchange::then(Render<T> render) {
  return detail::Call<T>::start(*this, render, nullptr);
}

template <class T>
Done<T> Exchange::then_waiting(Render<T> render, Orphan<T> orphan) {
  waiting_ = true;
  return detail::Call<T>::start(*this, render, orphan);
}

}  // namespace holdfast::http
