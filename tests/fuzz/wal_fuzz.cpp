// Any bytes as a write-ahead log, and logs that a writer made and something damaged. Whatever is cut off, no complete
// record lies behind the cut; and what is left is whole.
//
// Input that begins with an even byte is a log as it is. Otherwise it is orders: lengths of records to write, then what
// happens to the log: it is cut, a byte of it changes, sectors of it read as zeros.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "src/core/check.hpp"
#include "storage/crc32c.hpp"
#include "storage/wal_repair.hpp"

using namespace holdfast;

namespace {

using Kind = WalEnd::Kind;
constexpr std::size_t kBlock = 32768;
constexpr std::size_t kHeader = 7;
constexpr std::size_t kSector = 512;
enum Type : std::uint8_t { kFull = 1, kFirst, kMiddle, kLast };

std::uint32_t crc_of(std::string_view type_and_payload) {
  const auto crc = crc32c(type_and_payload);
  return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

void append_fragment(std::string& log, Type type, std::string_view payload) {
  std::string body(1, static_cast<char>(type));
  body += payload;
  const auto crc = crc_of(body);
  for (int shift = 0; shift < 32; shift += 8) log += static_cast<char>(crc >> shift);
  log += static_cast<char>(payload.size());
  log += static_cast<char>(payload.size() >> 8);
  log += body;
}

// As RocksDB's log writer does it.
void append_record(std::string& log, std::string_view payload) {
  for (bool first = true;; first = false) {
    auto left = kBlock - log.size() % kBlock;
    if (left < kHeader) {
      log.append(left, '\0');
      left = kBlock;
    }
    const auto piece = payload.substr(0, left - kHeader);
    const bool last = piece.size() == payload.size();
    append_fragment(log, first ? (last ? kFull : kFirst) : (last ? kLast : kMiddle), piece);
    payload.remove_prefix(piece.size());
    if (last) return;
  }
}

// A record in one fragment, or the beginning of a longer one, that checks out at `at`.
bool record_at(std::string_view log, std::size_t at) {
  if (at + kHeader > log.size()) return false;
  const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<std::uint8_t>(log[at + i])}; };
  const auto length = byte(4) | byte(5) << 8;
  const auto type = byte(6);
  if ((type != kFull && type != kFirst) || kHeader + length > kBlock - at % kBlock) return false;
  if (at + kHeader + length > log.size()) return false;
  return crc_of(log.substr(at + kHeader - 1, length + 1)) == (byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24);
}

void check(const std::string& log) {
  const auto end = inspect_wal(log);
  HOLDFAST_CHECK(end.good <= log.size() && end.bad <= log.size() && end.good <= end.bad);
  HOLDFAST_CHECK((end.kind == Kind::whole) == (end.good == log.size()));
  if (end.kind == Kind::damaged) return;
  const std::string_view left(log.data(), end.good);
  const auto again = inspect_wal(left);
  HOLDFAST_CHECK(again.kind == Kind::whole && again.good == end.good);
  // What lies between `good` and `bad` are fragments of the one record that is incomplete.
  for (std::size_t at = end.bad; at + kHeader <= log.size(); ++at) HOLDFAST_CHECK(!record_at(log, at));
}

class Orders {
 public:
  Orders(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  [[nodiscard]] bool done() const noexcept { return size_ == 0; }
  std::size_t byte() noexcept {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::size_t number() noexcept {
    const auto high = byte();
    return high << 8 | byte();
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

// A log of whole records that was never damaged is whole; cut anywhere, it keeps every record before the cut.
void run(Orders orders) {
  std::string log;
  std::vector<std::size_t> ends{0};
  for (auto records = orders.byte() % 8; records > 0; --records) {
    const auto length = orders.number();
    append_record(log, std::string(length, static_cast<char>('a' + length % 26)));
    ends.push_back(log.size());
  }
  const auto whole = inspect_wal(log);
  HOLDFAST_CHECK(whole.kind == Kind::whole && whole.good == log.size());
  if (log.empty()) return;
  if (orders.byte() % 2 == 0) {
    auto cut = (orders.number() << 8 | orders.byte()) % (log.size() + 1);
    const auto zeros = orders.number();  // the size was ahead of the content, of which whole sectors are missing
    if (zeros != 0) cut -= cut % kSector;
    std::size_t before = 0;
    for (const auto e : ends)
      if (e <= cut) before = e;
    std::string torn = log.substr(0, cut);
    torn.append(zeros, '\0');
    const auto end = inspect_wal(torn);
    HOLDFAST_CHECK(end.kind == Kind::whole || end.kind == Kind::zeros || end.kind == Kind::torn);
    HOLDFAST_CHECK(end.good == before);
    return check(torn);
  }
  while (!orders.done()) {
    const auto at = (orders.number() << 8 | orders.byte()) % log.size();
    const auto how = orders.byte();
    if (how == 0) {
      const auto from = at - at % kSector;
      for (std::size_t i = from; i < std::min(from + kSector, log.size()); ++i) log[i] = '\0';
    } else {
      log[at] = static_cast<char>(log[at] ^ how);
    }
    check(log);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  if (*data % 2 == 0) check(std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
  else run(Orders(data + 1, size - 1));
  return 0;
}
