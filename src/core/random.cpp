#include "src/core/random.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace holdfast {

std::uint64_t Random::next() {
  std::uint64_t value = 0;
  fill(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

// Small requests are served from a pool of the thread, because each call of libsodium is a system call. Bytes that were
// handed out are erased from it.
void SystemRandom::fill(std::span<std::byte> out) {
  struct Pool {
    std::array<std::byte, 512> bytes{};
    std::size_t left = 0;
  };
  thread_local Pool pool;
  if (out.size() > 64) return randombytes_buf(out.data(), out.size());
  if (pool.left < out.size()) {
    randombytes_buf(pool.bytes.data(), pool.bytes.size());
    pool.left = pool.bytes.size();
  }
  auto* from = pool.bytes.data() + (pool.left - out.size());
  std::memcpy(out.data(), from, out.size());
  sodium_memzero(from, out.size());
  pool.left -= out.size();
}

void SeededRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    z ^= z >> 31;
    const auto n = std::min(out.size(), sizeof z);
    std::memcpy(out.data(), &z, n);
    out = out.subspan(n);
  }
}

}  // namespace holdfast
