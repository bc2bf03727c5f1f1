#include "storage/open.hpp"

#include <system_error>

#include "src/core/ids.hpp"
#include "storage/backup.hpp"
#include "storage/codec.hpp"
#include "storage/rocks_store.hpp"

namespace holdfast {
namespace {

// Keys of Family::system.
constexpr std::string_view kIdentity = "identity";
constexpr std::string_view kFormat = "format";
constexpr std::string_view kClean = "clean";
constexpr std::string_view kKeyCheck = "key_check";

// First in each of these values: the version of its layout.
constexpr std::uint8_t kValueFormat = 1;

std::string encode_text(std::string_view text) {
  std::string value;
  Encoder out(value);
  out.u8(kValueFormat);
  out.bytes(text);
  return value;
}

std::optional<std::string> decode_text(std::string_view value) {
  Decoder in(value);
  const bool known = in.u8() == kValueFormat;
  std::string text = in.text();
  if (!known || !in.done() || text.empty()) return std::nullopt;
  return text;
}

// The one value whose layout never changes: every version must be able to read it.
std::string encode_format(std::uint32_t format) {
  std::string value;
  Encoder(value).varint(format);
  return value;
}

std::optional<std::uint64_t> decode_format(std::string_view value) {
  Decoder in(value);
  const std::uint64_t format = in.varint();
  if (!in.done() || format == 0) return std::nullopt;
  return format;
}

// Buffered, and then synced: a synced write would say that all of this log will be (storage/wal_file_system.hpp), and
// what the pipeline writes need not be.
Result<void> write_synced(Store& store, const WriteSet& writes) {
  const auto batch = store.make_batch();
  batch->append(writes);
  if (auto written = store.write(*batch, Durability::buffered); !written) return written;
  return store.sync();
}

tl::unexpected<Error> damaged(std::string_view key) {
  return fail(ErrorCode::internal, "The store is damaged: its '" + std::string(key) +
                                       "' row is missing or cannot be read. Restore the latest backup.");
}

Result<StoreIdentity> create_identity(Store& store, Time now, Random& random) {
  StoreIdentity identity;
  identity.id = mint_id("str_", now, random);
  identity.created = true;
  WriteSet writes;
  writes.put(Family::system, std::string(kIdentity), encode_text(identity.id));
  writes.put(Family::system, std::string(kFormat), encode_format(identity.format));
  if (auto written = write_synced(store, writes); !written) return tl::unexpected(written.error());
  return identity;
}

Result<void> clear_clean_mark(Store& store) {
  WriteSet writes;
  writes.erase(Family::system, std::string(kClean));
  return write_synced(store, writes);
}

Result<void> make_directory(const std::filesystem::path& directory) {
  std::error_code error;
  const bool created = std::filesystem::create_directories(directory, error);
  if (error) {
    return fail(ErrorCode::internal, "The data directory " + directory.string() + " cannot be made: " +
                                         error.message() + ". Choose another one, or correct its permissions.");
  }
  // Messages are as private as the people who wrote them.
  if (created) std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  return {};
}

}  // namespace

Result<StoreIdentity> identify(Store& store, Time now, Random& random) {
  const auto format_row = store.get(Family::system, kFormat);
  if (!format_row) return tl::unexpected(format_row.error());
  const auto identity_row = store.get(Family::system, kIdentity);
  if (!identity_row) return tl::unexpected(identity_row.error());
  const auto clean_row = store.get(Family::system, kClean);
  if (!clean_row) return tl::unexpected(clean_row.error());

  if (!*format_row && !*identity_row) return create_identity(store, now, random);
  const auto format = *format_row ? decode_format(**format_row) : std::nullopt;
  if (!format) return damaged(kFormat);
  if (*format > kFormatVersion) {
    return fail(ErrorCode::internal, "The store has format " + std::to_string(*format) + "; this version reads up to " +
                                         std::to_string(kFormatVersion) +
                                         ". Nothing was changed. Start a newer version of holdfast on it.");
  }
  auto id = *identity_row ? decode_text(**identity_row) : std::nullopt;
  if (!id) return damaged(kIdentity);

  StoreIdentity identity;
  identity.id = *std::move(id);
  identity.format = static_cast<std::uint32_t>(*format);
  identity.clean = clean_row->has_value();
  if (identity.clean) {
    if (auto cleared = clear_clean_mark(store); !cleared) return tl::unexpected(cleared.error());
  }
  return identity;
}

Result<std::string> store_id(const Store& store) {
  const auto row = store.get(Family::system, kIdentity);
  if (!row) return tl::unexpected(row.error());
  auto id = *row ? decode_text(**row) : std::nullopt;
  if (!id) return damaged(kIdentity);
  return *std::move(id);
}

Result<void> check_master_key(Store& store, std::string_view check) {
  const auto row = store.get(Family::system, kKeyCheck);
  if (!row) return tl::unexpected(row.error());
  if (!*row) {
    WriteSet writes;
    writes.put(Family::system, std::string(kKeyCheck), encode_text(check));
    return write_synced(store, writes);
  }
  const auto known = decode_text(**row);
  if (!known) return damaged(kKeyCheck);
  if (*known == check) return {};
  return fail(
      ErrorCode::invalid_request,
      "This master key does not belong to the store: the secrets in it were sealed with another one. Nothing was "
      "changed. Put the right key file back.");
}

Result<void> mark_clean(Store& store) {
  WriteSet writes;
  writes.put(Family::system, std::string(kClean), std::string(1, static_cast<char>(kValueFormat)));
  return write_synced(store, writes);
}

Result<OpenedStore> open_rocks(const std::filesystem::path& directory, Time now, Random& random, Logger& logger,
                               RocksOpening opening) {
  if (auto made = make_directory(directory); !made) return tl::unexpected(made.error());
  if (std::filesystem::exists(directory / kRestoring)) {
    return fail(ErrorCode::internal, "A restore into " + directory.string() +
                                         " was interrupted, or is under way; there is no store yet. Wait for it, or "
                                         "run `holdfast restore` again.");
  }
  auto store = RocksStore::open(directory, logger, std::move(opening));
  if (!store) return tl::unexpected(store.error());
  auto identity = identify(**store, now, random);
  if (!identity) return tl::unexpected(identity.error());
  return OpenedStore{*std::move(store), *std::move(identity)};
}

}  // namespace holdfast
