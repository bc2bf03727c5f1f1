#include "src/cli/torture/arena.hpp"

#include <charconv>
#include <thread>

#include "src/core/crypto.hpp"

namespace holdfast::cli::torture {
namespace {

constexpr std::chrono::seconds kAnswerMax{30};

// The server promises that nothing was written, see docs/errors.
bool nothing_was_done(int status, std::string_view code) noexcept {
  if (status >= 400 && status < 500) return true;
  return code == "overloaded" || code == "shutting_down" || code == "insufficient_storage" || code == "internal";
}

}  // namespace

Outcome outcome_of(const Response& response, std::string_view code) noexcept {
  if (response.status >= 200 && response.status < 300) return Outcome::ok;
  // What was sent twice may have been done the first time.
  return response.sends == 1 && nothing_was_done(response.status, code) ? Outcome::refused : Outcome::unknown;
}

Arena::Arena(std::uint64_t seed, unsigned sessions) : seed_(seed), rest_until_us_(sessions) {}

std::int64_t Arena::now_us() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin_).count();
}

void Arena::rest(unsigned session, std::chrono::milliseconds time) {
  rest_until_us_[session] = now_us() + std::chrono::microseconds(time).count();
}

bool Arena::resting(unsigned session) const { return rest_until_us_[session] > now_us(); }

void Arena::acknowledge(std::string session, std::string message) {
  ++admitted;
  const std::lock_guard lock(mutex_);
  acknowledged_.push_back({std::move(session), std::move(message)});
}

std::vector<Arena::Place> Arena::acknowledged() const {
  const std::lock_guard lock(mutex_);
  return acknowledged_;
}

std::optional<json::Element> Body::find(const std::string& pointer) const {
  json::Element value;
  if (!root_ || root_->at_pointer(pointer).get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

std::string Body::text(const std::string& pointer) const {
  const auto value = find(pointer);
  std::string_view text;
  return value && value->get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

std::uint64_t Body::number(const std::string& pointer) const {
  const auto value = find(pointer);
  std::uint64_t number = 0;
  if (value && value->get(number) == simdjson::SUCCESS) return number;
  const auto digits = text(pointer);
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

Time Body::time(const std::string& pointer) const { return json::parse_time(text(pointer)).value_or(0); }

std::size_t Body::count(const std::string& pointer) const {
  const auto value = find(pointer);
  json::Array list;
  return value && value->get(list) == simdjson::SUCCESS ? list.size() : 0;
}

Actor::Actor(Arena& arena, unsigned number) : arena_(arena), number_(number), random_(arena.seed() * 1'000 + number) {}

Operation Actor::begin(Kind kind, std::string session, std::string message) const {
  Operation operation;
  operation.kind = kind;
  operation.actor = number_;
  operation.session = std::move(session);
  operation.message = std::move(message);
  return operation;
}

Client* Actor::client() {
  int port = 0;
  while ((port = arena_.port) == 0) {
    if (arena_.phase == Phase::end) return nullptr;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  if (!client_ || port != port_) {
    Target target;
    target.url = "http://127.0.0.1:" + std::to_string(port);
    target.host = "127.0.0.1";
    target.port = std::to_string(port);
    client_.emplace(target);
    port_ = port;
  }
  return &*client_;
}

std::optional<Response> Actor::call(Operation& operation, const Request& request) {
  auto* with = client();
  if (with == nullptr) return std::nullopt;
  ++arena_.operations;
  operation.begin_us = arena_.now_us();
  auto answer = with->request(request.method, request.path, request.body, request.headers, kAnswerMax);
  operation.end_us = arena_.now_us();
  if (!answer) {
    operation.outcome = Outcome::unknown;
    operation.sends = 2;  // perhaps
    operation.code = std::string(name_of(answer.error().code));
    return Response{};
  }
  operation.status = answer->status;
  operation.sends = answer->sends;
  if (answer->status >= 300) operation.code = Body(answer->body).text("/code");
  operation.outcome = outcome_of(*answer, operation.code);
  return std::move(*answer);
}

void Actor::keep(Operation operation) { operations_.push_back(std::move(operation)); }

void Actor::pause(std::uint64_t ms_min, std::uint64_t ms_max) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms_min + draw(ms_max - ms_min + 1)));
}

std::string hash_of(std::string_view body) {
  const auto canonical = json::canonical_text(body);
  return canonical ? "sha256:" + to_hex(sha256(*canonical)) : std::string();
}

Seen seen_of(json::Element event) {
  Seen seen;
  std::string_view id;
  if (event.at_key("id").get(id) == simdjson::SUCCESS) std::from_chars(id.data(), id.data() + id.size(), seen.id);
  const auto raw = sha256(json::canonical(event));
  for (std::size_t i = 0; i < sizeof seen.digest; ++i)
    seen.digest = seen.digest << 8 | static_cast<unsigned char>(raw[i]);
  return seen;
}

}  // namespace holdfast::cli::torture
