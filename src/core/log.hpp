// Structured logs to standard error. No secret is ever handed to this file.
#pragma once

#include <spdlog/spdlog.h>

#include <holdfast/options.hpp>
#include <memory>
#include <span>
#include <string_view>
#include <variant>

namespace holdfast {

using Logger = spdlog::logger;

// What a line says beside its message: a member of the JSON object, or ` name=value` behind the text.
struct LogField {
  std::string_view name;
  std::variant<std::string_view, std::uint64_t> value;
};
// Logs `message` with `fields`, at level info.
void log_fields(Logger& logger, std::string_view message, std::span<const LogField> fields);

// Text (coloured on a terminal unless NO_COLOR is set) or one JSON object a line.
[[nodiscard]] std::shared_ptr<Logger> make_logger(LogLevel level, LogFormat format);

}  // namespace holdfast
