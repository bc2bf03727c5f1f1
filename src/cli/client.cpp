#include "src/cli/client.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/url.hpp>
#include <cstdlib>

#include "src/core/json.hpp"

namespace holdfast::cli {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::beast::error_code;

void Target::declare(CLI::App& command) {
  command.add_option("--url", url, "the server [http://127.0.0.1:8080]")->envname("HOLDFAST_URL")->type_name("URL");
}

Result<void> Target::resolve() {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed || parsed->scheme() != "http" || parsed->host().empty())
    return fail(ErrorCode::invalid_request, "--url " + url + " is not of the form http://HOST:PORT");
  host = parsed->host_address();
  port = parsed->has_port() ? std::string(parsed->port()) : "80";
  if (const char* key = std::getenv("HOLDFAST_API_KEY")) api_key = key;
  return {};
}

class Client::Impl {
 public:
  explicit Impl(const Target& target) : target_(target), stream_(context_) {}

  Result<Response> request(std::string_view method, const std::string& path, std::string_view body,
                           const Headers& headers, std::chrono::milliseconds timeout) {
    const bool reused = connected_;
    error_code ec;
    auto response = attempt(method, path, body, headers, timeout, ec);
    // A kept connection may have been closed while it was idle: nothing of the request was answered, and every request
    // of this client is idempotent by its id, so it is sent once more on a new one.
    if (!response && reused && ec != beast::error::timeout) {
      response = attempt(method, path, body, headers, timeout, ec);
      if (response) response->sends = 2;
    }
    if (response) return std::move(*response);
    if (ec == beast::error::timeout)
      return fail(ErrorCode::request_timeout, "no answer from " + target_.url + " in time");
    return fail(ErrorCode::overloaded,
                "cannot reach " + target_.url + ": " + ec.message() + "; is `holdfast serve` running?");
  }

  Result<Response> stream(const std::string& path, const Headers& headers,
                          const std::function<bool(std::string_view)>& on_data, std::chrono::milliseconds quiet) {
    close();
    error_code ec;
    if (!send("GET", path, {}, headers, quiet, ec))
      return fail(ErrorCode::overloaded, "cannot reach " + target_.url + ": " + ec.message());
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    run([&](auto done) { http::async_read_header(stream_, buffer_, parser, done); }, quiet, ec);
    Response response;
    if (ec) return fail(ErrorCode::overloaded, "the connection ended: " + ec.message());
    take_head(parser.get(), response);
    const bool problem = response.status != 200;
    std::array<char, 16'384> piece{};
    while (!parser.is_done()) {
      parser.get().body().data = piece.data();
      parser.get().body().size = piece.size();
      run([&](auto done) { http::async_read_some(stream_, buffer_, parser, done); }, quiet, ec);
      if (ec == http::error::need_buffer) ec = {};
      const std::string_view data(piece.data(), piece.size() - parser.get().body().size);
      if (problem) response.body += data;
      else if (!data.empty() && !on_data(data)) break;
      if (ec) break;
    }
    close();
    return response;
  }

 private:
  // Runs one asynchronous step to its end, at most `timeout` long.
  template <class Start>
  void run(const Start& start, std::chrono::milliseconds timeout, error_code& ec) {
    stream_.expires_after(timeout);
    start([&ec](error_code result, auto&&...) { ec = result; });
    context_.restart();
    context_.run();
  }

  bool connect(std::chrono::milliseconds timeout, error_code& ec) {
    if (connected_) return true;
    asio::ip::tcp::resolver resolver(context_);
    const auto found = resolver.resolve(target_.host, target_.port, ec);
    if (ec) return false;
    stream_.expires_after(timeout);
    stream_.async_connect(found, [&ec](error_code result, const auto&) { ec = result; });
    context_.restart();
    context_.run();
    if (ec) return false;
    stream_.socket().set_option(asio::ip::tcp::no_delay(true), ec);
    connected_ = !ec;
    return connected_;
  }

  bool send(std::string_view method, const std::string& path, std::string_view body, const Headers& headers,
            std::chrono::milliseconds timeout, error_code& ec) {
    ec = {};
    if (!connect(timeout, ec)) return false;
    http::request<http::string_body> request;
    request.method_string(beast::string_view(method.data(), method.size()));
    request.target(path);
    request.version(11);
    request.set(http::field::host, target_.host + ":" + target_.port);
    request.set(http::field::user_agent, "holdfast");
    if (!target_.api_key.empty()) request.set(http::field::authorization, "Bearer " + target_.api_key);
    for (const auto& [name, value] : headers) request.set(name, value);
    if (!body.empty() || method == "POST" || method == "PUT") {
      request.set(http::field::content_type, "application/json");
      request.body() = body;
      request.prepare_payload();
    }
    run([&](auto done) { http::async_write(stream_, request, done); }, timeout, ec);
    if (ec) close();
    return !ec;
  }

  std::optional<Response> attempt(std::string_view method, const std::string& path, std::string_view body,
                                  const Headers& headers, std::chrono::milliseconds timeout, error_code& ec) {
    if (!send(method, path, body, headers, timeout, ec)) return std::nullopt;
    http::response_parser<http::string_body> parser;
    parser.body_limit(boost::none);
    run([&](auto done) { http::async_read(stream_, buffer_, parser, done); }, timeout, ec);
    if (ec) {
      close();
      return std::nullopt;
    }
    Response response;
    take_head(parser.get(), response);
    response.body = std::move(parser.get().body());
    if (!parser.get().keep_alive()) close();
    return response;
  }

  template <class Message>
  static void take_head(const Message& message, Response& response) {
    response.status = static_cast<int>(message.result_int());
    for (const auto& field : message) {
      std::string name(field.name_string());
      for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      response.headers[name] = std::string(field.value());
    }
  }

  void close() {
    error_code ignored;
    stream_.socket().close(ignored);
    buffer_.clear();
    connected_ = false;
  }

  const Target target_;
  asio::io_context context_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  bool connected_ = false;
};

Client::Client(const Target& target) : impl_(std::make_unique<Impl>(target)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;

Result<Response> Client::request(std::string_view method, const std::string& path, std::string_view body,
                                 const Headers& headers, std::chrono::milliseconds timeout) {
  return impl_->request(method, path, body, headers, timeout);
}

Result<Response> Client::stream(const std::string& path, const Headers& headers,
                                const std::function<bool(std::string_view)>& on_data, std::chrono::milliseconds quiet) {
  return impl_->stream(path, headers, on_data, quiet);
}

std::string problem_text(const Response& response) {
  std::string text = std::to_string(response.status);
  json::Parser parser;
  if (const auto problem = parser.parse(response.body); problem && problem->is_object()) {
    std::string_view value;
    if (problem->at_key("code").get(value) == simdjson::SUCCESS) text += " " + std::string(value);
    if (problem->at_key("detail").get(value) == simdjson::SUCCESS) text += ": " + std::string(value);
    if (problem->at_key("pointer").get(value) == simdjson::SUCCESS) text += " (at " + std::string(value) + ")";
  }
  if (const auto after = response.headers.find("retry-after"); after != response.headers.end())
    text += " (retry after " + after->second + " s)";
  return text;
}

std::chrono::milliseconds retry_after(const Response& response, std::chrono::milliseconds otherwise) {
  const auto header = response.headers.find("retry-after");
  if (header == response.headers.end()) return otherwise;
  const auto seconds = std::strtol(header->second.c_str(), nullptr, 10);
  return std::clamp(std::chrono::milliseconds(seconds * 1'000), otherwise, std::chrono::milliseconds(30'000));
}

}  // namespace holdfast::cli
