// Connection: one HTTP/1.x client, from its socket to its answers.
//
// Operation: bytes are read into the thread's buffer and parsed there, and what is not yet a request is kept; a
// complete request is dispatched to its handler; the answer is appended to one output buffer, which is written with as
// few writes as the socket takes. The next pipelined request is parsed when the answer to the one before is in that
// buffer, so answers keep their order and a client has one call in the engine at a time. A client that leaves a wait is
// noticed.
//
// A request that is taken in parts is dispatched when its head is there. Its body is read when the handler asks for it
// (read_body), a part at a time, also while the answer is a stream already. An answer that comes before all of it was
// read is the connection's last.
//
// Ends: `Connection: close`, a protocol error, a backlog or a stop let the output drain, shut the sending side, and
// discard input for a moment (closing with unread input would reset the connection under the answer). A deadline closes
// at once, except that a request already begun is answered 408.
//
// Concurrency: everything runs on its IoThread, whose Poller tells when there is something to read or room to write.
// Owned by that thread and by the calls in the air.
//
// Limits: head, body, timeouts and stream_buffer_bytes_max from Limits; kReadBytes of input (kPartBytes of a body in
// parts) and kUnsentMax of output are held before reading or answering pauses.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "http/backlog.hpp"
#include "http/exchange.hpp"
#include "http/io_thread.hpp"
#include "http/parser.hpp"
#include "http/socket.hpp"

namespace holdfast::http {

// Feeds an answer in parts, such as an event stream. Called on the connection's thread.
class StreamSource {
 public:
  virtual ~StreamSource() = default;
  // One without an end of its own ends whole when the server stops; another one is waited for, and cut off after that.
  [[nodiscard]] virtual bool endless() const noexcept { return true; }
  virtual void on_drained() = 0;  // everything written so far is with the operating system
  virtual void on_tick(std::int64_t now_ms) = 0;
  virtual void on_closed() = 0;  // the last call
};

class Connection final : public Peer, public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<IoThread> thread, Socket socket);

  void start();
  // Answers this error without reading anything, and closes.
  void reject(const Error& error);

  void tick(std::int64_t now_ms) override;
  void stop() override;
  void abort() override { close(); }

  [[nodiscard]] IoThread& thread() const noexcept { return *thread_; }
  [[nodiscard]] Exchange& exchange() noexcept { return exchange_; }
  // A handler is running: its answer needs no wake-up.
  [[nodiscard]] bool dispatching() const noexcept { return dispatching_; }
  // Its requests stand in a queue.
  [[nodiscard]] bool backlogged() const noexcept { return backlog_.stands(exchange_.begun_ms()); }
  // The answer to the request at hand is the last one.
  void close_after_answer() noexcept { close_after_answer_ = true; }

  // Sends the thread's Answer as the answer of the current exchange.
  void send_answer();
  // Sends it as the head of a stream that `source` feeds.
  void begin_stream(std::shared_ptr<StreamSource> source);
  void write_stream(std::string_view data);
  void end_stream();
  [[nodiscard]] std::size_t unsent() const noexcept { return out_.size() - sent_; }
  // The next part of the request's body, which may be all of it; nothing at its end. One call at a time. Errors:
  // invalid_request, request_timeout (nothing came for body_timeout_ms), gone (the client left).
  void read_body(Done<std::optional<std::string>> done);
  // What the thread's Poller says: it goes on soon.
  void on_events(std::uint32_t events);
  // Goes on: sends what waited for room, takes in what is there, if it wants any now.
  void attend();
  // Gives the socket away, for another protocol, when the answers to earlier requests are sent. `taker` is called once;
  // not when the connection ends before.
  void hand_over(std::function<void(Tcp::socket)> taker);

 private:
  enum class Phase : std::uint8_t { reading, answering, streaming, handing_over, closing, lingering, closed };

  static constexpr std::size_t kReadBytes = IoThread::kReadBytes;
  static constexpr std::size_t kPartBytes = 64 << 10;

  void work();
  [[nodiscard]] std::string_view input() const noexcept;
  void parsed(std::size_t bytes);
  void keep_arrived();
  void drop_parsed();
  void forget_input();
  [[nodiscard]] bool parse();
  void dispatch();
  void refuse(const Error& error);
  [[nodiscard]] Exchange::Moment now() noexcept;
  void ask_for_body();
  void await(Parser::State state);
  [[nodiscard]] bool body_unread() const noexcept;
  void feed_body();
  void hand_part();
  void fail_body(Error error);
  [[nodiscard]] bool takes_input() const noexcept;
  [[nodiscard]] bool watch();
  void attend_soon();
  void receive();
  void read_soon();
  [[nodiscard]] bool answers_soon() const noexcept;
  void on_input(std::string_view bytes);
  void on_end_of_input();
  void flush();
  void on_flushed();
  void linger();
  void give_socket();
  void close();
  [[nodiscard]] Framing framing() const;

  std::shared_ptr<IoThread> thread_;
  Socket socket_;
  Exchange exchange_;
  Parser parser_;
  Backlog backlog_;
  std::string in_;
  std::size_t parsed_ = 0;    // of in_
  std::string_view arrived_;  // the thread's buffer: of what was just read, what is not parsed yet, if in_ is empty
  std::optional<Exchange::Moment> read_at_;  // while a read is handled, until its first request is taken up
  std::string out_;
  std::size_t sent_ = 0;  // of out_
  std::shared_ptr<StreamSource> source_;
  std::function<void(Tcp::socket)> taker_;
  Done<std::optional<std::string>> body_reader_;
  std::optional<Error> body_error_;
  Phase phase_ = Phase::reading;
  Parser::State awaited_ = Parser::State::empty;  // what read_deadline_ is about
  std::int64_t read_deadline_ = 0;
  std::int64_t write_deadline_ = 0;
  bool queued_ = false;   // to be attended in the next round
  bool writing_ = false;  // waiting for room in the socket
  bool dispatching_ = false;
  bool close_after_answer_ = false;
  bool end_of_input_ = false;
  bool continued_ = false;  // 100 Continue was sent for this request
  bool chunked_ = false;    // the stream is
};

}  // namespace holdfast::http
