// Objects of the host's classes: a request goes to the instance, what it replies comes back; a WebSocket goes to it for
// as long as it lives.
#include <algorithm>
#include <boost/beast/http/verb.hpp>

#include "http/exchange.hpp"
#include "http/fields.hpp"
#include "http/object_bodies.hpp"
#include "http/object_socket.hpp"
#include "http/routes.hpp"
#include "src/core/strict.hpp"

namespace holdfast::http {
namespace {

// The caller's credentials open this door; the object has no use for them.
bool credential(std::string_view name) noexcept {
  return equal_ignoring_case(name, "authorization") || equal_ignoring_case(name, "x-api-key");
}

void send_reply(Exchange& x, Reply& reply) {
  if (auto ok = fill_answer(x.answer(), reply); !ok) return x.fail(ok.error());
  x.thread().answer.body = std::move(reply.body);
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
    if (credential(field) || of_connection(field)) return;
    std::string lower(field);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    request.headers.emplace_back(std::move(lower), value);
  });
  if (wants_websocket(from)) {
    if (auto ok = check_websocket(from); !ok) return ok;
    if (from.find("transfer-encoding") || from.find("content-length").value_or("0") != "0")
      return fail(ErrorCode::invalid_request, "a WebSocket's handshake has no body");
    ObjectSocket::open(x, std::move(object_class), std::move(name), std::move(request));
    return {};
  }
  if (!x.engine().takes_streams(object_class)) request.body = from.take_body();
  const auto bodies = std::make_shared<ObjectBodies>(x);
  x.engine().call_async(std::move(object_class), std::move(name), std::move(request), bodies,
                        [bodies, whole = x.then<Reply>(&send_reply)](Result<Reply> reply) {
                          if (!bodies->end(reply)) return whole(std::move(reply));
                          whole(fail(ErrorCode::gone, "the reply was sent in parts"));
                        });
  return {};
}

}  // namespace holdfast::http
