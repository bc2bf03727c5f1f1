#include "http/exchange.hpp"

#include "http/connection.hpp"
#include "http/fields.hpp"
#include "http/problem.hpp"
#include "http/query.hpp"
#include "src/core/ids.hpp"

namespace holdfast::http {

IoThread& Exchange::thread() const noexcept { return connection_.thread(); }

Result<std::string> Exchange::name(std::size_t parameter) const {
  const auto raw = match_.parameters[parameter];
  auto decoded = percent_decoded(raw, Plus::literal);
  if (!decoded || !valid_name(*decoded))
    return holdfast::fail(ErrorCode::invalid_name, "a name in the path is [A-Za-z0-9][A-Za-z0-9._~:-]{0,127}");
  return std::move(*decoded);
}

Result<json::Element> Exchange::json() const {
  if (auto ok = require_json(request_); !ok) return tl::unexpected(std::move(ok.error()));
  return thread().json.parse(request_.body(), limits().json_depth_max);
}

Result<json::Element> Exchange::json_or_empty() const {
  if (request_.body().empty()) return thread().json.parse("{}");
  return json();
}

Answer& Exchange::answer() const noexcept {
  auto& answer = thread().answer;
  answer.clear();
  return answer;
}

void Exchange::send() { connection_.send_answer(); }

void Exchange::fail(const Error& error) {
  write_problem(thread().answer, error);
  send();
}

void Exchange::begin(Moment now) {
  begun_ = now;
  match_ = {};
  waiting_ = false;
  if (const auto given = request_id_of(request_)) request_id_ = *given;
  else thread().mint_request_id(request_id_);
}

void Exchange::end() noexcept {
  ++serial_;
  waiting_ = false;
}

std::uint64_t Exchange::micros() const noexcept {
  const auto spent = std::chrono::steady_clock::now() - begun_;
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(spent).count());
}

std::int64_t Exchange::begun_ms() const noexcept {
  return std::chrono::duration_cast<std::chrono::milliseconds>(begun_.time_since_epoch()).count();
}

namespace detail {

CallBase::CallBase(Exchange& exchange)
    : connection_(exchange.connection().shared_from_this()), serial_(exchange.serial()) {}
CallBase::~CallBase() = default;

bool CallBase::wanted() const noexcept { return connection_->exchange().serial() == serial_; }
Exchange& CallBase::exchange() const noexcept { return connection_->exchange(); }
Services& CallBase::services() const noexcept { return connection_->thread().services(); }

void CallBase::dispatch(std::unique_ptr<CallBase> call) {
  const auto connection = call->connection_;
  if (connection->thread().is_current() && connection->dispatching()) return call->run();
  connection->thread().submit(std::move(call));
}

}  // namespace detail
}  // namespace holdfast::http
