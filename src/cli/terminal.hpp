// What the commands show people: colours only on a terminal without NO_COLOR, progress that does not flood a log.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::cli {

enum class Colour { none, red, green, yellow, blue, dim };
// `text` in that colour when standard output is a terminal that wants colours.
[[nodiscard]] std::string paint(Colour colour, std::string_view text);

// A bar on a terminal, redrawn at most ten times a second; elsewhere a line every five seconds. On standard error.
class Progress {
 public:
  Progress(std::string what, std::uint64_t total);
  void at(std::uint64_t done);
  void grow(std::uint64_t total) noexcept { total_ = total; }  // it is more than was thought
  void finish();

 private:
  void draw(std::uint64_t done);
  std::string what_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point drawn_{};
  bool terminal_;
};

}  // namespace holdfast::cli
