// Poller: which of a thread's connections have something to read, or room for what they could not send.
//
// Each is told of once a change (edge-triggered), so a socket that is read as its client asks costs no call beside the
// read itself; many that are ready come with one call. The thread's event loop sleeps on native_handle(), and asks here
// when it is awake.
//
// Concurrency: one thread. What is watched outlives its descriptor.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>

#include "http/socket.hpp"

namespace holdfast::http {

class Connection;

class Poller {
 public:
  Poller();  // throws std::system_error when there is no descriptor left
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // False when the kernel has no room for it. Closing the socket ends it.
  [[nodiscard]] bool watch(const Socket& socket, Connection& owner) noexcept;
  void forget(const Socket& socket) noexcept;
  // Calls `visit(owner, events)` for what has changed; it must not end an owner.
  template <class Visit>
  void poll(const Visit& visit) {
    const int ready = ::epoll_wait(descriptor_, events_.data(), static_cast<int>(events_.size()), 0);
    for (int i = 0; i < ready; ++i) {
      const auto& event = events_[static_cast<std::size_t>(i)];
      visit(*static_cast<Connection*>(event.data.ptr), event.events);
    }
  }
  [[nodiscard]] int native_handle() const noexcept { return descriptor_; }

 private:
  static constexpr std::size_t kEventsMax = 128;  // more come with the next call
  int descriptor_;
  std::array<epoll_event, kEventsMax> events_;
};

}  // namespace holdfast::http
