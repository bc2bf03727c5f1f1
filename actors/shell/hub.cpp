#include "actors/shell/hub.hpp"

#include <algorithm>

namespace holdfast::shell {

class Hub::Watch final : public Subscription {
 public:
  Watch(Hub& hub, ObjectId session, std::shared_ptr<Watcher> watcher)
      : hub_(hub), session_(std::move(session)), watcher_(std::move(watcher)) {}

  ~Watch() override {
    {
      auto& shard = hub_.shard_of(session_);
      const std::lock_guard lock(shard.mutex);
      const auto found = shard.watchers.find(session_);
      if (found != shard.watchers.end()) {
        std::erase(found->second, watcher_);
        if (found->second.empty()) shard.watchers.erase(found);
      }
    }
    hub_.watching_.fetch_sub(1, std::memory_order_relaxed);
    const std::lock_guard lock(watcher_->mutex);  // waits for a wake that runs on another thread
    watcher_->wake = nullptr;
  }

 private:
  Hub& hub_;
  ObjectId session_;
  std::shared_ptr<Watcher> watcher_;
};

std::unique_ptr<Subscription> Hub::watch(const ObjectId& session, std::function<void()> wake) {
  auto watcher = std::make_shared<Watcher>();
  watcher->wake = std::move(wake);
  watching_.fetch_add(1, std::memory_order_seq_cst);
  auto& shard = shard_of(session);
  {
    const std::lock_guard lock(shard.mutex);
    shard.watchers[session].push_back(watcher);
  }
  return std::make_unique<Watch>(*this, session, std::move(watcher));
}

void Hub::notify(const ObjectId& session) {
  if (watching_.load(std::memory_order_seq_cst) == 0) return;
  std::vector<std::shared_ptr<Watcher>> woken;
  {
    auto& shard = shard_of(session);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.watchers.find(session);
    if (found == shard.watchers.end()) return;
    woken = found->second;
  }
  for (const auto& watcher : woken) {
    const std::lock_guard lock(watcher->mutex);
    if (watcher->wake) watcher->wake();
  }
}

}  // namespace holdfast::shell
