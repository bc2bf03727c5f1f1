// Client: a small blocking HTTP/1.1 client for the commands, one keep-alive connection, every step bounded in time.
#pragma once

#include <chrono>
#include <functional>
#include <holdfast/error.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace holdfast::cli {

struct Response {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  unsigned sends = 1;  // how often the request left, see Client::request
};

// Where the server is and who asks; shared options of all client commands.
struct Target {
  std::string url = "http://127.0.0.1:8080";
  std::string host;
  std::string port;
  std::string api_key;

  void declare(CLI::App& command);
  // Splits the URL and reads HOLDFAST_API_KEY. Errors: invalid_request.
  [[nodiscard]] Result<void> resolve();
};

using Headers = std::map<std::string, std::string>;

class Client {
 public:
  explicit Client(const Target& target);
  ~Client();
  Client(Client&&) noexcept;

  // Sends one request and reads its answer; connects anew when the server closed the idle connection.
  // Errors: request_timeout, or overloaded when the server cannot be reached.
  [[nodiscard]] Result<Response> request(std::string_view method, const std::string& path, std::string_view body = {},
                                         const Headers& headers = {},
                                         std::chrono::milliseconds timeout = std::chrono::seconds(30));
  // Reads an answer that does not end: `on_data` for each piece of its body, until it returns false or the server ends
  // it. Returns the status. `quiet` bounds the time without a byte.
  [[nodiscard]] Result<Response> stream(const std::string& path, const Headers& headers,
                                        const std::function<bool(std::string_view)>& on_data,
                                        std::chrono::milliseconds quiet = std::chrono::seconds(60));

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// "429 queue_full: detail (retry after 1 s)" of a problem document.
[[nodiscard]] std::string problem_text(const Response& response);
// How long the server asks to wait; `otherwise` when it does not say.
[[nodiscard]] std::chrono::milliseconds retry_after(const Response& response, std::chrono::milliseconds otherwise);

}  // namespace holdfast::cli
