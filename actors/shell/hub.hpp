// Hub: tells whoever waits on a session that there is something new to read.
//
// It carries no data: a watcher reads the durable events itself, at its own pace, so a slow reader costs the writer
// nothing. notify() is called once a write set is durable, mostly with nobody watching, which costs one atomic load.
//
// Thread-safety: all members from any thread. A wake never runs concurrently with itself, nor after its Watch is gone.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <holdfast/engine.hpp>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "src/core/ids.hpp"

namespace holdfast::shell {

class Hub {
 public:
  [[nodiscard]] std::unique_ptr<Subscription> watch(const ObjectId& session, std::function<void()> wake);
  void notify(const ObjectId& session);

 private:
  struct Watcher {
    std::recursive_mutex mutex;  // a wake may end its own watch
    std::function<void()> wake;
  };
  class Watch;
  struct Shard {
    std::mutex mutex;
    std::unordered_map<ObjectId, std::vector<std::shared_ptr<Watcher>>> watchers;
  };
  Shard& shard_of(const ObjectId& session) { return shards_[std::hash<ObjectId>{}(session) % shards_.size()]; }

  std::array<Shard, 16> shards_;
  std::atomic<std::uint64_t> watching_{0};
};

}  // namespace holdfast::shell
