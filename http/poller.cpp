#include "http/poller.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace holdfast::http {

Poller::Poller() : descriptor_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
}

Poller::~Poller() { ::close(descriptor_); }

bool Poller::watch(const Socket& socket, Connection& owner) noexcept {
  epoll_event event{};
  event.events = Socket::kEvents;
  event.data.ptr = &owner;
  return ::epoll_ctl(descriptor_, EPOLL_CTL_ADD, socket.descriptor(), &event) == 0;
}

void Poller::forget(const Socket& socket) noexcept {
  (void)::epoll_ctl(descriptor_, EPOLL_CTL_DEL, socket.descriptor(), nullptr);
}

}  // namespace holdfast::http
