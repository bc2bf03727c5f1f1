#include "storage/wal_repair.hpp"

#include <fcntl.h>
#include <rocksdb/file_system.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/crc32c.hpp"
#include "storage/rocks_errors.hpp"

namespace holdfast {
namespace {

constexpr std::size_t kBlockBytes = 32768;
constexpr std::size_t kHeaderBytes = 7;
constexpr std::size_t kSectorBytes = 512;

enum Type : std::uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

std::uint32_t masked(std::uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8U; }

bool all_zeros(std::string_view bytes) { return bytes.find_first_not_of('\0') == std::string_view::npos; }

struct Header {
  std::uint32_t crc;
  std::size_t length;
  std::uint8_t type;
};

std::size_t left_in_block(std::size_t at) { return kBlockBytes - at % kBlockBytes; }

// Nothing when `at` is too near to the end of its block or of the log.
std::optional<Header> header_at(std::string_view log, std::size_t at) {
  if (left_in_block(at) < kHeaderBytes || at + kHeaderBytes > log.size()) return std::nullopt;
  const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<std::uint8_t>(log[at + i])}; };
  return Header{byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24, byte(4) | byte(5) << 8,
                static_cast<std::uint8_t>(byte(6))};
}

bool plausible(const Header& header, std::size_t at) {
  return header.type >= kFull && header.type <= kLast && kHeaderBytes + header.length <= left_in_block(at);
}

bool checks_out(std::string_view log, std::size_t at, const Header& header) {
  if (!plausible(header, at) || at + kHeaderBytes + header.length > log.size()) return false;
  return masked(crc32c(log.substr(at + kHeaderBytes - 1, header.length + 1))) == header.crc;  // type and payload
}

struct Walk {
  std::size_t good = 0;    // end of the last complete record
  std::size_t bad = 0;     // first fragment that is not valid here; the log's size when there is none
  bool in_record = false;  // fragments of an incomplete record lie between
};

Walk walk(std::string_view log) {
  Walk state;
  for (std::size_t at = 0; at < log.size();) {
    state.bad = at;
    if (left_in_block(at) < kHeaderBytes) {
      at += left_in_block(at);  // too small for a header: RocksDB leaves it empty
      continue;
    }
    const auto header = header_at(log, at);
    const bool begins = header && (header->type == kFull || header->type == kFirst);
    if (!header || !checks_out(log, at, *header) || begins == state.in_record) return state;
    at += kHeaderBytes + header->length;
    state.in_record = header->type == kFirst || header->type == kMiddle;
    if (!state.in_record) state.good = at;
  }
  state.bad = log.size();
  return state;
}

// At any offset: where the fragments behind a bad place begin is not known.
bool record_begins_in(std::string_view log, std::size_t from) {
  for (std::size_t at = from; at + kHeaderBytes <= log.size(); ++at) {
    const auto type = static_cast<std::uint8_t>(log[at + kHeaderBytes - 1]);
    if (type != kFull && type != kFirst) continue;
    const auto header = header_at(log, at);
    if (header && checks_out(log, at, *header)) return true;
  }
  return false;
}

// One flipped bit in a length moves the fragment's end; the checksum does not cover the length, so it gives it away.
bool length_was_flipped(std::string_view log, std::size_t at) {
  auto header = header_at(log, at);
  if (!header) return false;
  for (int bit = 0; bit < 16; ++bit) {
    Header other = *header;
    other.length ^= std::size_t{1} << bit;
    if (checks_out(log, at, other)) return true;
  }
  return false;
}

// Whether what [from, to) has in one of the sectors that it touches is all zeros.
bool sector_never_written(std::string_view log, std::size_t from, std::size_t to) {
  while (from < to) {
    const std::size_t end = std::min(to, from - from % kSectorBytes + kSectorBytes);
    if (all_zeros(log.substr(from, end - from))) return true;
    from = end;
  }
  return false;
}

bool torn(std::string_view log, const Walk& state) {
  if (record_begins_in(log, state.bad) || length_was_flipped(log, state.bad)) return false;
  const auto header = header_at(log, state.bad);
  const bool known = header && plausible(*header, state.bad);
  const std::size_t promised = state.bad + kHeaderBytes + (known ? header->length : 0);
  if (promised > log.size()) return true;
  const std::size_t content = log.find_last_not_of('\0') + 1;  // not all zeros: see inspect_wal
  return sector_never_written(log, state.bad, std::max(promised, content));
}

class File {
 public:
  explicit File(const std::filesystem::path& path) : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] std::optional<std::string> read() const {
    if (fd_ < 0) return std::nullopt;
    const off_t size = ::lseek(fd_, 0, SEEK_END);
    if (size < 0) return std::nullopt;
    std::string content(static_cast<std::size_t>(size), '\0');
    for (std::size_t at = 0; at < content.size();) {
      const ssize_t n = ::pread(fd_, content.data() + at, content.size() - at, static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return std::nullopt;
      at += static_cast<std::size_t>(n);
    }
    return content;
  }
  [[nodiscard]] bool cut(std::uint64_t size) const {
    return ::ftruncate(fd_, static_cast<off_t>(size)) == 0 && ::fsync(fd_) == 0;
  }

 private:
  int fd_;
};

// The store's lock, for as long as the object lives.
class StoreLock {
 public:
  explicit StoreLock(const std::filesystem::path& directory) {
    status_ = fs_->LockFile((directory / "LOCK").string(), {}, &lock_, nullptr);
  }
  ~StoreLock() {
    if (lock_ != nullptr) fs_->UnlockFile(lock_, {}, nullptr).PermitUncheckedError();
  }
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;
  [[nodiscard]] const rocksdb::Status& status() const noexcept { return status_; }

 private:
  std::shared_ptr<rocksdb::FileSystem> fs_ = rocksdb::FileSystem::Default();
  rocksdb::FileLock* lock_ = nullptr;
  rocksdb::Status status_;
};

struct Log {
  std::uint64_t number;
  std::filesystem::path path;
};

// Newest first.
std::vector<Log> logs_in(const std::filesystem::path& directory) {
  std::vector<Log> logs;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() != ".log") continue;
    const std::string stem = entry.path().stem().string();
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(stem.data(), stem.data() + stem.size(), number);
    if (parsed.ec == std::errc() && parsed.ptr == stem.data() + stem.size()) logs.push_back({number, entry.path()});
  }
  std::sort(logs.begin(), logs.end(), [](const Log& a, const Log& b) { return a.number > b.number; });
  return logs;
}

enum class Newer : std::uint8_t { none, some };  // records in newer logs

Result<WalEnd> repair_one(const std::filesystem::path& path, Newer newer, Logger& logger) {
  const File file(path);
  const auto content = file.read();
  if (!content) {
    return fail(ErrorCode::internal, "The store's log " + path.string() + " cannot be read (" + std::strerror(errno) +
                                         "). Check its permissions and the disk.");
  }
  const WalEnd end = inspect_wal(*content);
  const bool acknowledged = end.kind == WalEnd::Kind::torn && newer == Newer::some;
  if (end.kind == WalEnd::Kind::damaged || acknowledged) return log_damaged(path, end.bad);
  if (end.kind == WalEnd::Kind::whole) return end;
  if (!file.cut(end.good)) {
    return fail(ErrorCode::internal, "The store's log " + path.string() + " cannot be cut (" + std::strerror(errno) +
                                         "). Check its permissions and the disk.");
  }
  if (end.kind == WalEnd::Kind::torn) {
    logger.warn("{}: cut off an incomplete record at byte {}: it was never acknowledged", path.string(), end.good);
  }
  return end;
}

}  // namespace

WalEnd inspect_wal(std::string_view log) noexcept {
  const Walk state = walk(log);
  const auto end = [&](WalEnd::Kind kind) { return WalEnd{kind, state.good, state.bad}; };
  if (state.good == log.size()) return end(WalEnd::Kind::whole);
  if (all_zeros(log.substr(state.good))) return end(WalEnd::Kind::zeros);
  return end(torn(log, state) ? WalEnd::Kind::torn : WalEnd::Kind::damaged);
}

Result<void> repair_wals(const std::filesystem::path& directory, Logger& logger) {
  if (!std::filesystem::exists(directory / "CURRENT")) return {};
  const StoreLock lock(directory);
  if (!lock.status().ok()) return open_failed(lock.status(), directory);
  Newer newer = Newer::none;
  for (const Log& log : logs_in(directory)) {
    const auto end = repair_one(log.path, newer, logger);
    if (!end) return tl::unexpected(end.error());
    if (end->good > 0) newer = Newer::some;
  }
  return {};
}

}  // namespace holdfast
