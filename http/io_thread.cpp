#include "http/io_thread.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>

#include "http/connection.hpp"
#include "http/metrics.hpp"
#include "src/core/crypto.hpp"
#include "src/core/random.hpp"

namespace holdfast::http {
namespace {

thread_local const IoThread* current_thread = nullptr;

// A round ends when nothing is ready any more, or soon: nobody's write waits for long behind the requests of others.
constexpr int kHandlersMax = 16;
constexpr std::size_t kAttendedMax = 64;

// A quarter of the shortest timeout, and never so often that an idle server shows in top.
std::int64_t tick_for(const Limits& limits) noexcept {
  constexpr std::uint64_t kTickMsMin = 10;
  constexpr std::uint64_t kTickMsMax = 250;
  const auto shortest = std::min({limits.header_timeout_ms, limits.body_timeout_ms, limits.write_timeout_ms,
                                  limits.keep_alive_timeout_ms, limits.event_heartbeat_ms});
  return static_cast<std::int64_t>(std::clamp(shortest / 4, kTickMsMin, kTickMsMax));
}

std::string random_prefix() {
  std::array<char, 6> bytes;
  SystemRandom().fill(std::as_writable_bytes(std::span(bytes)));
  return "req_" + to_hex({bytes.data(), bytes.size()});
}

}  // namespace

std::int64_t IoThread::clock_ms() noexcept {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

IoThread::IoThread(Services& services, unsigned number, std::chrono::microseconds spin)
    : services_(services),
      number_(number),
      spin_(spin),
      work_(context_.get_executor()),
      ticker_(context_),
      now_ms_(clock_ms()),
      tick_ms_(tick_for(services.limits)),
      load_(services.limits.saturation_percent),
      request_id_prefix_(random_prefix()),
      sleeping_(context_, ::fcntl(poller_.native_handle(), F_DUPFD_CLOEXEC, 0)) {}

IoThread::~IoThread() {
  if (thread_.joinable()) stop();
}

void IoThread::start() {
  schedule_tick();
  thread_ = std::thread([this] { run(); });
}

void IoThread::run() {
  ::pthread_setname_np(::pthread_self(), ("hf-io-" + std::to_string(number_)).c_str());
  current_thread = this;
  // What a round wrote is synced by this thread when it has nothing else to do, if it is little; see begin_round.
  constexpr std::size_t kCommitsMax = 2;
  for (std::size_t ran = 1; ran != 0;) {
    auto* engine = services_.engine.load(std::memory_order_acquire);
    if (engine != nullptr && !answers_)
      answers_ = engine->completion_queue([this] { boost::asio::post(context_, [] {}); });
    if (engine != nullptr) engine->begin_round(kCommitsMax, answers_.get());
    const bool answered = answer_them();
    poll();
    const bool attended = attend_them();
    if (answered || attended || spin()) {
      ran = 1;
    } else {
      sleep_on_poller();
      ran = context_.run_one();
    }
    for (int i = 1; i < kHandlersMax && context_.poll_one() != 0; ++i) {
    }
    if (engine != nullptr) engine->end_round();
  }
}

// True when there were some.
bool IoThread::answer_them() {
  const bool ran = answers_ && answers_->run();
  if (!own_) return ran;
  last_own_ = nullptr;
  run_all(std::move(own_));
  return true;
}

void IoThread::run_all(std::unique_ptr<Task> in_order) {
  while (in_order) {
    in_order->run();
    in_order = std::move(in_order->next_);
  }
}

// True when there were some.
bool IoThread::attend_them() {
  const auto now = std::min(attend_soon_.size(), kAttendedMax);
  for (std::size_t i = 0; i < now; ++i) {
    const auto connection = std::move(attend_soon_.front());
    attend_soon_.pop_front();
    connection->attend();
  }
  return now != 0;
}

void IoThread::poll() {
  poller_.poll([this](Connection& connection, std::uint32_t events) { connection.on_events(events); });
}

void IoThread::sleep_on_poller() {
  if (ending_ || std::exchange(sleeps_on_it_, true)) return;
  sleeping_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                       [this](const boost::system::error_code&) { sleeps_on_it_ = false; });
}

// Looks for work for a moment without sleeping: to be woken costs more than the moment, and a client that waits for its
// answers often asks again within it. True when something was run.
bool IoThread::spin() {
  using Steady = std::chrono::steady_clock;
  const auto begin = Steady::now();
  for (auto now = begin; now - begin < spin_;) {
    poll();
    if (!attend_soon_.empty() || context_.poll_one() != 0) return true;
    std::this_thread::yield();  // others go first
    const auto next = Steady::now();
    load_.idled(next - now);
    now = next;
  }
  return false;
}

// The loop ends by itself when the last handler has run: no handler, and so no connection, is left inside it.
void IoThread::stop() {
  boost::asio::post(context_, [this] {
    for (std::size_t i = peers_.size(); i-- > 0;)
      if (i < peers_.size()) std::shared_ptr(peers_[i])->abort();
    ending_ = true;
    boost::system::error_code ignored;
    sleeping_.cancel(ignored);
    ticker_.cancel();
    work_.reset();
  });
  if (thread_.joinable()) thread_.join();
  if (answers_) answers_->close();
  while (own_) own_ = std::move(own_->next_);
  std::unique_ptr<Task> dropped;
  {
    const std::lock_guard lock(inbox_mutex_);
    stopped_ = true;
    dropped = std::move(inbox_);
  }
  while (dropped) dropped = std::move(dropped->next_);  // one by one: a long chain must not recurse
}

bool IoThread::is_current() const noexcept { return current_thread == this; }

void IoThread::submit(std::unique_ptr<Task> task) {
  if (is_current() && !ending_) {
    auto& link = last_own_ == nullptr ? own_ : last_own_->next_;
    last_own_ = task.get();
    link = std::move(task);
    return;
  }
  {
    const std::lock_guard lock(inbox_mutex_);
    if (stopped_) return;
    const bool was_empty = inbox_ == nullptr;
    task->next_ = std::move(inbox_);
    inbox_ = std::move(task);
    if (!was_empty) return;
  }
  // A handler that comes when the loop has ended stays in the context: it must not own the thread that owns that.
  boost::asio::post(context_, [this] { drain_inbox(); });
}

void IoThread::drain_inbox() {
  std::unique_ptr<Task> newest_first;
  {
    const std::lock_guard lock(inbox_mutex_);
    newest_first = std::move(inbox_);
  }
  std::unique_ptr<Task> in_order;
  while (newest_first) {
    auto rest = std::move(newest_first->next_);
    newest_first->next_ = std::move(in_order);
    in_order = std::move(newest_first);
    newest_first = std::move(rest);
  }
  run_all(std::move(in_order));
}

void IoThread::adopt(Tcp::socket socket) {
  if (ending_) return;  // nobody would abort it any more, and the loop would wait for it
  const bool full = services_.connections.load(std::memory_order_relaxed) >= services_.limits.connections_max;
  boost::system::error_code ec;
  Socket own(socket.release(ec));
  if (ec) return;
  auto connection = std::make_shared<Connection>(shared_from_this(), std::move(own));
  add(connection);
  if (full) services_.metrics.refused(number_, Refusal::connections);
  if (full) connection->reject({ErrorCode::overloaded, "the server has as many connections as it takes", {}, 0, {}});
  else connection->start();
}

Tcp::socket IoThread::asio_socket(Socket socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  (void)::getsockname(socket.descriptor(), reinterpret_cast<sockaddr*>(&address), &size);
  Tcp::socket out(context_);
  boost::system::error_code ec;
  out.assign(address.ss_family == AF_INET6 ? Tcp::v6() : Tcp::v4(), socket.descriptor(), ec);
  if (!ec) (void)socket.release();
  return out;
}

void IoThread::add(std::shared_ptr<Peer> peer) {
  peer->slot_ = peers_.size();
  peers_.push_back(std::move(peer));
  peer_count_.store(peers_.size(), std::memory_order_relaxed);
  services_.connections.fetch_add(1, std::memory_order_relaxed);
}

void IoThread::remove(Peer& peer) {
  const auto slot = peer.slot_;
  if (slot >= peers_.size() || peers_[slot].get() != &peer) return;
  const auto keep = std::move(peers_[slot]);
  if (slot + 1 != peers_.size()) {
    peers_[slot] = std::move(peers_.back());
    peers_[slot]->slot_ = slot;
  }
  peers_.pop_back();
  peer_count_.store(peers_.size(), std::memory_order_relaxed);
  services_.connections.fetch_sub(1, std::memory_order_relaxed);
}

void IoThread::stop_peers() {
  for (std::size_t i = peers_.size(); i-- > 0;)
    if (i < peers_.size()) std::shared_ptr(peers_[i])->stop();
}

void IoThread::schedule_tick() {
  ticker_.expires_after(std::chrono::milliseconds(tick_ms_));
  ticker_.async_wait([this](const boost::system::error_code& ec) {
    if (ec || ending_) return;
    const auto late = std::chrono::steady_clock::now() - ticker_.expiry();
    services_.metrics.lag(
        number_, static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(late).count()));
    tick();
    schedule_tick();
  });
}

// Backwards: a peer that ends takes itself out, and the one that fills its slot was visited already.
void IoThread::tick() {
  now_ms_ = clock_ms();
  load_.look(now_ms_);
  for (std::size_t i = peers_.size(); i-- > 0;)
    if (i < peers_.size()) std::shared_ptr(peers_[i])->tick(now_ms_);
}

void IoThread::mint_request_id(std::string& out) {
  out = request_id_prefix_;
  std::array<char, 6> bytes;
  auto n = ++request_ids_;
  for (std::size_t i = bytes.size(); i-- > 0; n >>= 8) bytes[i] = static_cast<char>(n);
  append_hex(out, {bytes.data(), bytes.size()});
}

}  // namespace holdfast::http
