#include "src/cli/open_loop.hpp"

#include <boost/asio.hpp>
#include <charconv>
#include <deque>
#include <memory>
#include <vector>

namespace holdfast::cli {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Steady = std::chrono::steady_clock;
using Moment = Steady::time_point;

constexpr std::chrono::milliseconds kTick{5};
constexpr int kSendBufferBytes = 64 << 10;
constexpr std::size_t kChunkBytes = 64 << 10;

std::uint64_t micros_of(Steady::duration d) {
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::microseconds>(d).count()));
}

// The window that counts, by arrival.
struct Window {
  Moment begin;
  Moment end;
  [[nodiscard]] bool has(Moment at) const { return at >= begin && at < end; }
};

class Pipe {
 public:
  Pipe(asio::io_context& context, const OpenLoop& load, const Window& window, OpenLoop::Outcome& outcome)
      : socket_(context), load_(load), window_(window), outcome_(outcome) {}

  bool connect(const tcp::endpoint& server) {
    boost::system::error_code ec;
    socket_.connect(server, ec);
    if (ec) return false;
    socket_.set_option(tcp::no_delay(true), ec);
    socket_.set_option(asio::socket_base::send_buffer_size(kSendBufferBytes), ec);
    socket_.non_blocking(true, ec);
    read();
    return true;
  }
  void arrive(Moment at) { waiting_.push_back(at); }

  // Writes what has arrived; gives up what is too old.
  void flush() {
    if (blocked_ || ended_) return;
    for (;;) {
      if (written_ == out_.size() && !fill()) return;
      boost::system::error_code ec;
      written_ += socket_.write_some(asio::buffer(out_.data() + written_, out_.size() - written_), ec);
      if (ec == asio::error::would_block) return await_room();
      if (ec) return end();
    }
  }
  // What no answer came for, when the run is over.
  void close() {
    for (const auto at : sent_) outcome_.unanswered += window_.has(at);
    for (const auto at : waiting_) outcome_.given_up += window_.has(at);
    boost::system::error_code ignored;  // the run is over
    socket_.close(ignored);
  }

 private:
  bool fill() {
    out_.clear();
    written_ = 0;
    const auto now = Steady::now();
    while (!waiting_.empty() && out_.size() < kChunkBytes) {
      const auto at = waiting_.front();
      waiting_.pop_front();
      if (now - at > std::chrono::milliseconds(load_.deadline_ms)) {
        outcome_.given_up += window_.has(at);
        continue;
      }
      out_ += load_.next();
      sent_.push_back(at);
    }
    return !out_.empty();
  }

  void await_room() {
    blocked_ = true;
    socket_.async_wait(tcp::socket::wait_write, [this](const boost::system::error_code& ec) {
      blocked_ = false;
      if (!ec) flush();
    });
  }

  void read() {
    socket_.async_read_some(asio::buffer(in_.data() + filled_, in_.size() - filled_),
                            [this](const boost::system::error_code& ec, std::size_t bytes) {
                              if (ec == asio::error::operation_aborted) return;
                              if (ec) return end();
                              filled_ += bytes;
                              scan();
                              read();
                            });
  }

  // Takes every whole answer out of the buffer.
  void scan() {
    const auto now = Steady::now();
    std::string_view text(in_.data(), filled_);
    for (;;) {
      const auto head = text.find("\r\n\r\n");
      if (head == std::string_view::npos) break;
      constexpr std::string_view kLength = "Content-Length: ";
      std::size_t length = 0;
      const auto at = text.substr(0, head).rfind(kLength);
      if (at != std::string_view::npos) std::from_chars(text.data() + at + kLength.size(), text.data() + head, length);
      if (text.size() < head + 4 + length) break;
      int status = 0;
      std::from_chars(text.data() + 9, text.data() + 12, status);
      answered(status, now);
      text.remove_prefix(head + 4 + length);
    }
    std::copy(text.begin(), text.end(), in_.begin());
    filled_ = text.size();
    if (filled_ == in_.size()) in_.resize(in_.size() * 2);
  }

  void answered(int status, Moment now) {
    if (sent_.empty()) return end();
    const auto at = sent_.front();
    sent_.pop_front();
    if (!window_.has(at)) return;
    if (status < 200 || status >= 300) {
      ++outcome_.refused[status];
      return;
    }
    outcome_.latency.add(micros_of(now - at));
    ++(now - at <= std::chrono::milliseconds(load_.deadline_ms) ? outcome_.good : outcome_.late);
  }

  void end() {
    if (std::exchange(ended_, true)) return;
    ++outcome_.refused[0];
  }

  tcp::socket socket_;
  const OpenLoop& load_;
  const Window& window_;
  OpenLoop::Outcome& outcome_;
  std::deque<Moment> waiting_;  // arrivals that were not sent
  std::deque<Moment> sent_;     // arrivals that were not answered
  std::string out_;
  std::size_t written_ = 0;
  std::vector<char> in_ = std::vector<char>(64 << 10);
  std::size_t filled_ = 0;
  bool blocked_ = false;
  bool ended_ = false;
};

}  // namespace

Result<OpenLoop::Outcome> OpenLoop::run() const {
  asio::io_context context(1);
  boost::system::error_code ec;
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(host, port, ec);
  if (ec || found.empty()) return fail(ErrorCode::invalid_request, "cannot resolve " + host + ": " + ec.message());
  Outcome outcome;
  const auto start = Steady::now();
  const auto later = [&](double s) {
    return start + std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(s));
  };
  const Window window{later(warmup), later(warmup + seconds)};
  std::vector<std::unique_ptr<Pipe>> pipes;
  for (unsigned i = 0; i < connections; ++i) {
    pipes.push_back(std::make_unique<Pipe>(context, *this, window, outcome));
    if (!pipes.back()->connect(found.begin()->endpoint()))
      return fail(ErrorCode::invalid_request, "cannot connect to " + host + ":" + port + "; is a server there?");
  }

  Progress progress("open loop, ms", static_cast<std::uint64_t>((warmup + seconds) * 1'000));
  std::uint64_t made = 0;
  for (auto tick = start; tick < window.end;) {
    context.run_until(tick);
    const auto now = std::min(Steady::now(), window.end);
    const double passed = std::chrono::duration<double>(now - start).count();
    for (const auto due = static_cast<std::uint64_t>(passed * rate); made < due; ++made) {
      const auto at = later(static_cast<double>(made) / rate);
      outcome.arrived += window.has(at);
      pipes[made % pipes.size()]->arrive(at);
    }
    for (const auto& pipe : pipes) pipe->flush();
    progress.at(static_cast<std::uint64_t>(passed * 1'000));
    tick = std::max(tick + kTick, Steady::now());
    context.restart();
  }
  context.run_for(std::chrono::milliseconds(deadline_ms));
  for (const auto& pipe : pipes) pipe->close();
  context.restart();
  context.poll();
  progress.finish();
  return outcome;
}

}  // namespace holdfast::cli
