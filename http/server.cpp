#include "http/server.hpp"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <thread>

#include "http/auth.hpp"
#include "http/cors.hpp"
#include "http/io_thread.hpp"
#include "http/metrics.hpp"
#include "http/router.hpp"
#include "http/routes.hpp"
#include "http/tickets.hpp"
#include "src/core/crypto.hpp"
#include "src/core/random.hpp"

namespace holdfast::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Two at least: on cores that others use, too, two threads get more of them than one.
unsigned thread_count(const ServerOptions& options) {
  return options.io_threads != 0 ? options.io_threads : std::max(2U, std::thread::hardware_concurrency() / 2);
}

std::unique_ptr<Authenticator> make_authenticator(const ServerOptions& options, const std::atomic<Engine*>& engine) {
  if (options.auth == AuthMode::none) return std::make_unique<NoAuthenticator>();
  return std::make_unique<KeyAuthenticator>(
      options.operator_key, [&engine](std::string_view token) { return engine.load()->runtime_of(token); });
}

}  // namespace

class Server::Impl {
 public:
  Impl(const Limits& limits, ServerOptions options, Logger& logger)
      : options_(std::move(options)),
        limits_(limits),
        router_(api_routes()),
        authenticator_(make_authenticator(options_, engine_)),
        cors_(options_.cors_origins),
        tickets_(random_, static_cast<std::int64_t>(limits_.ticket_ttl_ms)),
        metrics_(api_routes(), thread_count(options_)),
        services_{engine_,
                  limits_,
                  router_,
                  *authenticator_,
                  cors_,
                  tickets_,
                  metrics_,
                  logger,
                  options_.access_log,
                  options_.recovery.get(),
                  options_.backup_directory} {
    crypto_start();
    for (unsigned i = 0; i < thread_count(options_); ++i)
      threads_.push_back(std::make_shared<IoThread>(services_, i, std::chrono::microseconds(options_.io_spin_us)));
  }

  ~Impl() { stop(std::chrono::milliseconds(0)); }

  Result<std::uint16_t> start() {
    if (options_.auth == AuthMode::required && options_.operator_key.empty())
      return fail(ErrorCode::invalid_request, "auth is required and no operator key is set; set HOLDFAST_OPERATOR_KEY");
    auto port = listen();
    if (!port) return port;
    for (const auto& thread : threads_) thread->start();
    running_ = true;
    accept();
    return port;
  }

  void open(Engine& engine) { engine_.store(&engine, std::memory_order_release); }

  void stop(std::chrono::milliseconds grace) {
    if (!running_) return;
    running_ = false;
    services_.stopping = true;
    asio::post(threads_[0]->context(), [this] {
      error_code ignored;  // nothing is left to do for a listener that does not close
      acceptor_->close(ignored);
      retry_->cancel();
    });
    for (const auto& thread : threads_) asio::post(thread->context(), [thread] { thread->stop_peers(); });
    const auto deadline = std::chrono::steady_clock::now() + grace;
    while (services_.connections.load() != 0 && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    for (const auto& thread : threads_) thread->stop();
  }

 private:
  tl::unexpected<Error> cannot_listen(const error_code& ec) const {
    return fail(ErrorCode::invalid_request,
                "cannot listen on " + options_.host + ":" + std::to_string(options_.port) + ": " + ec.message());
  }

  Result<std::uint16_t> listen() {
    auto& context = threads_[0]->context();
    error_code ec;
    const auto address = asio::ip::make_address(options_.host == "localhost" ? "127.0.0.1" : options_.host, ec);
    if (ec) return cannot_listen(ec);
    const Tcp::endpoint endpoint(address, options_.port);
    acceptor_.emplace(context);
    retry_.emplace(context);
    constexpr int kBacklog = 4'096;
    constexpr std::uint64_t kBufferMax = 1 << 30;  // the kernel takes an int, and has a bound of its own
    acceptor_->open(endpoint.protocol(), ec);
    if (!ec) acceptor_->set_option(asio::socket_base::reuse_address(true), ec);
    // Connections inherit it; a size set later would not bound the window that was offered already.
    if (const auto bytes = limits_.receive_buffer_bytes; !ec && bytes != 0)
      acceptor_->set_option(asio::socket_base::receive_buffer_size(static_cast<int>(std::min(bytes, kBufferMax))), ec);
    if (!ec) acceptor_->bind(endpoint, ec);
    if (!ec) acceptor_->listen(kBacklog, ec);
    if (ec) return cannot_listen(ec);
    const auto local = acceptor_->local_endpoint(ec);
    if (ec) return cannot_listen(ec);
    return local.port();
  }

  void accept() {
    auto& thread = threads_[next_++ % threads_.size()];
    acceptor_->async_accept(thread->context(), [this, &thread](const error_code& ec, Tcp::socket socket) {
      if (services_.stopping || ec == asio::error::operation_aborted) return;
      if (ec) return accept_later(ec);
      // The context may keep the handler for good: it must not own the thread that owns the context.
      asio::post(thread->context(), [to = thread.get(), s = std::move(socket)]() mutable { to->adopt(std::move(s)); });
      accept();
    });
  }

  // Out of descriptors, most likely: connections that end will give some back.
  void accept_later(const error_code& ec) {
    services_.logger.warn("cannot accept a connection: {}", ec.message());
    constexpr auto kPause = std::chrono::milliseconds(50);
    retry_->expires_after(kPause);
    retry_->async_wait([this](const error_code& cancelled) {
      if (!cancelled && !services_.stopping) accept();
    });
  }

  ServerOptions options_;
  const Limits limits_;
  std::atomic<Engine*> engine_{nullptr};
  SystemRandom random_;
  Router router_;
  std::unique_ptr<Authenticator> authenticator_;
  Cors cors_;
  Tickets tickets_;
  Metrics metrics_;
  Services services_;
  std::vector<std::shared_ptr<IoThread>> threads_;
  std::optional<Tcp::acceptor> acceptor_;  // on the first thread
  std::optional<asio::steady_timer> retry_;
  std::size_t next_ = 0;
  bool running_ = false;
};

Server::Server(const Limits& limits, ServerOptions options, Logger& logger)
    : impl_(std::make_unique<Impl>(limits, std::move(options), logger)) {}

Server::Server(Engine& engine, ServerOptions options, Logger& logger)
    : Server(engine.limits(), std::move(options), logger) {
  open(engine);
}

Server::~Server() = default;

Result<std::uint16_t> Server::start() { return impl_->start(); }

void Server::open(Engine& engine) { impl_->open(engine); }

void Server::stop(std::chrono::milliseconds grace) { impl_->stop(grace); }

}  // namespace holdfast::http
