// WebhookKeys: the secrets that sign a project's callbacks. The newest signs, and for a while after a rotation those
// before it do too, so that receivers can change over. Sealed in the vault; the first one is made at first use.
//
// Thread-safety: all members from any thread.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "actors/shell/services.hpp"

namespace holdfast::shell {

class WebhookKeys {
 public:
  explicit WebhookKeys(Services& services) : services_(services) {}

  // Reads what is on disk. Errors: internal.
  [[nodiscard]] Result<void> load();
  // Those that sign now, the newest first.
  [[nodiscard]] std::vector<std::string> secrets();
  // Makes a new one; `done` gets it when it is durable.
  void rotate(std::function<void(Result<std::string>)> done);

 private:
  struct Key {
    std::string secret;
    Time until = 0;  // 0: the newest
  };
  using Keys = std::vector<Key>;  // the newest first
  // Puts a new one in front, and hands it to the pipeline. Under making_.
  void make(const std::function<void(Result<std::string>)>& done);
  // The write set that has a new one in front. Under mutex_.
  [[nodiscard]] Result<WriteSet> put_in_front();
  // Forgets keys that a full disk refused. Errors: internal.
  [[nodiscard]] Result<void> see();
  [[nodiscard]] Result<void> look_behind();  // see(), under mutex_
  [[nodiscard]] Result<void> read();         // under mutex_
  [[nodiscard]] bool none();
  [[nodiscard]] std::vector<std::string> signing() const;  // under mutex_

  static constexpr std::size_t kKeys = 8;
  Services& services_;
  // One is made at a time, also while the pipeline has no room. Whoever commits must not wait for that: secrets() takes
  // this lock only if nobody has it.
  std::mutex making_;
  std::mutex mutex_;
  Keys keys_;
  std::string sealed_key_;   // of the vault, for this owner
  std::uint64_t epoch_ = 0;  // of the pipeline, when the keys were what they are
};

}  // namespace holdfast::shell
