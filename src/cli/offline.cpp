#include "src/cli/offline.hpp"

#include <array>
#include <cstdio>

#include "src/cli/cli.hpp"
#include "src/core/clock.hpp"

namespace holdfast::cli {

Result<std::unique_ptr<OfflineStore>> OfflineStore::open(const std::filesystem::path& data) {
  if (!std::filesystem::exists(data / "CURRENT") && !std::filesystem::exists(data / ".restoring"))
    return fail(ErrorCode::invalid_request,
                "there is no store in " + data.string() + "; name its directory with --data");
  std::unique_ptr<OfflineStore> offline(new OfflineStore);
  offline->logger_ = make_logger(LogLevel::warn, LogFormat::text);
  SystemRandom random;
  auto opened = open_rocks(data, SystemClock().now(), random, *offline->logger_);
  if (!opened) return tl::unexpected(std::move(opened.error()));
  offline->store_ = std::move(opened->store);
  offline->identity_ = std::move(opened->identity);
  return offline;
}

OfflineStore::~OfflineStore() {
  if (store_ && identity_.clean) (void)mark_clean(*store_);  // without the mark the next start looks more closely
}

std::string show_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1'024 && unit + 1 < kUnits.size(); ++unit) value /= 1'024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

int exit_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::invalid_request:
    case ErrorCode::not_found: return kUsage;
    case ErrorCode::conflict:
    case ErrorCode::shutting_down: return kRefused;
    default: return kStore;
  }
}

}  // namespace holdfast::cli
