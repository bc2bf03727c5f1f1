#include "src/core/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "src/core/json.hpp"

namespace holdfast {
namespace {

// The fields of the line that this thread logs right now: the sinks format on the calling thread.
thread_local std::span<const LogField> t_fields;

// A value in text is quoted when it would not read as one word.
void append_text(std::string& out, const LogField& field) {
  out += ' ';
  out += field.name;
  out += '=';
  if (const auto* number = std::get_if<std::uint64_t>(&field.value)) return json::append_number(out, *number);
  const auto text = std::get<std::string_view>(field.value);
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 127 && c != '"' && c != '\\' && c != '=';
  });
  if (plain) out += text;
  else json::append_string(out, text);
}

class FieldsFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg&, const std::tm&, spdlog::memory_buf_t& out) override {
    std::string text;
    for (const auto& field : t_fields) append_text(text, field);
    out.append(text.data(), text.data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<FieldsFlag>();
  }
};

std::unique_ptr<spdlog::formatter> text_formatter() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<FieldsFlag>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v%*");
  return formatter;
}

// One JSON object a line: {"at":"...","level":"...","message":"..."}, and the fields.
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    using std::chrono::duration_cast;
    const auto at = duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch()).count();
    const auto level = spdlog::level::to_string_view(message.level);
    std::string line;
    json::ObjectWriter o(line);
    o.time("at", at)
        .text("level", std::string_view(level.data(), level.size()))
        .text("message", std::string_view(message.payload.data(), message.payload.size()));
    for (const auto& field : t_fields) {
      if (const auto* number = std::get_if<std::uint64_t>(&field.value)) o.number(field.name, *number);
      else o.text(field.name, std::get<std::string_view>(field.value));
    }
    o.end();
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

void log_fields(Logger& logger, std::string_view message, std::span<const LogField> fields) {
  t_fields = fields;
  logger.log(spdlog::level::info, spdlog::string_view_t(message.data(), message.size()));
  t_fields = {};
}

std::shared_ptr<Logger> make_logger(LogLevel level, LogFormat format) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  const bool coloured = format == LogFormat::text && ::isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  if (coloured) sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>();
  else sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<Logger>("holdfast", std::move(sink));
  if (format == LogFormat::json) logger->set_formatter(std::make_unique<JsonFormatter>());
  else logger->set_formatter(text_formatter());
  logger->set_level(level_of(level));
  logger->flush_on(spdlog::level::info);
  return logger;
}

}  // namespace holdfast
