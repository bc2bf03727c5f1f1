// Socket: the descriptor of one connected client, and what the Poller said of it.
//
// Nothing here waits. A socket is read again only when the Poller has said that something came since it was empty:
// fewer bytes than there was room for mean that it is. Once the other side has ended, or failed, it is read to its end.
// One thread.
#pragma once

#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace holdfast::http {

class Socket {
 public:
  explicit Socket(int descriptor) noexcept : descriptor_(descriptor) {}
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept : descriptor_(other.release()) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  Socket& operator=(Socket&&) = delete;

  enum class Outcome : std::uint8_t {
    some,
    none,  // nothing now: the Poller tells when to try again
    end,   // of what the other side sends
    failed,
  };
  struct Moved {
    Outcome outcome = Outcome::none;
    std::size_t bytes = 0;
  };
  [[nodiscard]] Moved receive(std::span<char> into) noexcept;
  [[nodiscard]] Moved send(std::string_view bytes) noexcept;
  // Throws away what has come, without a copy.
  void discard() noexcept;
  // Answers leave at once, however small.
  void no_delay() noexcept;
  // False when it has failed already.
  [[nodiscard]] bool end_sending() noexcept;
  void close() noexcept;
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] int release() noexcept { return std::exchange(descriptor_, -1); }

  static constexpr std::uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  void on_events(std::uint32_t events) noexcept {
    failed_ = failed_ || (events & (EPOLLHUP | EPOLLERR)) != 0;
    ended_ = ended_ || failed_ || (events & EPOLLRDHUP) != 0;
    readable_ = readable_ || ended_ || (events & EPOLLIN) != 0;
    writable_ = writable_ || failed_ || (events & EPOLLOUT) != 0;
  }
  [[nodiscard]] bool readable() const noexcept { return readable_; }
  [[nodiscard]] bool writable() const noexcept { return writable_; }
  // Neither direction is of use any more.
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  int descriptor_;
  bool readable_ = false;
  bool writable_ = true;
  bool ended_ = false;
  bool failed_ = false;
};

}  // namespace holdfast::http
