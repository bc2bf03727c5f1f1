// Objects of the host's classes: a request goes to the instance, what it replies comes back; a WebSocket goes to it for
// as long as it lives.
#include <algorithm>
#include <array>
#include <boost/beast/http/verb.hpp>

#include "http/exchange.hpp"
#include "http/object_socket.hpp"
#include "http/routes.hpp"
#include "src/core/strict.hpp"

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

// What belongs to the connection, not to the object.
bool ours(std::string_view name) noexcept {
  constexpr std::array kOurs{"connection", "content-length", "transfer-encoding",
                             "keep-alive", "upgrade",        "request-id"};
  return std::any_of(kOurs.begin(), kOurs.end(), [&](std::string_view one) { return equal_ignoring_case(one, name); });
}

// The caller's credentials open this door; the object has no use for them.
bool credential(std::string_view name) noexcept {
  return equal_ignoring_case(name, "authorization") || equal_ignoring_case(name, "x-api-key");
}

void send_reply(Exchange& x, Reply& reply) {
  auto& answer = x.answer();
  const bool valid = reply.status >= 200 && reply.status <= 599 &&
                     std::all_of(reply.headers.begin(), reply.headers.end(),
                                 [](const auto& field) { return token(field.first) && printable(field.second); });
  if (!valid) return x.fail(ErrorCode::internal, "the object's reply has a status or a header that cannot be sent");
  answer.status = reply.status;
  answer.content_type = {};
  for (const auto& [name, value] : reply.headers)
    if (!ours(name)) answer.add_header(name, value);
  answer.body = std::move(reply.body);
  x.send();
}

}  // namespace

Result<void> call_object(Exchange& x) {
  std::string object_class;
  std::string name;
  HOLDFAST_TRY(object_class, x.name(0));
  HOLDFAST_TRY(name, x.name(1));
  auto& from = x.request();
  holdfast::Request request;
  // HEAD is GET whose body stays here.
  const auto method = boost::beast::http::to_string(from.method() == Verb::head ? Verb::get : from.method());
  request.method.assign(method.data(), method.size());
  request.path = x.match().rest.empty() ? "/" : std::string(x.match().rest);
  request.query = from.query();
  from.each_field([&](std::string_view field, std::string_view value) {
    if (credential(field) || ours(field)) return;
    std::string lower(field);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    request.headers.emplace_back(std::move(lower), value);
  });
  if (wants_websocket(from)) {
    if (auto ok = check_websocket(from); !ok) return ok;
    ObjectSocket::open(x, std::move(object_class), std::move(name), std::move(request));
    return {};
  }
  request.body = from.take_body();
  x.engine().call_async(std::move(object_class), std::move(name), std::move(request), x.then<Reply>(&send_reply));
  return {};
}

}  // namespace holdfast::http
