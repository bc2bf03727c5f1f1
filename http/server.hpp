// Server: the HTTP front of one Engine.
//
//     Server server(engine, options, logger);
//     auto port = server.start();      // listening
//     server.stop(std::chrono::seconds(10));
//
// Operation: one acceptor hands sockets round-robin to `io_threads` threads; a connection stays on its thread for good,
// and no thread waits for the engine. Whatever the front does goes through the public Engine API.
//
// Stopping is graceful for up to `grace`: no new connections, /readyz says so, idle connections close, answers in the
// making leave with `Connection: close`, waits end 503, streams end. What is left then is cut.
//
// Lifetime: stop() (or the destructor) before the Engine is destroyed; Engine::close() may come before or after, and
// completions that come late are dropped. start() and stop() are called from one thread; port() and stopping() from
// any.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <holdfast/engine.hpp>
#include <memory>
#include <string>
#include <vector>

#include "http/services.hpp"
#include "src/core/log.hpp"

namespace holdfast::http {

enum class AuthMode : std::uint8_t { none, required };

struct ServerOptions {
  std::string host = "127.0.0.1";  // an address, or localhost
  std::uint16_t port = 8080;       // 0: a free one
  unsigned io_threads = 0;         // 0: half of the cores, at least two; the engine needs the rest
  unsigned io_spin_us = 100;       // how long such a thread looks for work before it sleeps; 0: it sleeps at once
  AuthMode auth = AuthMode::none;
  std::string operator_key;                // for AuthMode::required
  std::filesystem::path backup_directory;  // POST /v1/backups writes below it; empty: it is refused
  std::vector<std::string> cors_origins;   // "https://example.org", or "*"
  AccessLog access_log = AccessLog::off;
  std::shared_ptr<const Recovery> recovery;  // what /readyz tells of while there is no engine; may be empty
};

class Server final {
 public:
  // Serves nothing but /livez and /readyz until open(): whoever watches the process sees that it lives and recovers.
  // `limits` are those of the engine to come.
  Server(const Limits& limits, ServerOptions options, Logger& logger);
  Server(Engine& engine, ServerOptions options, Logger& logger);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens and serves; the port that it listens on. Errors: invalid_request with what to do (bad address, port in use,
  // required auth without a key).
  [[nodiscard]] Result<std::uint16_t> start();
  // From now on there is an engine.
  void open(Engine& engine);
  // Returns when every connection has ended. Idempotent.
  void stop(std::chrono::milliseconds grace);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::http
