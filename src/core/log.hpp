// Structured logs to standard error. No secret is ever handed to this file.
#pragma once

#include <spdlog/spdlog.h>

#include <holdfast/options.hpp>
#include <memory>

namespace holdfast {

using Logger = spdlog::logger;

// Text (coloured on a terminal unless NO_COLOR is set) or one JSON object a line.
[[nodiscard]] std::shared_ptr<Logger> make_logger(LogLevel level, LogFormat format);

}  // namespace holdfast
