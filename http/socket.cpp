#include "http/socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace holdfast::http {
namespace {
bool would_wait() noexcept { return errno == EAGAIN || errno == EWOULDBLOCK; }
}  // namespace

Socket::Moved Socket::receive(std::span<char> into) noexcept {
  ssize_t got = 0;
  do got = ::recv(descriptor_, into.data(), into.size(), MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  if (got == 0) return {Outcome::end, 0};
  if (got < 0) {
    if (!would_wait()) return {Outcome::failed, 0};
    readable_ = false;
    return {Outcome::none, 0};
  }
  const auto bytes = static_cast<std::size_t>(got);
  if (bytes < into.size() && !ended_) readable_ = false;
  return {Outcome::some, bytes};
}

Socket::Moved Socket::send(std::string_view bytes) noexcept {
  ssize_t sent = 0;
  do sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0) return {Outcome::some, static_cast<std::size_t>(sent)};
  if (!would_wait()) return {Outcome::failed, 0};
  writable_ = false;
  return {Outcome::none, 0};
}

void Socket::discard() noexcept {
  constexpr std::size_t kDiscardBytes = 64 << 20;
  (void)::recv(descriptor_, nullptr, kDiscardBytes, MSG_TRUNC | MSG_DONTWAIT);
}

void Socket::no_delay() noexcept {
  const int on = 1;
  (void)::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool Socket::end_sending() noexcept { return ::shutdown(descriptor_, SHUT_WR) == 0; }

void Socket::close() noexcept {
  if (descriptor_ >= 0) ::close(release());
}

}  // namespace holdfast::http
