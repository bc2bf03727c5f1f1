#include "src/cli/settings.hpp"

#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>

extern char** environ;

namespace holdfast::cli {
namespace {

constexpr const char* kHidden = "";  // the group of what --help leaves out; docs/TORTURE.md has it

std::string dashes(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string variable(const std::string& name) {
  std::string out = "HOLDFAST_";
  for (const char c : name) out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

bool number(const std::string& text, std::uint64_t& out) {
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, out);
  return parsed.ec == std::errc{} && parsed.ptr == end && !text.empty();
}

bool numbers(const std::string& text, std::vector<std::uint64_t>& out) {
  std::vector<std::uint64_t> list;
  for (const auto& part : CLI::detail::split(text, ',')) {
    std::uint64_t value = 0;
    if (!number(part, value)) return false;
    list.push_back(value);
  }
  out = std::move(list);
  return true;
}

template <class T>
std::function<bool(ServeSettings&, const std::string&)> choice(std::map<std::string, T> choices,
                                                               std::function<void(ServeSettings&, T)> set) {
  return [choices = std::move(choices), set = std::move(set)](ServeSettings& s, const std::string& value) {
    const auto found = choices.find(value);
    if (found == choices.end()) return false;
    set(s, found->second);
    return true;
  };
}

bool listen(ServeSettings& s, const std::string& value) {
  const auto colon = value.rfind(':');
  std::uint64_t port = 0;
  if (colon == std::string::npos || colon == 0 || !number(value.substr(colon + 1), port) || port > 65'535) return false;
  s.http.host = value.substr(0, colon);
  if (s.http.host.size() > 2 && s.http.host.front() == '[' && s.http.host.back() == ']')
    s.http.host = s.http.host.substr(1, s.http.host.size() - 2);
  s.http.port = static_cast<std::uint16_t>(port);
  return true;
}

tl::unexpected<Error> wrong(const std::string& what) { return fail(ErrorCode::invalid_request, what); }

std::string text_of(const toml::node& node) {
  if (const auto* v = node.as_string()) return v->get();
  if (const auto* v = node.as_integer()) return std::to_string(v->get());
  if (const auto* v = node.as_boolean()) return v->get() ? "true" : "false";
  std::string list;
  if (const auto* array = node.as_array()) {
    for (const auto& item : *array) list += (list.empty() ? "" : ",") + text_of(item);
  }
  return list;
}

Result<std::map<std::string, std::string>> read_file(const std::string& path) {
  std::map<std::string, std::string> values;
  if (path.empty()) return values;
  try {
    for (const auto& [key, node] : toml::parse_file(path)) values[std::string(key.str())] = text_of(node);
  } catch (const toml::parse_error& error) {
    return wrong(path + ":" + std::to_string(error.source().begin.line) + ": " + std::string(error.description()));
  }
  return values;
}

}  // namespace

void Settings::add(std::string name, std::string help, std::string expects,
                   std::function<bool(ServeSettings&, const std::string&)> set, std::optional<std::string> group) {
  settings_.push_back({std::move(name), std::move(help), std::move(set), std::move(expects), std::move(group),
                       std::make_shared<std::string>(), nullptr});
}

Settings::Settings() : insecure_(std::make_shared<bool>(false)) {
  add("data", "directory of the store [./data]", "DIR", [](auto& s, auto& v) { return s.engine.data = v, !v.empty(); });
  add("listen", "address and port; port 0 picks a free one [127.0.0.1:8080]", "HOST:PORT", listen);
  add("auth", "none (loopback only) or required (needs HOLDFAST_OPERATOR_KEY) [none]", "none|required",
      choice<http::AuthMode>({{"none", http::AuthMode::none}, {"required", http::AuthMode::required}},
                             [](auto& s, auto v) { s.http.auth = v; }));
  add("durability", "synced: an answer means fsync; buffered: it survives kill -9, not a power cut [synced]",
      "synced|buffered",
      choice<Durability>({{"synced", Durability::synced}, {"buffered", Durability::buffered}},
                         [](auto& s, auto v) { s.engine.durability = v; }));
  add("master_key_file", "32 bytes that seal the vault [DIR/master.key, made with mode 0600]", "FILE",
      [](auto& s, auto& v) { return s.engine.master_key_file = v, !v.empty(); });
  add("log_format", "logs on standard error as text or json [text]", "text|json",
      choice<LogFormat>({{"text", LogFormat::text}, {"json", LogFormat::json}},
                        [](auto& s, auto v) { s.engine.log_format = v; }));
  add("log_level", "debug, info, warn, error or off [info]", "LEVEL",
      choice<LogLevel>({{"debug", LogLevel::debug},
                        {"info", LogLevel::info},
                        {"warn", LogLevel::warn},
                        {"error", LogLevel::error},
                        {"off", LogLevel::off}},
                       [](auto& s, auto v) { s.engine.log_level = v; }));
  add("access_log", "a line in the log for no answer, those from 400 on, or all [off]", "off|errors|all",
      choice<http::AccessLog>(
          {{"off", http::AccessLog::off}, {"errors", http::AccessLog::errors}, {"all", http::AccessLog::all}},
          [](auto& s, auto v) { s.http.access_log = v; }));
  add("io_threads", "threads of the HTTP front [half of the cores, two at least]", "N", [](auto& s, auto& v) {
    std::uint64_t n = 0;
    return number(v, n) && n <= 256 && (s.http.io_threads = static_cast<unsigned>(n), true);
  });
  add("io_spin_us", "how long such a thread looks for work before it sleeps; 0: at once [100]", "US",
      [](auto& s, auto& v) {
        std::uint64_t n = 0;
        return number(v, n) && n <= 10'000 && (s.http.io_spin_us = static_cast<unsigned>(n), true);
      });
  add("backup_directory", "POST /v1/backups, and so `holdfast backup --url`, may write below it [none: refused]", "DIR",
      [](auto& s, auto& v) { return s.http.backup_directory = v, !v.empty(); });
  add("cors_origins", "origins that browsers may call from, separated by commas [none]", "URL,...",
      [](auto& s, auto& v) { return s.http.cors_origins = CLI::detail::split(v, ','), true; });
  add("retry_default_ms", "delays before the next attempts of a failed turn [2000,10000,60000]", "MS,...",
      [](auto& s, auto& v) { return numbers(v, s.engine.limits.retry_default_ms); });
  add("retry_rate_limited_ms", "the same for code rate_limited [15000,45000]", "MS,...",
      [](auto& s, auto& v) { return numbers(v, s.engine.limits.retry_rate_limited_ms); });
  add("retry_unreachable_ms", "the same for code unreachable [5000 twelve times]", "MS,...",
      [](auto& s, auto& v) { return numbers(v, s.engine.limits.retry_unreachable_ms); });
  add("callback_retry_ms", "delays before the next attempts of a callback [60000,120000,240000,480000]", "MS,...",
      [](auto& s, auto& v) { return numbers(v, s.engine.limits.callback_retry_ms); });
  add("egress_allow", "private networks that pushes and callbacks may reach [none]", "CIDR,...",
      [](auto& s, auto& v) { return s.engine.egress_allow = CLI::detail::split(v, ','), true; });
  add("egress_ca_file", "certificates that https targets are checked against [the system's]", "FILE",
      [](auto& s, auto& v) { return s.engine.egress_ca_file = v, !v.empty(); });
  add(
      "fault_control", "for tests: obey the faults that `holdfast torture` writes into this file [none]", "FILE",
      [](auto& s, auto& v) { return s.fault_control = v, !v.empty(); }, kHidden);
  const Limits defaults;
  for (const auto& limit : limit_fields()) {
    add(
        std::string(limit.name), std::string(limit.meaning) + " [" + std::to_string(defaults.*limit.field) + "]", "N",
        [field = limit.field](auto& s, auto& v) { return number(v, s.engine.limits.*field); }, "Limits");
  }
}

void Settings::declare(CLI::App& app) {
  for (auto& setting : settings_) {
    setting.option =
        app.add_option("--" + dashes(setting.name), *setting.flag, setting.help)->type_name(setting.expects);
    if (setting.group) setting.option->group(*setting.group);
  }
  app.add_flag("--insecure", *insecure_, "allow an address that others reach without auth");
}

Result<void> Settings::apply(ServeSettings& into) const {
  into.engine.log_level = LogLevel::info;
  if (*insecure_) into.insecure = ServeSettings::Exposure::anywhere;
  auto file = read_file(into.config_file);
  if (!file) return tl::unexpected(std::move(file.error()));
  for (const auto& setting : settings_) {
    const auto in_file = file->find(setting.name);
    const char* in_environment = std::getenv(variable(setting.name).c_str());
    std::string value;
    std::string source;
    if (setting.option->count() > 0) {
      value = *setting.flag;
      source = "--" + dashes(setting.name);
    } else if (in_environment != nullptr) {
      value = in_environment;
      source = variable(setting.name);
    } else if (in_file != file->end()) {
      value = in_file->second;
      source = into.config_file + ": " + setting.name;
    }
    if (in_file != file->end()) file->erase(in_file);
    if (!source.empty() && !setting.set(into, value))
      return wrong(source + ": \"" + value + "\" is not " + setting.expects);
  }
  if (!file->empty())
    return wrong(into.config_file + ": unknown key \"" + file->begin()->first +
                 "\"; `holdfast serve --help` lists them");
  return {};
}

}  // namespace holdfast::cli
