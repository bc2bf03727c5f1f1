#include "src/core/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <cstdlib>

#include "src/core/json.hpp"

namespace holdfast {
namespace {

// One JSON object a line: {"at":"...","level":"...","message":"..."}.
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    using std::chrono::duration_cast;
    const auto at = duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch()).count();
    const auto level = spdlog::level::to_string_view(message.level);
    std::string line;
    json::ObjectWriter(line)
        .time("at", at)
        .text("level", std::string_view(level.data(), level.size()))
        .text("message", std::string_view(message.payload.data(), message.payload.size()))
        .end();
    line += '\n';
    out.append(line.data(), line.data() + line.size());
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warn: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
    case LogLevel::off: break;
  }
  return spdlog::level::off;
}

}  // namespace

std::shared_ptr<Logger> make_logger(LogLevel level, LogFormat format) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  const bool coloured = format == LogFormat::text && ::isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  if (coloured) sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>();
  else sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<Logger>("holdfast", std::move(sink));
  if (format == LogFormat::json) logger->set_formatter(std::make_unique<JsonFormatter>());
  else logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v", spdlog::pattern_time_type::utc);
  logger->set_level(level_of(level));
  logger->flush_on(spdlog::level::info);
  return logger;
}

}  // namespace holdfast
