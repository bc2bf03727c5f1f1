// What every connection of one server shares. References only: the Server owns it all, and outlives every connection.
#pragma once

#include <atomic>
#include <filesystem>
#include <holdfast/engine.hpp>

#include "src/core/log.hpp"

namespace holdfast::http {

class Authenticator;
class Cors;
class Metrics;
class Router;
class Tickets;

struct Services {
  Engine& engine;
  const Limits& limits;
  const Router& router;
  const Authenticator& authenticator;
  const Cors& cors;
  Tickets& tickets;
  Metrics& metrics;
  Logger& logger;
  const std::filesystem::path& backup_directory;  // empty: none
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> connections{0};
};

}  // namespace holdfast::http
