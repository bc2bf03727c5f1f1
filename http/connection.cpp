#include "http/connection.hpp"

#include <algorithm>
#include <exception>

#include "http/cors.hpp"
#include "http/dispatch.hpp"
#include "http/observe.hpp"
#include "http/problem.hpp"

namespace holdfast::http {
namespace {

constexpr std::size_t kUnsentMax = 256 << 10;       // answers to pipelined requests wait beyond this
constexpr std::size_t kBufferBytesKept = 64 << 10;  // a larger output buffer is given back
constexpr std::int64_t kLingerMs = 2'000;
constexpr std::int64_t kLingerStoppingMs = 100;  // a stop does not wait for clients that keep their side open

ParserLimits parser_limits(const Services& services) {
  return {services.limits.header_bytes_max, &body_limit, &services};
}

std::int64_t milliseconds(Exchange::Moment at) noexcept {
  return std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
}

Error body_cut() { return {ErrorCode::gone, "the client left before its request's body was whole", {}, 0, {}}; }

}  // namespace

Connection::Connection(std::shared_ptr<IoThread> thread, Socket socket)
    : thread_(std::move(thread)),
      socket_(std::move(socket)),
      exchange_(*this),
      parser_(exchange_.request(), parser_limits(thread_->services())),
      backlog_(static_cast<std::int64_t>(exchange_.limits().pipeline_delay_ms)) {}

void Connection::start() {
  if (!watch()) return close();
  read_deadline_ =
      thread_->now_ms() + static_cast<std::int64_t>(exchange_.limits().header_timeout_ms) + thread_->tick_ms();
}

void Connection::reject(const Error& error) {
  if (!watch()) return close();
  refuse(error);
  flush();
}

bool Connection::watch() {
  socket_.no_delay();
  return thread_->poller().watch(socket_, *this);
}

// ---- from bytes to requests ----------------------------------------------------------------------------------

// Parses and answers what was read, writes what is to be written, reads on.
void Connection::work() {
  while (phase_ == Phase::reading && !input().empty()) {
    if (unsent() >= kUnsentMax) flush();
    if (phase_ != Phase::reading || unsent() >= kUnsentMax || !parse()) break;
  }
  drop_parsed();
  if (phase_ == Phase::reading && end_of_input_ && unsent() < kUnsentMax) phase_ = Phase::closing;
  flush();
  if (!answers_soon()) read_soon();
}

// What was read and is not parsed yet.
std::string_view Connection::input() const noexcept {
  return arrived_.empty() ? std::string_view(in_).substr(parsed_) : arrived_;
}

void Connection::parsed(std::size_t bytes) {
  if (arrived_.empty()) parsed_ += bytes;
  else arrived_.remove_prefix(bytes);
  backlog_.parsed(bytes);
}

// The thread's buffer is another's next. As a rule all of it was one request, and nothing is left to keep.
void Connection::keep_arrived() {
  in_ += arrived_;
  arrived_ = {};
}

void Connection::drop_parsed() {
  if (parsed_ < in_.size()) {
    in_.erase(0, parsed_);
  } else {
    in_.clear();
    if (in_.capacity() > kBufferBytesKept) in_.shrink_to_fit();
  }
  parsed_ = 0;
}

void Connection::forget_input() {
  in_.clear();
  parsed_ = 0;
  arrived_ = {};
}

// True when a request was dispatched.
bool Connection::parse() {
  const auto used = parser_.feed(input());
  if (!used) {
    refuse(used.error());
    return false;
  }
  parsed(*used);
  const auto state = parser_.state();
  if (state == Parser::State::complete) {
    dispatch();
    return true;
  }
  await(state);
  if (state != Parser::State::body) return false;
  if (exchange_.request().in_parts()) {
    dispatch();
    return true;
  }
  ask_for_body();
  return false;
}

// Says that the body is wanted, to a client that asked.
void Connection::ask_for_body() {
  if (!exchange_.request().wants_continue() || std::exchange(continued_, true)) return;
  if (exchange_.request().body().empty()) out_ += "HTTP/1.1 100 Continue\r\n\r\n";
}

// The first request of a read is taken up at once: it need not look at the clock again.
Exchange::Moment Connection::now() noexcept {
  const auto read_at = std::exchange(read_at_, std::nullopt);
  return read_at ? *read_at : Exchange::Moment::clock::now();
}

// Sets the deadline for the next part of a request, once a part.
void Connection::await(Parser::State state) {
  if (state == awaited_) return;
  awaited_ = state;
  const auto& limits = exchange_.limits();
  const auto timeout = state == Parser::State::empty  ? limits.keep_alive_timeout_ms
                       : state == Parser::State::head ? limits.header_timeout_ms
                                                      : limits.body_timeout_ms;
  read_deadline_ = thread_->now_ms() + static_cast<std::int64_t>(timeout) + thread_->tick_ms();
}

void Connection::dispatch() {
  phase_ = Phase::answering;
  awaited_ = Parser::State::complete;
  body_error_.reset();
  exchange_.begin(now());
  backlog_.take_up(exchange_.begun_ms());
  const auto serial = exchange_.serial();
  dispatching_ = true;
  try {
    http::dispatch(exchange_);
  } catch (const std::exception& e) {
    exchange_.services().logger.error("request {} failed in its handler: {}", exchange_.request_id(), e.what());
    if (exchange_.serial() == serial) exchange_.fail(ErrorCode::internal, "the server has a bug; nothing was written");
  }
  dispatching_ = false;
}

// Answers a request that could not be read; what follows it cannot be read either.
void Connection::refuse(const Error& error) {
  exchange_.begin(now());
  close_after_answer_ = true;
  phase_ = Phase::answering;
  const bool was_dispatching = std::exchange(dispatching_, true);  // the caller flushes
  exchange_.fail(error);
  dispatching_ = was_dispatching;
}

bool Connection::takes_input() const noexcept {
  if (phase_ == Phase::closed || phase_ == Phase::handing_over || end_of_input_) return false;
  if (phase_ == Phase::closing) return false;
  // Of a body in parts what is left of the input is one unfinished line, until as much of it is held as may be.
  const bool taken_in = body_unread() && exchange_.request().body().size() < kPartBytes;
  const bool full = phase_ == Phase::answering || body_unread() ? in_.size() >= kReadBytes && !taken_in
                                                                : phase_ == Phase::reading && unsent() >= kUnsentMax;
  return !full;
}

void Connection::read_soon() {
  if (socket_.readable()) attend_soon();
}

void Connection::on_events(std::uint32_t events) {
  socket_.on_events(events);
  attend_soon();
}

// Once a round, however much there is: others are waiting, too.
void Connection::attend_soon() {
  if (!std::exchange(queued_, true)) thread_->attend_soon(shared_from_this());
}

void Connection::attend() {
  queued_ = false;
  if (writing_ && socket_.writable()) {
    writing_ = false;
    if (phase_ == Phase::reading) work();
    else flush();
  }
  if (!answers_soon()) return receive();
  if (socket_.failed()) close();  // nobody is there for the answer
}

// What comes meanwhile is read when the answer is sent, all of it at once. A client that is to wait for long is looked
// at: it may leave.
bool Connection::answers_soon() const noexcept {
  return phase_ == Phase::answering && !body_unread() && !exchange_.waiting();
}

void Connection::receive() {
  if (!takes_input() || !socket_.readable()) return;
  auto& arriving = thread_->arriving;
  const auto [outcome, bytes] = socket_.receive(arriving);
  switch (outcome) {
    case Socket::Outcome::none: return;
    case Socket::Outcome::end: return on_end_of_input();
    case Socket::Outcome::failed: return close();
    case Socket::Outcome::some: break;
  }
  on_input({arriving.data(), bytes});
  keep_arrived();
  read_at_.reset();
}

void Connection::on_input(std::string_view bytes) {
  const bool wanted = phase_ != Phase::lingering && (phase_ != Phase::streaming || body_unread());
  if (wanted) {
    if (in_.empty()) arrived_ = bytes;
    else in_ += bytes;
    read_at_ = Exchange::Moment::clock::now();
    backlog_.read(bytes.size(), kReadBytes, milliseconds(*read_at_));
  }
  if (phase_ == Phase::reading) return work();
  if (wanted) feed_body();
  if (phase_ == Phase::lingering) socket_.discard();  // it may be a flood; the next read tells how it ended
  read_soon();
}

// The client sends no more. It may still read: an answer in the making goes out, but nobody waits for such a client.
void Connection::on_end_of_input() {
  end_of_input_ = true;
  if (phase_ == Phase::reading) return work();
  feed_body();
  if (body_unread()) fail_body(body_cut());
  if (phase_ == Phase::answering && !exchange_.waiting()) return;
  if (phase_ == Phase::streaming && exchange_.request().in_parts()) return;
  if (phase_ != Phase::closing) close();
}

// ---- bodies in parts -----------------------------------------------------------------------------------------

// There is more to come of a body that is taken in parts.
bool Connection::body_unread() const noexcept {
  const bool handled = phase_ == Phase::answering || phase_ == Phase::streaming;
  return handled && exchange_.request().in_parts() && parser_.state() == Parser::State::body && !body_error_;
}

void Connection::read_body(Done<std::optional<std::string>> done) {
  if (body_reader_) return done(fail(ErrorCode::internal, "this body is being read already"));
  if (phase_ != Phase::answering && phase_ != Phase::streaming) return done(tl::unexpected(body_cut()));
  body_reader_ = std::move(done);
  read_deadline_ =
      thread_->now_ms() + static_cast<std::int64_t>(exchange_.limits().body_timeout_ms) + thread_->tick_ms();
  if (phase_ == Phase::answering && body_unread()) {
    ask_for_body();
    flush();
  }
  hand_part();
  feed_body();
  read_soon();
}

// Parses what was read, as far as it may be held, and hands it to who waits for it.
void Connection::feed_body() {
  if (!body_unread() || (exchange_.request().body().size() >= kPartBytes && !end_of_input_)) return;
  const auto used = parser_.feed(input());
  if (!used) return fail_body(used.error());
  parsed(*used);
  drop_parsed();
  hand_part();
}

void Connection::hand_part() {
  if (!body_reader_) return;
  auto& request = exchange_.request();
  Result<std::optional<std::string>> part;
  if (!request.body().empty()) part = request.take_body();
  else if (body_error_) part = tl::unexpected(*body_error_);
  else if (parser_.state() == Parser::State::body) return;
  if (const auto reader = std::exchange(body_reader_, nullptr)) reader(std::move(part));
}

// What follows in this connection cannot be read either: parse() never gets to it, since the answer closes.
void Connection::fail_body(Error error) {
  body_error_ = std::move(error);
  hand_part();
}

// ---- from answers to bytes -----------------------------------------------------------------------------------

Framing Connection::framing() const {
  const auto& request = exchange_.request();
  Framing framing{exchange_.request_id()};
  if (request.method() == Verb::head) framing.body = Framing::Body::left_out;
  const bool closes = close_after_answer_ || parser_.state() == Parser::State::body ||
                      exchange_.services().stopping.load(std::memory_order_relaxed) ||
                      request.persistence() == Request::Persistence::close;
  if (closes) framing.connection = Framing::Connection::close;
  else if (request.version() == 10) framing.connection = Framing::Connection::keep_alive;
  return framing;
}

void Connection::send_answer() {
  if (phase_ != Phase::answering) return;
  auto& answer = thread_->answer;
  auto& services = thread_->services();
  services.cors.decorate(answer, exchange_.request());
  const auto frame = framing();
  append_answer(out_, answer, frame);
  observe(exchange_, answer.status);
  exchange_.end();
  if (frame.connection == Framing::Connection::close) {
    phase_ = Phase::closing;
  } else {
    phase_ = Phase::reading;
    continued_ = false;
    parser_.reset();
    backlog_.answered();
    await(Parser::State::empty);
  }
  if (!dispatching_) work();
}

void Connection::begin_stream(std::shared_ptr<StreamSource> source) {
  if (phase_ != Phase::answering) return;
  auto& answer = thread_->answer;
  auto& services = thread_->services();
  services.cors.decorate(answer, exchange_.request());
  chunked_ = exchange_.request().version() == 11;
  append_stream_head(out_, answer, exchange_.request_id(),
                     chunked_ ? StreamCoding::chunked : StreamCoding::until_close);
  observe(exchange_, answer.status);
  exchange_.end();
  phase_ = Phase::streaming;
  source_ = std::move(source);
  if (!body_unread()) forget_input();
  read_soon();
}

void Connection::write_stream(std::string_view data) {
  if (phase_ != Phase::streaming) return;
  if (chunked_ && !data.empty()) append_chunk(out_, data);
  else out_ += data;
  flush();
}

void Connection::end_stream() {
  if (phase_ != Phase::streaming) return;
  if (chunked_) out_ += "0\r\n\r\n";
  phase_ = Phase::closing;
  if (const auto source = std::exchange(source_, nullptr)) source->on_closed();
  flush();
}

void Connection::flush() {
  if (writing_ || phase_ == Phase::closed) return;
  while (sent_ < out_.size()) {
    const auto [outcome, bytes] = socket_.send(std::string_view(out_).substr(sent_));
    if (outcome == Socket::Outcome::failed) return close();
    if (outcome == Socket::Outcome::none) {
      writing_ = true;
      write_deadline_ =
          thread_->now_ms() + static_cast<std::int64_t>(exchange_.limits().write_timeout_ms) + thread_->tick_ms();
      return;
    }
    sent_ += bytes;
  }
  sent_ = 0;
  out_.clear();
  if (out_.capacity() > kBufferBytesKept) out_.shrink_to_fit();
  on_flushed();
}

void Connection::on_flushed() {
  if (phase_ == Phase::closing) return linger();
  if (phase_ == Phase::handing_over) return give_socket();
  if (phase_ == Phase::streaming)
    if (const auto source = source_) source->on_drained();
}

// ---- ends ----------------------------------------------------------------------------------------------------

void Connection::linger() {
  if (end_of_input_) return close();
  if (!socket_.end_sending()) return close();
  phase_ = Phase::lingering;
  forget_input();
  const bool stopping = exchange_.services().stopping.load(std::memory_order_relaxed);
  read_deadline_ = thread_->now_ms() + (stopping ? kLingerStoppingMs : kLingerMs);
  read_soon();
}

void Connection::hand_over(std::function<void(Tcp::socket)> taker) {
  if (phase_ != Phase::answering) return;
  exchange_.end();
  phase_ = Phase::handing_over;
  taker_ = std::move(taker);
  if (!dispatching_) flush();
}

void Connection::give_socket() {
  const auto self = shared_from_this();
  thread_->poller().forget(socket_);
  auto socket = thread_->asio_socket(std::move(socket_));
  const auto taker = std::exchange(taker_, nullptr);
  phase_ = Phase::closed;
  thread_->remove(*this);
  if (taker) taker(std::move(socket));
}

void Connection::close() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  exchange_.end();
  taker_ = nullptr;
  socket_.close();
  const auto self = shared_from_this();
  fail_body(body_cut());
  if (const auto source = std::exchange(source_, nullptr)) source->on_closed();
  thread_->remove(*this);
}

void Connection::tick(std::int64_t now_ms) {
  if (writing_ && now_ms > write_deadline_) return close();
  if (body_reader_ && now_ms > read_deadline_)
    fail_body({ErrorCode::request_timeout, "the request's body took too long to arrive", {}, 0, {}});
  if (phase_ == Phase::streaming) {
    if (const auto source = source_) source->on_tick(now_ms);
    return;
  }
  if (phase_ == Phase::lingering && now_ms > read_deadline_) return close();
  if (phase_ != Phase::reading || now_ms <= read_deadline_) return;
  if (parser_.state() == Parser::State::empty) return close();
  refuse({ErrorCode::request_timeout, "the request took too long to arrive", {}, 0, {}});
  flush();
}

void Connection::stop() {
  switch (phase_) {
    case Phase::reading:
      if (parser_.state() != Parser::State::empty) return;  // it is answered, and told to close
      if (unsent() == 0) close();
      else phase_ = Phase::closing;
      return;
    case Phase::answering:
      if (exchange_.waiting()) exchange_.fail(ErrorCode::shutting_down, "the server is stopping; ask again elsewhere");
      return;
    case Phase::streaming:
      if (source_->endless()) end_stream();
      return;
    case Phase::handing_over:  // what is written goes out; nobody would stop the other protocol
      taker_ = nullptr;
      if (!writing_) return close();
      phase_ = Phase::closing;
      return;
    case Phase::lingering: read_deadline_ = std::min(read_deadline_, thread_->now_ms() + kLingerStoppingMs); return;
    default: return;
  }
}

}  // namespace holdfast::http
