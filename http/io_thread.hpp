// IoThread: one thread, one event loop, and the connections that live on it for good.
//
// A round of the loop answers what the engine has made durable, lets connections go on that the Poller names, and runs
// what Asio has: timers, WebSockets, what other threads post. With nothing to do it sleeps in Asio, which watches the
// Poller as well.
//
// Everything of a connection happens on its thread, so nothing of it is locked. Other threads (an engine's completion)
// hand in a Task: a list under a mutex, and one wake-up for all tasks that come before the thread looks. Most answers
// come through the thread's own CompletionQueue, which makes tasks of them here, without a lock. Deadlines have
// no timers of their own: one coarse tick visits every peer, so a deadline is met up to a tick late.
//
// Lifetime: connections and calls in the air share ownership, so a completion that comes after stop() finds a thread
// that drops it. Scratch buffers (`json`, `answer`) are for code that runs on the thread and does not wait.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "http/answer.hpp"
#include "http/poller.hpp"
#include "http/services.hpp"
#include "http/task.hpp"
#include "http/thread_load.hpp"
#include "src/core/json.hpp"

namespace holdfast::http {

using Tcp = boost::asio::ip::tcp;

class Connection;

// What a thread keeps of each connection, whatever it speaks.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void tick(std::int64_t now_ms) = 0;
  virtual void stop() = 0;   // end as soon as the answer in the making is sent
  virtual void abort() = 0;  // end now

 private:
  friend class IoThread;
  std::size_t slot_ = 0;
};

class IoThread final : public std::enable_shared_from_this<IoThread> {
 public:
  IoThread(Services& services, unsigned number, std::chrono::microseconds spin);
  ~IoThread();

  void start();
  // Ends what is left and joins. From outside the thread.
  void stop();

  // Any thread; one that the thread itself submits runs in its next round. The task is destroyed unrun after stop().
  void submit(std::unique_ptr<Task> task);
  [[nodiscard]] bool is_current() const noexcept;

  // ---- on the thread ----
  // Closes it when the thread is ending.
  void adopt(Tcp::socket socket);
  void add(std::shared_ptr<Peer> peer);
  void remove(Peer& peer);
  void stop_peers();
  // It goes on in the next round.
  void attend_soon(std::shared_ptr<Connection> connection) { attend_soon_.push_back(std::move(connection)); }
  [[nodiscard]] Poller& poller() noexcept { return poller_; }
  // The same socket for who speaks another protocol on it, by Asio.
  [[nodiscard]] Tcp::socket asio_socket(Socket socket);
  [[nodiscard]] std::size_t peers() const noexcept { return peer_count_.load(std::memory_order_relaxed); }
  // Steady milliseconds as of the last tick; add tick_ms() to a deadline so that it is never early.
  [[nodiscard]] std::int64_t now_ms() const noexcept { return now_ms_; }
  [[nodiscard]] std::int64_t tick_ms() const noexcept { return tick_ms_; }
  // Steady milliseconds as of now.
  [[nodiscard]] static std::int64_t clock_ms() noexcept;
  // It had no time left when it last looked.
  [[nodiscard]] bool saturated() const noexcept { return load_.saturated(); }
  [[nodiscard]] unsigned number() const noexcept { return number_; }
  [[nodiscard]] Services& services() noexcept { return services_; }
  [[nodiscard]] boost::asio::io_context& context() noexcept { return context_; }
  // Unique in this process and, but for chance, across restarts.
  void mint_request_id(std::string& out);

  static constexpr std::size_t kReadBytes = 8 << 10;
  std::array<char, kReadBytes> arriving;  // what was just read, until it is parsed or kept
  json::Parser json;
  Answer answer;

 private:
  void run();
  [[nodiscard]] bool spin();
  [[nodiscard]] bool attend_them();
  void poll();
  void sleep_on_poller();
  [[nodiscard]] bool answer_them();
  void schedule_tick();
  void tick();
  void drain_inbox();
  static void run_all(std::unique_ptr<Task> in_order);

  Services& services_;
  const unsigned number_;
  const std::chrono::microseconds spin_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer ticker_;
  std::int64_t now_ms_ = 0;
  std::int64_t tick_ms_ = 0;
  bool ending_ = false;
  ThreadLoad load_;
  std::string request_id_prefix_;
  std::uint64_t request_ids_ = 0;
  std::vector<std::shared_ptr<Peer>> peers_;
  std::deque<std::shared_ptr<Connection>> attend_soon_;
  Poller poller_;
  boost::asio::posix::stream_descriptor sleeping_;  // the poller's, for the loop to wake when there is something in it
  bool sleeps_on_it_ = false;
  std::shared_ptr<CompletionQueue> answers_;  // since the engine is there
  std::unique_ptr<Task> own_;                 // submitted on the thread, the oldest first
  Task* last_own_ = nullptr;
  std::atomic<std::size_t> peer_count_{0};

  std::mutex inbox_mutex_;
  std::unique_ptr<Task> inbox_;  // newest first
  bool stopped_ = false;         // guarded by inbox_mutex_

  std::thread thread_;
};

}  // namespace holdfast::http
