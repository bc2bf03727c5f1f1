#include "storage/rocks_errors.hpp"

#include <sys/stat.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace holdfast {
namespace {

constexpr const char* kAfterDamage =
    "It was not opened, because rows that were acknowledged could be missing. Keep a copy of the directory, check the "
    "disk, and restore the latest backup.";

bool says(const rocksdb::Status& status, std::string_view words) {
  return status.ToString().find(words) != std::string::npos;
}

// The process that holds the lock on `file`, from the kernel's list. Opening the file to ask with fcntl would be
// wrong: closing it again drops every lock that this process itself has on it.
std::optional<long> holder_of(const std::filesystem::path& file) {
  struct stat about {};
  if (::stat(file.c_str(), &about) != 0) return std::nullopt;
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    // "1: POSIX  ADVISORY  WRITE 4711 fe:01:131090 0 EOF"
    std::istringstream fields(line);
    std::string number, kind, mode, access, place;
    long pid = 0;
    if (!(fields >> number >> kind >> mode >> access >> pid >> place) || pid <= 0) continue;
    if (place.substr(place.rfind(':') + 1) == std::to_string(about.st_ino)) return pid;
  }
  return std::nullopt;
}

std::string lock_held(const std::filesystem::path& directory) {
  const auto pid = holder_of(directory / "LOCK");
  const std::string who = pid ? "process " + std::to_string(*pid) : std::string("another process");
  return "The store in " + directory.string() + " is open in " + who +
         ". Nothing was changed. Stop that process, or use another data directory.";
}

}  // namespace

tl::unexpected<Error> open_failed(const rocksdb::Status& status, const std::filesystem::path& directory) {
  const std::string place = "The store in " + directory.string();
  if (status.IsIOError() && (says(status, "lock hold") || says(status, "While lock file"))) {
    return fail(ErrorCode::internal, lock_held(directory));
  }
  if (status.IsInvalidArgument() && says(status, "Column families not opened")) {
    return fail(ErrorCode::internal, place +
                                         " has a newer format: it holds column families that this version does not "
                                         "know. Nothing was changed. Start a newer version of holdfast on it.");
  }
  if (status.IsCorruption()) {
    return fail(ErrorCode::internal, place + " is damaged (" + status.ToString() + "). " + kAfterDamage);
  }
  return fail(ErrorCode::internal, place + " cannot be opened (" + status.ToString() +
                                       "). Check the directory's permissions, its disk and the free space.");
}

tl::unexpected<Error> log_damaged(const std::filesystem::path& log, std::uint64_t at) {
  return fail(ErrorCode::internal,
              "The store's log " + log.string() + " is damaged at byte " + std::to_string(at) + ". " + kAfterDamage);
}

tl::unexpected<Error> read_failed(const rocksdb::Status& status) {
  return fail(ErrorCode::internal, "The store could not read (" + status.ToString() + "). Check the disk.");
}

tl::unexpected<Error> no_room(const std::filesystem::path& directory) {
  return fail(ErrorCode::insufficient_storage,
              "The disk of " + directory.string() + " is full; nothing was written. Free some space and retry.");
}

tl::unexpected<Error> write_failed(const rocksdb::Status& status) {
  return fail(ErrorCode::commit_unknown, "The store cannot say whether the write is durable (" + status.ToString() +
                                             "). Retry with the same id when the server has recovered.");
}

}  // namespace holdfast
