#include "http/object_bodies.hpp"

#include <algorithm>

#include "http/fields.hpp"

namespace holdfast::http {
namespace {

bool token(std::string_view name) noexcept {
  constexpr std::string_view kToken = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return !name.empty() && name.find_first_not_of(kToken) == std::string_view::npos;
}

bool printable(std::string_view value) noexcept {
  return std::none_of(value.begin(), value.end(),
                      [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

tl::unexpected<Error> client_left() { return fail(ErrorCode::gone, "the client left before the request was answered"); }

}  // namespace

Result<void> fill_answer(Answer& answer, const holdfast::Reply& reply) {
  const bool valid = reply.status >= 200 && reply.status <= 599 &&
                     std::all_of(reply.headers.begin(), reply.headers.end(),
                                 [](const auto& field) { return token(field.first) && printable(field.second); });
  if (!valid) return fail(ErrorCode::internal, "the object's reply has a status or a header that cannot be sent");
  answer.status = reply.status;
  answer.content_type = {};
  for (const auto& [name, value] : reply.headers)
    if (!of_connection(name)) answer.add_header(name, value);
  return {};
}

class ObjectBodies::Work final : public Task {
 public:
  explicit Work(std::function<void()> call) : call_(std::move(call)) {}
  void run() override { call_(); }

 private:
  std::function<void()> call_;
};

ObjectBodies::ObjectBodies(Exchange& exchange)
    : connection_(exchange.connection().shared_from_this()), serial_(exchange.serial()) {}

void ObjectBodies::post(std::function<void()> call) {
  connection_->thread().submit(std::make_unique<Work>(std::move(call)));
}

void ObjectBodies::read(Done<std::optional<std::string>> done) {
  post([self = shared_from_this(), done = std::move(done)]() mutable {
    if (self->phase_ == Phase::headless) return done(std::optional<std::string>());  // what follows is another request
    const bool answered = self->phase_ == Phase::waiting && self->connection_->exchange().serial() != self->serial_;
    if (answered || self->phase_ == Phase::closed) return done(client_left());
    self->connection_->read_body(std::move(done));
  });
}

void ObjectBodies::reply(holdfast::Reply head, Done<Nothing> done) {
  if (begun_.exchange(true)) return done(fail(ErrorCode::internal, "this reply has begun already"));
  post([self = shared_from_this(), head = std::move(head), done = std::move(done)]() mutable {
    self->begin(head, std::move(done));
  });
}

void ObjectBodies::write(std::string part, Done<Nothing> done) {
  if (!begun_.load()) return done(fail(ErrorCode::internal, "a reply begins with its head: Context::reply"));
  post([self = shared_from_this(), part = std::move(part), done = std::move(done)]() mutable {
    self->send(part, std::move(done));
  });
}

bool ObjectBodies::end(const Result<holdfast::Reply>& last) {
  if (!begun_.load()) return false;
  post([self = shared_from_this(), part = last ? std::optional(last->body) : std::nullopt] {
    if (self->phase_ != Phase::streaming) return;
    if (!part) return self->connection_->abort();
    self->connection_->write_stream(*part);
    self->connection_->end_stream();
  });
  return true;
}

void ObjectBodies::begin(const holdfast::Reply& head, Done<Nothing> done) {
  auto& exchange = connection_->exchange();
  if (exchange.serial() != serial_) {
    phase_ = Phase::closed;
    return done(client_left());
  }
  if (auto ok = fill_answer(exchange.answer(), head); !ok) {
    phase_ = Phase::closed;
    exchange.fail(ok.error());
    return done(tl::unexpected(std::move(ok.error())));
  }
  if (exchange.request().method() == Verb::head) {
    phase_ = Phase::headless;
    exchange.send();
    return done(Nothing{});
  }
  phase_ = Phase::streaming;
  connection_->begin_stream(shared_from_this());
  send(head.body, std::move(done));
}

void ObjectBodies::send(const std::string& part, Done<Nothing> done) {
  if (phase_ == Phase::headless) return done(Nothing{});
  if (phase_ == Phase::closed) return done(client_left());
  blocked_ = std::move(done);
  connection_->write_stream(part);
  if (connection_->unsent() < connection_->exchange().limits().stream_buffer_bytes_max) on_drained();
}

void ObjectBodies::on_drained() {
  if (const auto done = std::exchange(blocked_, nullptr)) done(Nothing{});
}

void ObjectBodies::on_closed() {
  phase_ = Phase::closed;
  if (const auto done = std::exchange(blocked_, nullptr)) done(client_left());
}

}  // namespace holdfast::http
