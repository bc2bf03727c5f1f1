#pragma once

namespace holdfast::cli {
inline constexpr const char* kVersion = "0.1.0";
}
