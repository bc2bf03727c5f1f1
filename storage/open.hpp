// Opening a data directory: lock, format version, identity, clean-shutdown mark.
#pragma once

#include <filesystem>
#include <holdfast/error.hpp>
#include <holdfast/types.hpp>
#include <memory>
#include <string>

#include "src/core/log.hpp"
#include "src/core/random.hpp"
#include "storage/rocks_store.hpp"

namespace holdfast {

inline constexpr std::uint32_t kFormatVersion = 1;

struct StoreIdentity {
  std::string id;  // "str_" + UUIDv7 hex, made when the store was created
  std::uint32_t format = kFormatVersion;
  bool clean = true;  // the last process marked a clean shutdown (or the store is new)
  bool created = false;
};

struct OpenedStore {
  std::unique_ptr<Store> store;
  StoreIdentity identity;
};

// Errors: `internal`, with a detail that names what was refused (lock held by another process, corruption, a newer
// format, a directory that cannot be written) and what to do next.
[[nodiscard]] Result<OpenedStore> open_rocks(const std::filesystem::path& directory, Time now, Random& random,
                                             Logger& logger, RocksOpening opening = {});
// Reads or writes the identity of any store; clears the clean-shutdown mark. Errors as above.
[[nodiscard]] Result<StoreIdentity> identify(Store& store, Time now, Random& random);
// The id of a store, without writing anything. Errors: internal.
[[nodiscard]] Result<std::string> store_id(const Store& store);
// Binds the store to its master key the first time, and from then on refuses any other: what `check` is, is written
// down once. Errors: invalid_request with what to do; nothing was changed.
[[nodiscard]] Result<void> check_master_key(Store& store, std::string_view check);
// The last write of a graceful shutdown.
[[nodiscard]] Result<void> mark_clean(Store& store);

}  // namespace holdfast
