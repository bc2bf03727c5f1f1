// Text for messages: letters that do not repeat within what a compressor looks at.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace holdfast::bench {

constexpr std::size_t kMessageBytes = 256;

class Letters {
 public:
  explicit Letters(std::uint64_t seed) : random_(seed), pool_(kPool + kMessageBytes, ' ') {
    for (auto& letter : pool_) letter = static_cast<char>('a' + random_() % 26);
  }
  // `size`: at most kMessageBytes.
  std::string_view next(std::size_t size) { return std::string_view(pool_).substr(random_() % kPool, size); }

 private:
  static constexpr std::size_t kPool = std::size_t{1} << 20;
  std::mt19937_64 random_;
  std::string pool_;
};

}  // namespace holdfast::bench
