// Settings of `holdfast serve`: each is a flag, an environment variable and a TOML key, in this order of precedence.
//
//     --queue-capacity 50      HOLDFAST_QUEUE_CAPACITY=50      queue_capacity = 50
#pragma once

#include <functional>
#include <holdfast/error.hpp>
#include <holdfast/options.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/server.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace holdfast::cli {

struct ServeSettings {
  Options engine;
  http::ServerOptions http;
  enum class Exposure : std::uint8_t { loopback_only, anywhere } insecure = Exposure::loopback_only;
  std::string config_file;
  std::string fault_control;  // for tests, see docs/TORTURE.md
};

class Settings {
 public:
  Settings();

  // Makes a flag of each on `app`.
  void declare(CLI::App& app);
  // Reads flags, environment and file into `into`. Errors: invalid_request that names the source and what to do.
  [[nodiscard]] Result<void> apply(ServeSettings& into) const;

 private:
  struct Setting {
    std::string name;  // with underscores, as in TOML
    std::string help;
    std::function<bool(ServeSettings&, const std::string& value)> set;  // false: not a valid value
    std::string expects;
    std::optional<std::string> group;  // of --help; none: the first
    std::shared_ptr<std::string> flag;
    CLI::Option* option = nullptr;
  };
  void add(std::string name, std::string help, std::string expects,
           std::function<bool(ServeSettings&, const std::string&)> set, std::optional<std::string> group = {});

  std::vector<Setting> settings_;
  std::shared_ptr<bool> insecure_;
};

}  // namespace holdfast::cli
