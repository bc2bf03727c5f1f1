// Services: what every actor in the Router of one engine shares. Owned by the engine; outlives all actors.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>

#include "actors/session/kernel.hpp"
#include "actors/shell/hub.hpp"
#include "actors/shell/offload.hpp"
#include "actors/shell/sockets.hpp"
#include "actors/shell/timers.hpp"
#include "src/core/clock.hpp"
#include "storage/commit_pipeline.hpp"

namespace holdfast::shell {

class Router;

struct Counters {
  std::atomic<std::uint64_t> admitted{0};
  std::atomic<std::uint64_t> replayed{0};
  std::atomic<std::uint64_t> deliveries{0};
  std::atomic<std::uint64_t> completed{0};
  std::atomic<std::uint64_t> pushes{0};
  std::atomic<std::uint64_t> push_failures{0};
  std::atomic<std::uint64_t> callbacks{0};
  std::atomic<std::uint64_t> callback_failures{0};
  std::atomic<std::uint64_t> activations{0};
  std::atomic<std::uint64_t> evictions{0};
  std::atomic<std::uint64_t> retries{0};
  std::atomic<std::uint64_t> dead_letters{0};
  alignas(64) std::atomic<std::uint64_t> handled{0};  // envelopes; by every thread that runs actors
};

struct Services {
  std::uint64_t engine = 0;  // process-wide number of the engine
  Store& store;
  CommitPipeline& pipeline;
  Clock& clock;
  Random& random;
  const Limits& limits;
  const std::map<std::string, ObjectClass, std::less<>>& classes;
  const Vault& vault;
  const Signer& signer;
  std::string store_id;
  Durability durability;
  Hub& hub;
  Timers& timers;
  Offload& offload;
  Sockets& sockets;
  Counters& counters;
  Router* router = nullptr;
  // The drain's ears. Called once the write set that says so is durable, on the thread that made it durable.
  std::function<void(const ObjectId&, const std::optional<session::ReadyMark>&, const session::Terms&)> on_ready;
  std::function<void(const ObjectId&, Time)> on_alarm;
  std::function<void(const keys::Callback&)> on_callback;
  std::function<void(const keys::Mail&)> on_mail;
  std::function<void(const std::string& target)> on_push;  // turns wait to be pushed to this origin; any thread
  std::function<void(const ObjectId&)> on_shredded;
  // Whoever may call back from outside the engine holds it while it does: the engine does not go before it is let go.
  std::shared_ptr<Services*> alive = std::make_shared<Services*>(this);
  // Less than the reserve is left: what grows the store is refused before it is applied.
  [[nodiscard]] bool disk_full() const noexcept { return store.free_bytes() < limits.disk_reserve_bytes; }
  [[nodiscard]] static Error disk_full_error() {
    constexpr std::int64_t kRetryMs = 5'000;
    return {
        ErrorCode::insufficient_storage,
        "the disk is full: what is left is kept for what ends or deletes. Nothing was written. Free some space; the "
        "server goes on by itself",
        {},
        kRetryMs,
        {}};
  }
  // Not even that is left: nothing can be written.
  [[nodiscard]] bool disk_used_up() const noexcept { return store.free_bytes() < Store::kSpareBytes; }
  std::atomic<bool> closing{false};  // handlers may not wait any more
  std::atomic<std::uint64_t> waiters{
      0};  // numbers what handlers wait for, once in a process: a late answer finds nobody
};

}  // namespace holdfast::shell
