#include "src/cli/worker_client.hpp"

#include <cstdlib>
#include <thread>

#include "src/core/json.hpp"

namespace holdfast::cli {
namespace {

constexpr int kRegisterAttempts = 20;
constexpr std::chrono::milliseconds kRegisterPause{250};

bool passing(int status) { return status == 503 || status == 429; }

std::string text_at(const Response& answer, const char* member) {
  json::Parser parser;
  std::string_view value;
  const auto parsed = parser.parse(answer.body);
  if (!parsed || parsed->at_key(member).get(value) != simdjson::SUCCESS) return {};
  return std::string(value);
}

// What a runtime without a token shows: a ticket if there is one, else the key that the client shows by itself.
Headers first_credential() {
  const char* ticket = std::getenv("HOLDFAST_PROVISIONING_TICKET");
  if (ticket == nullptr || *ticket == '\0') return {};
  return {{"Authorization", std::string("Bearer ") + ticket}};
}

}  // namespace

Result<void> WorkerClient::enter(const std::string& labels) {
  if (!credentials_) return {};
  const auto lock = credentials_->lock();
  if (!lock) return tl::unexpected(lock.error());
  if (auto ok = credentials_->load(); !ok) return ok;
  std::string body;
  json::ObjectWriter b(body);
  b.raw_if("labels", labels);
  b.end();
  for (int attempt = 1;; ++attempt) {
    const auto answer = registered(body);
    if (!answer && !closed_.empty()) return fail(ErrorCode::invalid_request, closed_);
    if (!answer) return tl::unexpected(answer.error());
    if (answer->status / 100 == 2) return keep(*answer);
    if (!passing(answer->status) || attempt == kRegisterAttempts)
      return fail(ErrorCode::overloaded,
                  "runtime " + credentials_->runtime() + " cannot register: " + problem_text(*answer));
    std::this_thread::sleep_for(kRegisterPause);
  }
}

// With a token, that it is this server's is shown first: a server without auth would register anybody anew.
Result<Response> WorkerClient::registered(const std::string& body) {
  if (!credentials_->token().empty()) {
    auto proven = runtime_call("heartbeat", "{}");
    if (!proven || proven->status != 200) return proven;
    return runtime_call("register", body);
  }
  if (const auto ok = credentials_->writable(); !ok) return close(ok.error().code, ok.error().detail);
  auto answer =
      client_.request("POST", "/v1/runtimes/" + credentials_->runtime() + "/register", body, first_credential());
  if (answer && answer->status == 401)
    return close(ErrorCode::unauthorized,
                 "the server does not register runtime " + credentials_->runtime() +
                     ": somebody did so first, or it wants a credential in HOLDFAST_PROVISIONING_TICKET or "
                     "HOLDFAST_API_KEY; " +
                     ways_out());
  if (answer && answer->status == 410)
    return close(ErrorCode::gone, "runtime " + credentials_->runtime() +
                                      " was removed, and its name is not used again; use another --runtime name");
  return answer;
}

Result<void> WorkerClient::keep(const Response& answer) {
  if (auto token = text_at(answer, "auth_token"); !token.empty()) {
    if (auto ok = credentials_->store_token(std::move(token)); !ok) return ok;
  }
  if (credentials_->token().empty())
    return fail(ErrorCode::invalid_request, "runtime " + credentials_->runtime() +
                                                " is registered already, and its token is issued only once; " +
                                                ways_out());
  if (const auto secret = text_at(answer, "inbound_secret"); !secret.empty()) return credentials_->store_secret(secret);
  return {};
}

std::string WorkerClient::ways_out() const {
  return "use another --runtime name, or put the runtime's token into " + credentials_->token_file() +
         " (an operator issues a new one: POST /v1/runtimes/" + credentials_->runtime() + "/rotate)";
}

Result<Response> WorkerClient::runtime_call(const std::string& what, const std::string& body) {
  auto answer = request("POST", "/v1/runtimes/" + credentials_->runtime() + "/" + what, body);
  if (answer && answer->status == 410)
    return close(ErrorCode::gone, "runtime " + credentials_->runtime() +
                                      " was removed, and its name is not used again; use another --runtime name");
  return answer;
}

Result<Response> WorkerClient::request(std::string_view method, const std::string& path, std::string_view body,
                                       Headers headers, std::chrono::milliseconds timeout) {
  if (!closed_.empty()) return fail(ErrorCode::unauthorized, closed_);
  if (!credentials_) return client_.request(method, path, body, headers, timeout);
  const auto send = [&] {
    headers["Authorization"] = "Bearer " + credentials_->token();
    return client_.request(method, path, body, headers, timeout);
  };
  auto answer = send();
  if (!answer || answer->status != 401) return answer;
  const auto changed = credentials_->reread();
  if (!changed) return close(changed.error().code, changed.error().detail);
  if (*changed) answer = send();
  if (!answer || answer->status != 401) return answer;
  return close(ErrorCode::unauthorized, "the server does not take the token in " + credentials_->token_file() +
                                            ": it was rotated, the runtime was removed, or it is another server's; " +
                                            ways_out());
}

void WorkerClient::beat_if_due() {
  const auto now = std::chrono::steady_clock::now();
  if (!credentials_ || now < beat_at_) return;
  beat_at_ = now + beat_every_;
  (void)runtime_call("heartbeat", "{}");  // without an answer the next one tells
}

Result<Response> WorkerClient::close(ErrorCode code, std::string why) {
  closed_ = std::move(why);
  return fail(code, closed_);
}

}  // namespace holdfast::cli
