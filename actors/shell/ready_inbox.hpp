// ReadyInbox: the door of the dispatcher, where commits leave which sessions became ready or ceased to be.
//
// The commit writer pays a short lock for it. The dispatcher is woken only for what is to be pushed, when a claim
// waits, or when much has piled up; otherwise the next claim takes it all in. No news is lost between the two: the
// dispatcher says that claims wait before it looks for the last time, and a commit leaves its news before it asks
// whether they do.
//
// Thread-safety: all members from any thread.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "actors/shell/ready_window.hpp"

namespace holdfast::shell {

class ReadyInbox {
 public:
  struct News {
    ReadySession session;
    enum class Kind : std::uint8_t { ready, unready } kind = Kind::ready;
  };

  // True when the dispatcher must be told to look.
  [[nodiscard]] bool put(News news) {
    std::size_t pile = 0;
    const bool push = !news.session.terms.target.empty();
    {
      const std::lock_guard lock(mutex_);
      news_.push_back(std::move(news));
      pile = news_.size();
    }
    return push || claims_wait_.load(std::memory_order_seq_cst) || pile % kPile == 0;
  }

  // In the order of their commits.
  [[nodiscard]] std::vector<News> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(news_, {});
  }

  void claims_wait(bool some) noexcept { claims_wait_.store(some, std::memory_order_seq_cst); }

 private:
  static constexpr std::size_t kPile = 1'024;
  std::mutex mutex_;
  std::vector<News> news_;
  std::atomic<bool> claims_wait_{false};
};

}  // namespace holdfast::shell
