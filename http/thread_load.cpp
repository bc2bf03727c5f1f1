#include "http/thread_load.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace holdfast::http {

ThreadLoad::~ThreadLoad() {
  if (file_ >= 0) ::close(file_);
}

void ThreadLoad::look(std::int64_t now_ms) {
  if (!opened_) {
    opened_ = true;
    file_ = ::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  }
  if (file_ < 0) return;
  std::array<char, 128> text{};  // "<ran ns> <waited ns> <slices>"
  const auto size = ::pread(file_, text.data(), text.size(), 0);
  if (size <= 0) return;
  const char* const end = text.data() + size;
  std::uint64_t ran = 0;
  std::uint64_t waited = 0;
  const auto first = std::from_chars(text.data(), end, ran);
  if (first.ec != std::errc{} || first.ptr == end) return;
  if (std::from_chars(first.ptr + 1, end, waited).ec != std::errc{}) return;
  const std::uint64_t wanted = ran + waited - std::min(ran + waited, idled_ns_);
  if (looked_at_ms_ != 0)
    saturated_ = saturates(wanted - std::min(wanted, wanted_ns_), now_ms - looked_at_ms_, percent_);
  wanted_ns_ = wanted;
  looked_at_ms_ = now_ms;
}

}  // namespace holdfast::http
