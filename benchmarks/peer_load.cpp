// One load for all that are measured side by side (benchmarks/peers): counters over HTTP, and messages over HTTP or in
// the protocols of Redis and NATS.
//
//     peer_load counter http://127.0.0.1:8080/v1/objects/counter/ --connections 64 --objects 10000 --seconds 4 --json
//     peer_load message http://127.0.0.1:8080/v1/sessions/s{}/messages --objects 10000 --seconds 4
//
// One thread on epoll, keep-alive, one request in the air for each connection. It ends when every request has its
// answer. An answer that peer_work.hpp finds fault with is an error.
//
// It believes no answer of a counter. A value must be greater than every value of that object that was answered before
// the request was sent. With --book FILE it keeps, from run to run, how many increments of each object it asked for and
// how many were answered; --check N then reads N objects, and each value must lie between the two: none lost, none made
// up.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "benchmarks/peer_work.hpp"
#include "src/cli/histogram.hpp"

namespace {

using namespace holdfast::bench;
using Steady = std::chrono::steady_clock;

constexpr const char* kUsage =
    "usage: peer_load counter http://HOST:PORT/PREFIX | message (http|redis|nats)://HOST:PORT[/PATH with {}]\n"
    "                 [--connections N] [--objects N] [--seed N] [--book FILE] [--method M] [--fault TEXT] [--json]\n"
    "                 [--warmup S] --seconds S   objects chosen at random, for so long\n"
    "               | --requests N               ... so many times\n"
    "               | --each [--seconds S]       each object once, in order; at most for so long\n"
    "               | --check N                  reads N counters, all when there are fewer, and holds them to "
    "--book\n";

struct Options {
  enum class Kind : std::uint8_t { counter, message } kind = Kind::counter;
  Target target;
  unsigned connections = 64;
  std::uint64_t objects = 1;
  std::uint64_t seed = 1;
  double warmup = 0;
  double seconds = 0;
  std::uint64_t requests = 0;  // 0: as many as fit
  enum class Choice : std::uint8_t { random, in_order } choice = Choice::random;
  enum class Mode : std::uint8_t { write, check } mode = Mode::write;
  std::string book;
  bool json = false;
};

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "peer_load: %s\n", why.c_str());
  std::exit(2);
}

Target parse_target(std::string_view url) {
  Target target;
  const auto host = url.find("://");
  const auto colon = host == url.npos ? url.npos : url.find(':', host + 3);
  if (colon == url.npos) give_up(kUsage);
  target.scheme = url.substr(0, host);
  target.host = url.substr(host + 3, colon - host - 3);
  target.port = static_cast<std::uint16_t>(std::atoi(url.data() + colon + 1));
  const auto slash = url.find('/', colon);
  target.path = slash == url.npos ? "/" : url.substr(slash);
  return target;
}

Options parse(int argc, char** argv) {
  Options o;
  if (argc < 3) give_up(kUsage);
  const std::string_view kind = argv[1];
  if (kind == "message") o.kind = Options::Kind::message;
  else if (kind != "counter") give_up(kUsage);
  o.target = parse_target(argv[2]);
  for (int i = 3; i < argc; ++i) {
    const std::string_view name = argv[i];
    const auto value = [&] { return ++i < argc ? argv[i] : (give_up(kUsage), ""); };
    const auto number = [&] { return std::strtoull(value(), nullptr, 10); };
    if (name == "--connections") o.connections = static_cast<unsigned>(number());
    else if (name == "--objects") o.objects = number();
    else if (name == "--seed") o.seed = number();
    else if (name == "--warmup") o.warmup = std::atof(value());
    else if (name == "--seconds") o.seconds = std::atof(value());
    else if (name == "--requests") o.requests = number();
    else if (name == "--method") o.target.method = value();
    else if (name == "--fault") o.target.fault = value();
    else if (name == "--each") o.choice = Options::Choice::in_order;
    else if (name == "--book") o.book = value();
    else if (name == "--check") o.mode = Options::Mode::check, o.requests = number();
    else if (name == "--json") o.json = true;
    else give_up(kUsage);
  }
  if (o.mode == Options::Mode::check && o.requests >= o.objects) o.choice = Options::Choice::in_order;
  if (o.choice == Options::Choice::in_order) o.requests = o.objects;
  if (o.kind == Options::Kind::counter ? o.target.scheme != "http" : o.mode == Options::Mode::check) give_up(kUsage);
  if (o.connections == 0 || o.objects == 0 || (o.requests == 0 && o.seconds <= 0)) give_up(kUsage);
  return o;
}

std::unique_ptr<Work> make_work(const Options& o) {
  if (o.mode == Options::Mode::check) return make_reading(o.target, o.objects, o.book);
  if (o.kind == Options::Kind::counter) return make_counter(o.target, o.objects, o.book);
  auto work = make_message(o.target, o.seed);
  if (!work) give_up(kUsage);
  return work;
}

struct Connection {
  std::uint64_t number = 0;
  int fd = -1;
  std::optional<Work::Call> call;  // nothing: no request in the air
  std::string request;
  Steady::time_point sent;
  std::array<char, 4'096> buffer{};
  std::size_t filled = 0;
};

class Load {
 public:
  explicit Load(const Options& o) : o_(o), work_(make_work(o)), random_(o.seed), connections_(o.connections) {
    for (std::uint64_t i = 0; i < o.connections; ++i) {
      connections_[i].number = i;
      connect(connections_[i]);
    }
  }

  void run() {
    const auto begin = Steady::now();
    const auto after = [&](double s) {
      return begin + std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(s));
    };
    counting_from_ = after(o_.warmup);
    counting_to_ = o_.seconds > 0 ? after(o_.warmup + o_.seconds) : Steady::time_point::max();
    for (auto& connection : connections_) send(connection);
    std::array<epoll_event, 256> ready{};
    while (in_the_air_ > 0) {
      const int n = ::epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), 30'000);
      if (n <= 0) give_up("no answer for 30 s");
      for (int i = 0; i < n; ++i) read(*static_cast<Connection*>(ready[static_cast<std::size_t>(i)].data.ptr));
    }
    const auto end = std::min(Steady::now(), counting_to_);
    seconds_ = std::chrono::duration<double>(end - counting_from_).count();
    if (!work_->save()) give_up("cannot write " + o_.book);
  }

  // False when there was an error.
  [[nodiscard]] bool report() const {
    const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    const auto ms = [&](double part) { return static_cast<double>(latency_.at(part)) / 1'000.0; };
    std::printf(o_.json ? "{\"requests_per_second\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"errors\":%llu,"
                          "\"answered\":%llu}\n"
                        : "%.0f requests/s  p50 %.3f ms  p99 %.3f ms  errors %llu  answered %llu\n",
                static_cast<double>(latency_.total()) / seconds_, ms(0.5), ms(0.99), number(errors_),
                number(answered_));
    if (!first_error_.empty()) std::fprintf(stderr, "peer_load: the first error: %s\n", first_error_.c_str());
    return errors_ == 0;
  }

 private:
  void connect(Connection& connection) {
    sockaddr_in server{};
    server.sin_family = AF_INET;
    server.sin_port = htons(o_.target.port);
    if (::inet_pton(AF_INET, o_.target.host.c_str(), &server.sin_addr) != 1)
      give_up("not an IPv4 address: " + o_.target.host);
    connection.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(connection.fd, reinterpret_cast<sockaddr*>(&server), sizeof server) != 0)
      give_up(std::string("cannot connect: ") + std::strerror(errno));
    const int on = 1;
    ::setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    greet(connection);
    epoll_event interest{EPOLLIN, {}};
    interest.data.ptr = &connection;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &interest);
  }

  void greet(Connection& connection) const {
    const auto [says, until] = work_->greeting(connection.number);
    if (says.empty()) return;
    std::string heard;
    if (::send(connection.fd, says.data(), says.size(), MSG_NOSIGNAL) < 0) give_up("cannot greet the server");
    while (!heard.ends_with(until)) {
      const auto n = ::recv(connection.fd, connection.buffer.data(), connection.buffer.size(), 0);
      if (n <= 0) give_up("no greeting from the server, but: " + heard);
      heard.append(connection.buffer.data(), static_cast<std::size_t>(n));
    }
  }

  // The next request, unless it was the last.
  void send(Connection& connection) {
    const auto now = Steady::now();
    if (now >= counting_to_ || (o_.requests != 0 && sent_ == o_.requests)) return;
    const auto object = o_.choice == Options::Choice::in_order ? sent_ : random_() % o_.objects;
    connection.call.emplace(Work::Call{connection.number, object, 0});
    work_->ask(*connection.call, connection.request);
    ++sent_;
    ++in_the_air_;
    connection.sent = now;
    const auto& request = connection.request;  // far smaller than a socket's buffer: it goes out whole
    if (::send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
      lost(connection, std::string("cannot send: ") + std::strerror(errno));
  }

  void read(Connection& connection) {
    const auto n = ::recv(connection.fd, connection.buffer.data() + connection.filled,
                          connection.buffer.size() - connection.filled, 0);
    if (n <= 0) return lost(connection, "the connection ended");
    connection.filled += static_cast<std::size_t>(n);
    const std::string_view text(connection.buffer.data(), connection.filled);
    if (!connection.call) {  // nobody asked
      connection.filled = 0;
      return;
    }
    const auto whole = work_->whole(text);
    if (whole == 0) {
      if (connection.filled == connection.buffer.size()) lost(connection, "an answer that is too long");
      return;
    }
    connection.filled = 0;
    answered(connection, text.substr(0, whole));
    send(connection);
  }

  void answered(Connection& connection, std::string_view answer) {
    const auto call = *std::exchange(connection.call, std::nullopt);
    --in_the_air_;
    if (const auto fault = work_->judge(call, answer); !fault.empty()) return error(fault);
    ++answered_;
    const auto now = Steady::now();
    if (now < counting_from_ || now > counting_to_) return;
    latency_.add(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now - connection.sent).count()));
  }

  // The request has no answer: it may have been done or not. The connection begins anew.
  void lost(Connection& connection, const std::string& why) {
    ::close(connection.fd);
    connection.filled = 0;
    if (!std::exchange(connection.call, std::nullopt)) return;
    --in_the_air_;
    error(why);
    connect(connection);
    send(connection);
  }
  void error(const std::string& what) {
    if (errors_++ == 0) first_error_ = what;
  }

  const Options& o_;
  const std::unique_ptr<Work> work_;
  const int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::mt19937_64 random_;
  std::vector<Connection> connections_;
  Steady::time_point counting_from_;
  Steady::time_point counting_to_;
  std::uint64_t sent_ = 0;
  std::uint64_t in_the_air_ = 0;
  holdfast::cli::Histogram latency_;  // microseconds
  double seconds_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t errors_ = 0;
  std::string first_error_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto options = parse(argc, argv);
  Load load(options);
  load.run();
  return load.report() ? 0 : 1;
}
