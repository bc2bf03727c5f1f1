// A store that no server uses, opened by a command: no actor runs on it, no alarm rings, nothing is sent.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "src/core/log.hpp"
#include "storage/open.hpp"

namespace holdfast::cli {

class OfflineStore {
 public:
  // Errors: invalid_request (there is no store), internal (in use, damaged, newer), as Engine::open.
  [[nodiscard]] static Result<std::unique_ptr<OfflineStore>> open(const std::filesystem::path& data);
  ~OfflineStore();  // leaves the clean-shutdown mark as it was

  [[nodiscard]] Store& store() noexcept { return *store_; }
  [[nodiscard]] const StoreIdentity& identity() const noexcept { return identity_; }

 private:
  OfflineStore() = default;
  std::shared_ptr<Logger> logger_;
  std::unique_ptr<Store> store_;
  StoreIdentity identity_;
};

// "1.5 MiB".
[[nodiscard]] std::string show_bytes(std::uint64_t bytes);
// The exit code of a command that this error ended.
[[nodiscard]] int exit_of(const Error& error);

}  // namespace holdfast::cli
