#include "src/cli/terminal.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace holdfast::cli {

std::string paint(Colour colour, std::string_view text) {
  static const bool coloured = ::isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  const char* code = "";
  switch (colour) {
    case Colour::none: break;
    case Colour::red: code = "31"; break;
    case Colour::green: code = "32"; break;
    case Colour::yellow: code = "33"; break;
    case Colour::blue: code = "34"; break;
    case Colour::dim: code = "2"; break;
  }
  if (!coloured || *code == '\0') return std::string(text);
  return "\033[" + std::string(code) + "m" + std::string(text) + "\033[0m";
}

Progress::Progress(std::string what, std::uint64_t total)
    : what_(std::move(what)), total_(std::max<std::uint64_t>(total, 1)), terminal_(::isatty(STDERR_FILENO) != 0) {}

void Progress::at(std::uint64_t done) {
  done_ = done;
  const auto now = std::chrono::steady_clock::now();
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5'000);
  if (now - drawn_ < pause) return;
  if (!terminal_ && drawn_ == std::chrono::steady_clock::time_point{}) {
    drawn_ = now;  // nothing to tell yet
    return;
  }
  drawn_ = now;
  draw(done);
}

void Progress::finish() {
  if (terminal_) {
    draw(done_);
    std::fputc('\n', stderr);
  }
}

void Progress::draw(std::uint64_t done) {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(total_ - std::min(done, total_)) / rate : 0;
  constexpr int kWidth = 30;
  const int filled = static_cast<int>(part * kWidth);
  const std::string bar =
      std::string(static_cast<std::size_t>(filled), '#') + std::string(static_cast<std::size_t>(kWidth - filled), '.');
  std::fprintf(stderr,
               terminal_ ? "\r%s [%s] %3.0f %%  %llu/%llu  %.0f/s  %.0f s left  "
                         : "%s [%s] %3.0f %%  %llu/%llu  %.0f/s  %.0f s left\n",
               what_.c_str(), bar.c_str(), part * 100, static_cast<unsigned long long>(done),
               static_cast<unsigned long long>(total_), rate, left);
}

}  // namespace holdfast::cli
