// Random: the only source of randomness below the edge, so that a simulation can repeat it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace holdfast {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::byte> out) = 0;
  [[nodiscard]] std::uint64_t next();
};

// libsodium's generator: for secrets, leases and ids. Thread-safe.
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::byte> out) override;
};

// SplitMix64: repeatable, not secret. One thread.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) noexcept : state_(seed) {}
  void fill(std::span<std::byte> out) override;

 private:
  std::uint64_t state_;
};

}  // namespace holdfast
