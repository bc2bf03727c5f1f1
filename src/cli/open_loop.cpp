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

constexpr std::chrono::milliseconds kTick{10};
constexpr int kSendBufferBytes = 64 << 10;

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
  Pipe(asio::io_context& context, tcp::endpoint server, const OpenLoop& load, const Window& window,
       OpenLoop::Outcome& outcome)
      : socket_(context), server_(std::move(server)), load_(load), window_(window), outcome_(outcome) {}

  bool connect() {
    boost::system::error_code ec;
    socket_.connect(server_, ec);
    if (!ec) opened();
    return !ec;
  }
  void arrive(Moment at) {
    if (!open_ || blocked_ || out_.size() >= kSendBufferBytes) {
      outcome_.given_up += window_.has(at);
      return;
    }
    out_ += load_.next();
    sent_.push_back(at);
  }
  // Writes what has arrived.
  void flush() {
    if (!open_ || blocked_ || out_.empty()) return;
    boost::system::error_code ec;
    const auto written = socket_.write_some(asio::buffer(out_), ec);
    if (ec && ec != asio::error::would_block) return;  // the read tells how it ended
    out_.erase(0, written);
    if (out_.empty()) return;
    blocked_ = true;
    socket_.async_wait(tcp::socket::wait_write, [this, serial = serial_](const boost::system::error_code& failed) {
      if (serial != serial_) return;
      blocked_ = false;
      if (!failed) flush();
    });
  }
  // What no answer came for, when the run is over.
  void finish() {
    for (const auto at : sent_) outcome_.unanswered += window_.has(at);
    sent_.clear();
    open_ = false;
    ++serial_;
    boost::system::error_code ignored;  // the run is over
    socket_.close(ignored);
  }

 private:
  void opened() {
    boost::system::error_code ec;
    socket_.set_option(tcp::no_delay(true), ec);
    socket_.set_option(asio::socket_base::send_buffer_size(kSendBufferBytes), ec);
    socket_.non_blocking(true, ec);
    open_ = true;
    read();
  }

  // The server closed: on to the next connection.
  void closed() {
    if (!std::exchange(told_, false)) ++outcome_.refused[0];
    for (const auto at : sent_) outcome_.cut_off += window_.has(at);
    sent_.clear();
    out_.clear();
    filled_ = 0;
    open_ = blocked_ = false;
    boost::system::error_code ignored;  // whatever close() says, this connection is over
    socket_.close(ignored);
    socket_.async_connect(server_, [this, serial = ++serial_](const boost::system::error_code& ec) {
      if (ec || serial != serial_) return;
      opened();
    });
  }

  void read() {
    socket_.async_read_some(asio::buffer(in_.data() + filled_, in_.size() - filled_),
                            [this, serial = serial_](const boost::system::error_code& ec, std::size_t bytes) {
                              if (serial != serial_) return;
                              if (ec) return closed();
                              filled_ += bytes;
                              scan();
                              if (serial == serial_) read();
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
      told_ = text.substr(0, head).find("\r\nConnection: close") != std::string_view::npos;
      answered(status, now);
      text.remove_prefix(head + 4 + length);
    }
    std::copy(text.begin(), text.end(), in_.begin());
    filled_ = text.size();
    if (filled_ == in_.size()) in_.resize(in_.size() * 2);
  }

  void answered(int status, Moment now) {
    if (sent_.empty()) return;  // an error of the connection, such as a time-out
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

  tcp::socket socket_;
  const tcp::endpoint server_;
  const OpenLoop& load_;
  const Window& window_;
  OpenLoop::Outcome& outcome_;
  std::deque<Moment> sent_;  // arrivals that were not answered
  std::string out_;
  std::vector<char> in_ = std::vector<char>(64 << 10);
  std::size_t filled_ = 0;
  std::uint64_t serial_ = 0;  // of the connection
  bool open_ = false;
  bool blocked_ = false;
  bool told_ = false;  // by the last answer that it is the last
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
    pipes.push_back(std::make_unique<Pipe>(context, found.begin()->endpoint(), *this, window, outcome));
    if (!pipes.back()->connect())
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
  for (const auto& pipe : pipes) pipe->finish();
  context.restart();
  context.poll();
  progress.finish();
  return outcome;
}

}  // namespace holdfast::cli
