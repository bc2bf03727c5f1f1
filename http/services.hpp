// What every connection of one server shares. References only: the Server owns it all, and outlives every connection.
#pragma once

#include <atomic>
#include <filesystem>
#include <holdfast/engine.hpp>

#include "src/core/log.hpp"

namespace holdfast::http {

enum class AccessLog : std::uint8_t { off, errors, all };

class Authenticator;
class Cors;
class Metrics;
class Router;
class Tickets;

struct Services {
  const std::atomic<Engine*>& engine;  // nullptr until it has recovered
  const Limits& limits;
  const Router& router;
  const Authenticator& authenticator;
  const Cors& cors;
  Tickets& tickets;
  Metrics& metrics;
  Logger& logger;
  AccessLog access_log;
  const Recovery* recovery;                       // of an engine that opens; may be nullptr
  const std::filesystem::path& backup_directory;  // empty: none
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> connections{0};
};

}  // namespace holdfast::http
