// Backups of a store: what to ask for, what there is, how far one has come. Engine::backup makes one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <holdfast/error.hpp>
#include <holdfast/export.hpp>
#include <holdfast/types.hpp>
#include <optional>
#include <string>

namespace holdfast {

// One backup of a directory that holds many. Their tables are shared: a backup adds what the ones before it lack.
struct Backup {
  std::uint64_t id = 0;         // rises with each backup of the directory
  Time began_at = 0;            // it has every write that was acknowledged before
  std::uint64_t bytes = 0;      // of all its files
  std::uint64_t new_bytes = 0;  // of those that it did not share when it was made; 0 in a listing
  std::uint64_t files = 0;
  std::string store;  // the id of the store that it is of
};

struct BackupRequest {
  std::filesystem::path directory;  // is made when it is not there
  std::uint32_t keep = 0;           // how many backups stay, the newest ones; 0: all
  enum class MasterKey : std::uint8_t {
    leave,  // without it nobody can open the secrets in the backup, its owner neither
    copy,   // into the directory, as `master.key` with mode 0600
  } master_key = MasterKey::leave;
};

// The backup that an engine makes now or made last.
struct BackupStatus {
  enum class State : std::uint8_t {
    none,       // since the start
    copying,    // the files that the directory lacks
    verifying,  // reads back all files of the backup
    done,
    failed,
  } state = State::none;
  std::filesystem::path directory;
  Time began_at = 0;
  std::uint64_t done_bytes = 0;  // of this state
  std::uint64_t total_bytes = 0;
  std::optional<Backup> backup;  // done
  std::optional<Error> error;    // failed
};
[[nodiscard]] HOLDFAST_API std::string_view name_of(BackupStatus::State state) noexcept;

[[nodiscard]] HOLDFAST_API Json to_json(const Backup& backup);
[[nodiscard]] HOLDFAST_API Json to_json(const BackupStatus& status);

}  // namespace holdfast
