// WorkerClient: the calls of a worker, and who it is in them.
//
// A registered runtime shows its token at every call and nothing else. On a 401 it reads its token file once, for
// another process may have rotated the token, and repeats the call with the new one. Otherwise it fails closed:
// closed() says why, and no call is made any more. Without credentials each call carries HOLDFAST_API_KEY, if that is
// set. One thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "src/cli/client.hpp"
#include "src/cli/credentials.hpp"

namespace holdfast::cli {

class WorkerClient {
 public:
  // `beat_every`: the longest that a runtime stays silent.
  WorkerClient(const Target& target, std::optional<RuntimeCredentials> credentials,
               std::chrono::milliseconds beat_every)
      : client_(target), credentials_(std::move(credentials)), beat_every_(beat_every) {}

  // Comes before the first claim: registers, and keeps the token and the secret that the server gives out.
  // `labels` is the JSON that the runtime registers with. Nothing to do without credentials.
  // Errors: invalid_request with what to do; overloaded and others as of request() when the server does not answer.
  [[nodiscard]] Result<void> enter(const std::string& labels);

  // As Client::request(). Errors: also unauthorized and gone, once it is closed.
  [[nodiscard]] Result<Response> request(std::string_view method, const std::string& path, std::string_view body = "{}",
                                         Headers headers = {},
                                         std::chrono::milliseconds timeout = std::chrono::seconds(30));
  // Says that the runtime is alive when that is due; what the server answers shows in closed().
  void beat_if_due();

  // Why no call is made any more; empty: they are.
  [[nodiscard]] const std::string& closed() const noexcept { return closed_; }

 private:
  Result<Response> close(ErrorCode code, std::string why);
  Result<Response> registered(const std::string& body);
  Result<Response> runtime_call(const std::string& what, const std::string& body);
  Result<void> keep(const Response& answer);
  std::string ways_out() const;

  Client client_;
  std::optional<RuntimeCredentials> credentials_;
  std::chrono::milliseconds beat_every_;
  std::chrono::steady_clock::time_point beat_at_{};
  std::string closed_;
};

}  // namespace holdfast::cli
