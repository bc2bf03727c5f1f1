#include "storage/table_file_system.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/codec.hpp"

namespace holdfast {
namespace {

using rocksdb::IOStatus;

constexpr std::string_view kTableSuffix = ".sst";
constexpr std::string_view kProperties = "rocksdb.properties";
// The end of a table: the kind of checksum, where the index of its other parts is, zeros, the version, a number.
constexpr std::size_t kFooterBytes = 53;
constexpr std::string_view kVersionAndMagic{"\5\0\0\0\xf7\xcf\xf4\x85\xb7\x41\xe2\x88", 12};
constexpr std::uint8_t kXxh3 = 4;
// Behind each block: its kind of compression, and the checksum of both.
constexpr std::size_t kChecksumBytes = 4;
constexpr std::size_t kTrailerBytes = 1 + kChecksumBytes;

struct Place {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

std::optional<Place> place_in(Decoder& d) {
  Place place{d.varint(), d.varint()};
  return d.ok() ? std::optional(place) : std::nullopt;
}

// RocksDB's form of XXH3: half of it, and the last byte by itself.
std::uint32_t checksum_of(std::string_view text) {
  constexpr std::uint32_t kFactor = 0x6b9083d9;
  const auto last = static_cast<std::uint8_t>(text.back());
  return static_cast<std::uint32_t>(XXH3_64bits(text.data(), text.size() - 1)) ^ last * kFactor;
}

class Table {
 public:
  Table(const rocksdb::FSRandomAccessFile& file, std::uint64_t size) : file_(file), size_(size) {}

  [[nodiscard]] bool properties_are_damaged() const {
    if (size_ < kFooterBytes) return false;
    const auto footer = read(Place{size_ - kFooterBytes, kFooterBytes});
    if (!footer || !footer->ends_with(kVersionAndMagic) || static_cast<std::uint8_t>(footer->front()) != kXxh3)
      return false;
    Decoder after_kind(std::string_view(*footer).substr(1));
    const auto parts = place_in(after_kind);
    const auto index = parts ? block(*parts) : std::nullopt;
    if (!index || !holds(*index)) return false;
    const auto name = index->find(kProperties);
    if (name == std::string::npos) return false;
    Decoder after_name(std::string_view(*index).substr(name + kProperties.size()));
    const auto properties = place_in(after_name);
    const auto text = properties ? block(*properties) : std::nullopt;
    return text && !holds(*text);
  }

 private:
  // Whole, or nothing.
  [[nodiscard]] std::optional<std::string> read(const Place& place) const {
    if (place.bytes > size_ || place.offset > size_ - place.bytes) return std::nullopt;
    std::string text(place.bytes, '\0');
    rocksdb::Slice got;
    if (!file_.Read(place.offset, text.size(), {}, &got, text.data(), nullptr).ok()) return std::nullopt;
    if (got.size() != text.size()) return std::nullopt;
    return got.ToString();
  }
  [[nodiscard]] std::optional<std::string> block(const Place& place) const {
    if (place.bytes > size_) return std::nullopt;
    return read(Place{place.offset, place.bytes + kTrailerBytes});
  }
  [[nodiscard]] static bool holds(std::string_view block) {
    std::uint32_t stored = 0;
    for (std::size_t i = 0; i < kChecksumBytes; ++i)
      stored |= std::uint32_t{static_cast<std::uint8_t>(block[block.size() - kChecksumBytes + i])} << (8 * i);
    return checksum_of(block.substr(0, block.size() - kChecksumBytes)) == stored;
  }

  const rocksdb::FSRandomAccessFile& file_;
  const std::uint64_t size_;
};

}  // namespace

IOStatus TableFileSystem::NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                              std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                              rocksdb::IODebugContext* debug) {
  auto status = target()->NewRandomAccessFile(path, options, file, debug);
  std::uint64_t size = 0;
  if (!status.ok() || !path.ends_with(kTableSuffix)) return status;
  if (!target()->GetFileSize(path, {}, &size, debug).ok()) return status;
  if (!Table(**file, size).properties_are_damaged()) return status;
  file->reset();
  return IOStatus::Corruption("the properties of a table do not match their checksum", path);
}

}  // namespace holdfast
