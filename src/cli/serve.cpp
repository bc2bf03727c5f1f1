// holdfast serve: the engine behind its HTTP front, until a signal ends it.
#include <pthread.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <boost/asio/ip/address.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <holdfast/serve.hpp>

#include "http/server.hpp"
#include "src/cli/cli.hpp"
#include "src/cli/settings.hpp"
#include "src/core/crypto.hpp"
#include "src/engine/faults.hpp"

namespace holdfast::cli {
namespace {

constexpr std::chrono::seconds kGrace{10};

bool loopback(const std::string& host) {
  if (host == "localhost") return true;
  boost::system::error_code ec;
  const auto address = boost::asio::ip::make_address(host, ec);
  return !ec && address.is_loopback();
}

// The key from HOLDFAST_OPERATOR_KEY, or from the file that HOLDFAST_OPERATOR_KEY_FILE names.
Result<std::string> operator_key() {
  if (const char* key = std::getenv("HOLDFAST_OPERATOR_KEY"); key != nullptr && *key != '\0') return std::string(key);
  const char* path = std::getenv("HOLDFAST_OPERATOR_KEY_FILE");
  if (path == nullptr)
    return fail(ErrorCode::invalid_request, "--auth required needs an operator key: set HOLDFAST_OPERATOR_KEY");
  auto key = read_secret_file(path);
  if (!key) return key;
  key->resize(std::min(key->size(), key->find('\n')));
  if (key->empty()) return fail(ErrorCode::invalid_request, std::string("secret file ") + path + ": holds no key");
  return key;
}

Result<void> guard_the_door(ServeSettings& s) {
  if (s.http.auth == http::AuthMode::required) {
    auto key = operator_key();
    if (!key) return tl::unexpected(std::move(key.error()));
    s.http.operator_key = std::move(*key);
    return {};
  }
  if (loopback(s.http.host) || s.insecure == ServeSettings::Exposure::anywhere) return {};
  return fail(ErrorCode::invalid_request, "--listen " + s.http.host +
                                              " is reached by others and --auth is none; use --auth required, or "
                                              "--insecure if something else guards the door");
}

// Signals are taken by one thread with sigwait: every other thread has them blocked.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return set;
}

std::string printable(const http::ServerOptions& options, std::uint16_t port) {
  const bool v6 = options.host.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + options.host + "]" : options.host) + ":" + std::to_string(port);
}

int serve(ServeSettings& settings, const std::function<void(Engine&)>& on_open) {
  const auto signals = block_signals();
  auto logger = make_logger(settings.engine.log_level, settings.engine.log_format);
  settings.engine.recovery = std::make_shared<Recovery>();
  settings.http.recovery = settings.engine.recovery;
  std::unique_ptr<Engine> engine;  // outlives the server
  http::Server server(settings.engine.limits, settings.http, *logger);
  // Before the store is opened: whoever watches the process sees at /readyz that it recovers.
  const auto port = server.start();
  if (!port) return complain(kUsage, port.error().detail);
  auto opened = open_with_faults(settings.engine, settings.fault_control);
  if (!opened)
    return complain(opened.error().code == ErrorCode::invalid_request ? kUsage : kStore, opened.error().detail);
  engine = std::move(*opened);

  std::atomic<bool> broken{false};
  engine->on_broken([&](const Error&) {
    broken = true;
    ::kill(::getpid(), SIGTERM);  // the main thread takes the server down; the next start recovers
  });
  if (on_open) on_open(*engine);
  server.open(*engine);
  std::printf("listening on %s\n", printable(settings.http, *port).c_str());
  std::fflush(stdout);

  int signal = 0;
  sigwait(&signals, &signal);
  logger->info(broken ? "stopping: the store is broken" : "stopping: answering what is in the making");
  std::thread impatient([signals] {  // a second signal ends the waiting
    int again = 0;
    if (sigwait(&signals, &again) == 0) std::_Exit(kRefused);
  });
  impatient.detach();
  server.stop(broken ? std::chrono::seconds(1) : kGrace);
  engine->close();
  logger->info("stopped");
  return broken ? kStore : kOk;
}

// What a host adds to the server.
struct Host {
  std::function<void(Options&)> configure;
  std::function<void(Engine&)> on_open;
};

// The options of the server on `command`, which runs it.
void declare_serve(CLI::App& command, int& exit, const Host& host) {
  auto settings = std::make_shared<Settings>();
  auto values = std::make_shared<ServeSettings>();
  settings->declare(command);
  command.add_option("--config", values->config_file, "TOML file with any of these options")
      ->envname("HOLDFAST_CONFIG")
      ->type_name("FILE");
  command.callback([settings, values, host, &exit] {
    auto ready = settings->apply(*values);
    if (ready) ready = guard_the_door(*values);
    if (ready && host.configure) host.configure(values->engine);
    exit = ready ? serve(*values, host.on_open) : complain(kUsage, ready.error().detail);
  });
}

}  // namespace

void add_serve(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("serve", "run the server");
  command->footer(
      "Every option is also HOLDFAST_<NAME> in the environment and a key of the TOML file; a flag wins over the\n"
      "environment, the environment over the file.\n\n"
      "Examples:\n"
      "  holdfast serve                                     on 127.0.0.1:8080, data in ./data\n"
      "  holdfast serve --listen 127.0.0.1:0 --data /tmp/d  on a free port, which it prints\n"
      "  HOLDFAST_OPERATOR_KEY=... holdfast serve --auth required --listen 0.0.0.0:8080\n");
  declare_serve(*command, exit, {});
}

int serve_host(int argc, char** argv, const Host& host) {
  int exit = kOk;
  CLI::App app{"A host of its own classes and handlers, with the server of `holdfast serve`."};
  declare_serve(app, exit, host);
  return parse(app, argc, argv, exit);
}

}  // namespace holdfast::cli

namespace holdfast {

int serve(int argc, char** argv, const std::function<void(Options&)>& configure,
          const std::function<void(Engine&)>& on_open) {
  return cli::serve_host(argc, argv, {configure, on_open});
}

}  // namespace holdfast
