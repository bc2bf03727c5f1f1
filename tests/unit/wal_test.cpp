// The end of a write-ahead log: what a crash leaves there against what only damage leaves.
#include <catch2/catch.hpp>
#include <string>

#include "src/core/random.hpp"
#include "storage/crc32c.hpp"
#include "storage/wal_repair.hpp"

namespace holdfast {
namespace {

using Kind = WalEnd::Kind;
constexpr std::size_t kBlock = 32768;
constexpr std::size_t kHeader = 7;
constexpr std::size_t kSector = 512;

void append_fragment(std::string& log, char type, std::string_view payload) {
  std::string body(1, type);
  body += payload;
  const std::uint32_t crc = crc32c(body);
  const std::uint32_t masked = (crc >> 15 | crc << 17) + 0xa282ead8U;
  for (int shift = 0; shift < 32; shift += 8) log += static_cast<char>(masked >> shift);
  log += static_cast<char>(payload.size());
  log += static_cast<char>(payload.size() >> 8);
  log += body;
}

// As RocksDB's log writer does it.
void append_record(std::string& log, std::string_view payload) {
  bool first = true;
  do {
    const std::size_t left = kBlock - log.size() % kBlock;
    if (left < kHeader) {
      log.append(left, '\0');
      continue;
    }
    const auto piece = payload.substr(0, left - kHeader);
    const bool last = piece.size() == payload.size();
    append_fragment(log, static_cast<char>(first ? (last ? 1 : 2) : (last ? 4 : 3)), piece);
    payload.remove_prefix(piece.size());
    first = false;
    if (last) return;
  } while (true);
}

std::string noise(Random& random, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>('a' + random.next() % 26);
  return text;
}

struct Sample {
  std::string log;
  std::size_t last = 0;  // where the last record begins
};

Sample sample(Random& random, std::size_t last_bytes) {
  Sample s;
  for (int i = 0; i < 8; ++i) append_record(s.log, noise(random, 1 + random.next() % 9000));
  s.last = s.log.size();
  append_record(s.log, noise(random, last_bytes));
  return s;
}

}  // namespace

TEST_CASE("wal: crc32c has the check value of RFC 3720 and continues") {
  CHECK(crc32c("123456789") == 0xe3069283U);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aaU);
  CHECK(crc32c("6789", crc32c("12345")) == 0xe3069283U);
}

TEST_CASE("wal: a log that ends with a record is whole") {
  SeededRandom random(1);
  CHECK(inspect_wal("").kind == Kind::whole);
  for (const std::size_t bytes : {1, 400, 40'000, 200'000}) {
    const Sample s = sample(random, bytes);
    const WalEnd end = inspect_wal(s.log);
    CHECK(end.kind == Kind::whole);
    CHECK(end.good == s.log.size());
  }
}

TEST_CASE("wal: zeros behind the last record are cut off") {
  SeededRandom random(2);
  const Sample s = sample(random, 400);
  for (const std::size_t zeros : {1, 6, 7, 511, 512, 100'000}) {
    const WalEnd end = inspect_wal(s.log + std::string(zeros, '\0'));
    CHECK(end.kind == Kind::zeros);
    CHECK(end.good == s.log.size());
  }
  CHECK(inspect_wal(std::string(kBlock, '\0')).good == 0);
}

TEST_CASE("wal: a file that ends inside its last record is torn there") {
  SeededRandom random(3);
  for (const std::size_t bytes : {1, 400, 70'000}) {
    const Sample s = sample(random, bytes);
    for (int i = 0; i < 200; ++i) {
      const std::size_t keep = s.last + 1 + random.next() % (s.log.size() - s.last - 1);
      const WalEnd end = inspect_wal(std::string_view(s.log).substr(0, keep));
      CAPTURE(bytes, keep);
      // What is left may be only the empty rest of a block.
      CHECK((end.kind == Kind::torn || end.kind == Kind::zeros));
      CHECK(end.good == s.last);
    }
  }
}

TEST_CASE("wal: a last record with sectors that were never written is torn there") {
  SeededRandom random(4);
  int torn = 0;
  for (int seed = 0; seed < 400; ++seed) {
    const Sample s = sample(random, 1 + random.next() % 40'000);
    std::string log = s.log + std::string(50'000, '\0');
    const std::size_t first = s.last / kSector;
    const std::size_t sectors = (s.log.size() - 1) / kSector - first + 1;
    for (std::size_t lost = 0, n = 1 + random.next() % sectors; lost < n; ++lost) {
      const std::size_t begin = (first + random.next() % sectors) * kSector;
      for (std::size_t at = std::max(begin, s.last); at < std::min(begin + kSector, s.log.size()); ++at) log[at] = '\0';
    }
    const WalEnd end = inspect_wal(log);
    CAPTURE(seed, s.last, s.log.size());
    CHECK((end.kind == Kind::torn || end.kind == Kind::zeros));
    CHECK(end.good == s.last);
    torn += end.kind == Kind::torn ? 1 : 0;
  }
  CHECK(torn > 200);
}

TEST_CASE("wal: a flipped bit is damage, wherever it is") {
  SeededRandom random(5);
  for (const std::size_t zeros : {0, 50'000}) {
    const Sample s = sample(random, 3'000);
    for (int i = 0; i < 2'000; ++i) {
      std::string log = s.log + std::string(zeros, '\0');
      const std::size_t at = random.next() % s.log.size();
      log[at] = static_cast<char>(log[at] ^ 1 << random.next() % 8);
      CAPTURE(zeros, at, s.last);
      CHECK(inspect_wal(log).kind == Kind::damaged);
    }
    for (std::size_t bit = 0; bit < kHeader * 8; ++bit) {  // of the last record's header
      std::string log = s.log + std::string(zeros, '\0');
      log[s.last + bit / 8] = static_cast<char>(log[s.last + bit / 8] ^ 1 << bit % 8);
      CAPTURE(zeros, bit);
      CHECK(inspect_wal(log).kind == Kind::damaged);
    }
  }
}

TEST_CASE("wal: a lost sector with a record behind it is damage") {
  SeededRandom random(6);
  for (int i = 0; i < 200; ++i) {
    const Sample s = sample(random, 400);
    std::string log = s.log + std::string(50'000, '\0');
    const std::size_t begin = random.next() % (s.last / kSector) * kSector;
    log.replace(begin, kSector, kSector, '\0');
    CAPTURE(i, begin, s.last);
    CHECK(inspect_wal(log).kind == Kind::damaged);
  }
}

}  // namespace holdfast
