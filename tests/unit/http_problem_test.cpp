// Problems, framing, credentials and tickets: what every answer has in common.
#include <catch2/catch.hpp>

#include "http/answer.hpp"
#include "http/auth.hpp"
#include "http/cors.hpp"
#include "http/problem.hpp"
#include "http/tickets.hpp"
#include "src/core/json.hpp"

namespace holdfast::http {
namespace {

Request request_with(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  Request request;
  for (const auto& [name, value] : fields) request.add_field(name, value);
  return request;
}

std::string bytes_of(const Answer& answer, const Framing& framing) {
  std::string out;
  append_answer(out, answer, framing);
  return out;
}

}  // namespace

TEST_CASE("a problem has the members of RFC 9457 and ours", "[http][problem]") {
  Answer answer;
  answer.body = "left over";
  write_problem(answer, {ErrorCode::conflict, "look again", "/if_seq", 0, R"("markers":[{"seq":1}])"});
  CHECK(answer.status == 412);
  CHECK(answer.content_type == "application/problem+json");
  CHECK(answer.headers.empty());
  CHECK(answer.body.starts_with(R"({"type":"/errors/conflict","title":")"));
  CHECK(answer.body.ends_with(
      R"(,"status":412,"detail":"look again","code":"conflict","retryable":false,"pointer":"/if_seq","markers":[{"seq":1}]})"));
  json::Parser parser;
  CHECK(parser.parse(answer.body).has_value());
}

TEST_CASE("a retryable problem says when, in seconds rounded up", "[http][problem]") {
  Answer answer;
  write_problem(answer, {ErrorCode::queue_full, "full", {}, 1'001, {}});
  CHECK(answer.headers == "Retry-After: 2\r\n");
  write_problem(answer, {ErrorCode::overloaded, "busy", {}, 0, {}});
  CHECK(answer.headers == "Retry-After: 1\r\n");
}

TEST_CASE("every refusal of a credential is the same", "[http][problem]") {
  Answer a;
  Answer b;
  write_problem(a, {ErrorCode::unauthorized, "the key is unknown", "/x", 0, R"("a":1)"});
  write_problem(b, {ErrorCode::unauthorized, {}, {}, 0, {}});
  CHECK(a.status == 401);
  CHECK(a.body == b.body);
  CHECK(a.headers == "WWW-Authenticate: Bearer realm=\"holdfast\"\r\n");
  CHECK(a.body.find("unknown") == std::string::npos);
}

TEST_CASE("every code makes a valid problem document", "[http][problem]") {
  json::Parser parser;
  for (int code = 0; code < kErrorCodes; ++code) {
    Answer answer;
    write_problem(answer, {static_cast<ErrorCode>(code), "line\n\"quoted\"", {}, 0, {}});
    CAPTURE(answer.body);
    CHECK(answer.status >= 400);
    CHECK(parser.parse(answer.body).has_value());
  }
}

TEST_CASE("an answer is framed for its request", "[http][answer]") {
  Answer answer;
  answer.body = "{}";
  answer.add_header("X", "y");
  CHECK(bytes_of(answer, {"r1"}) ==
        "HTTP/1.1 200 OK\r\nRequest-Id: r1\r\nX: y\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
  CHECK(bytes_of(answer, {"r1", Framing::Connection::close, Framing::Body::left_out}) ==
        "HTTP/1.1 200 OK\r\nRequest-Id: r1\r\nX: y\r\nConnection: close\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\n\r\n");
  answer.clear();
  answer.status = 204;
  CHECK(bytes_of(answer, {"r1"}) == "HTTP/1.1 204 No Content\r\nRequest-Id: r1\r\n\r\n");
  std::string chunk;
  append_chunk(chunk, std::string(26, 'x'));
  CHECK(chunk == "1a\r\n" + std::string(26, 'x') + "\r\n");
}

TEST_CASE("a credential says who comes", "[http][auth]") {
  using Kind = Caller::Kind;
  const KeyAuthenticator auth("hfk_right", [](std::string_view token) {
    return token == "hfr_token" ? std::optional<std::string>("gpu-1") : std::nullopt;
  });
  const auto kind_of = [&](const Request& request) { return auth.check(request).value().kind; };
  CHECK(kind_of(request_with({{"Authorization", "Bearer hfk_right"}})) == Kind::operator_key);
  CHECK(kind_of(request_with({{"authorization", "bearer  hfk_right"}})) == Kind::operator_key);
  CHECK(kind_of(request_with({{"x-api-key", "hfk_right"}})) == Kind::operator_key);
  CHECK(auth.check(request_with({{"x-api-key", "hfr_token"}})).value().runtime == "gpu-1");
  for (const auto& stranger :
       {request_with({{"Authorization", "Bearer hfk_wrong"}}), request_with({{"x-api-key", "hfk_right "}})})
    CHECK(kind_of(stranger) == Kind::ticket_holder);
  for (const auto& refused : {request_with({}), request_with({{"Authorization", "Bearer"}}),
                              request_with({{"Authorization", "Basic hfk_right"}}),
                              request_with({{"Authorization", "hfk_right"}}), request_with({{"x-api-key", ""}})})
    CHECK(auth.check(refused).error().code == ErrorCode::unauthorized);
  const auto both = request_with({{"Authorization", "Bearer hfk_right"}, {"x-api-key", "hfk_right"}});
  CHECK(auth.check(both).error().code == ErrorCode::ambiguous_credentials);
  CHECK(NoAuthenticator().check(both).error().code == ErrorCode::ambiguous_credentials);
}

TEST_CASE("only listed origins may read an answer", "[http][cors]") {
  const Cors cors({"https://a.example"});
  Answer answer;
  cors.decorate(answer, request_with({{"Origin", "https://b.example"}}));
  CHECK(answer.headers == "Vary: Origin\r\n");
  answer.clear();
  cors.decorate(answer, request_with({{"Origin", "https://a.example"}}));
  CHECK(answer.headers.find("Access-Control-Allow-Origin: https://a.example\r\n") != std::string::npos);
  answer.clear();
  Cors({}).decorate(answer, request_with({{"Origin", "https://a.example"}}));
  CHECK(answer.headers.empty());
}

TEST_CASE("a ticket opens one session, once, in time", "[http][tickets]") {
  SeededRandom random(1);
  Tickets tickets(random, 1'000);
  const auto ticket = tickets.mint("s", 5'000);
  REQUIRE(ticket.has_value());
  CHECK(ticket->expires_at == 6'000);
  CHECK_FALSE(tickets.redeem("tkt_guess", "s", 5'000));
  CHECK(tickets.redeem(ticket->ticket, "s", 5'999));
  CHECK_FALSE(tickets.redeem(ticket->ticket, "s", 5'999));
  const auto late = tickets.mint("s", 5'000);
  CHECK_FALSE(tickets.redeem(late->ticket, "s", 6'000));
  const auto other = tickets.mint("s", 5'000);
  CHECK_FALSE(tickets.redeem(other->ticket, "t", 5'000));
}

}  // namespace holdfast::http
