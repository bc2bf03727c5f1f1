// Any bytes as the configuration of `holdfast serve`: refused with a sentence that names where, or read to the same
// settings each time. It never throws.
//
// The input is parts that a line of `%` ends: the TOML file, then flags, one a line, then environment variables,
// NAME=value, one a line.
#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "src/cli/settings.hpp"
#include "src/core/check.hpp"

using namespace holdfast;

namespace {

// A file that only this process has, under a name.
class MemoryFile {
 public:
  MemoryFile() : fd_(::memfd_create("holdfast.toml", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(fd_)) {}
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  void write(std::string_view text) const {
    HOLDFAST_CHECK(::pwrite(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  int fd_;
  std::string path_;
};

std::string_view part_of(std::string_view& rest) {
  const auto end = rest.find("\n%\n");
  const auto part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 3);
  return part;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!line.empty() && line.find('\0') == std::string_view::npos) lines.emplace_back(line);
  }
  return lines;
}

// Sets variables of ours for as long as it lives.
class Environment {
 public:
  explicit Environment(std::vector<std::string> lines) {
    for (const auto& line : lines) {
      const auto equals = line.find('=');
      if (!line.starts_with("HOLDFAST_") || equals == std::string::npos) continue;
      names_.push_back(line.substr(0, equals));
      ::setenv(names_.back().c_str(), line.c_str() + equals + 1, 1);
    }
  }
  ~Environment() {
    for (const auto& name : names_) ::unsetenv(name.c_str());
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::vector<std::string> names_;
};

Result<cli::ServeSettings> read(const std::string& file, std::vector<std::string> flags) {
  cli::Settings settings;
  CLI::App app;
  settings.declare(app);
  cli::ServeSettings into;
  into.config_file = file;
  std::reverse(flags.begin(), flags.end());  // as CLI11 takes a vector
  try {
    app.parse(flags);
  } catch (const CLI::ParseError& error) {
    return fail(ErrorCode::invalid_request, error.what());
  }
  if (auto ok = settings.apply(into); !ok) return tl::unexpected(std::move(ok.error()));
  return into;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const MemoryFile file;
  file.write(part_of(rest));
  const auto flags = lines_of(part_of(rest));
  const Environment environment(lines_of(rest));
  const auto once = read(file.path(), flags);
  if (!once) {
    HOLDFAST_CHECK(once.error().code == ErrorCode::invalid_request && !once.error().detail.empty());
    return 0;
  }
  const auto twice = read(file.path(), flags);
  HOLDFAST_CHECK(twice.has_value());
  for (const auto& limit : limit_fields())
    HOLDFAST_CHECK(once->engine.limits.*limit.field == twice->engine.limits.*limit.field);
  HOLDFAST_CHECK(once->http.host == twice->http.host && once->http.port == twice->http.port);
  HOLDFAST_CHECK(!once->http.host.empty() && !once->engine.data.empty());
  return 0;
}
