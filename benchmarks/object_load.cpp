// Load on a counter object over HTTP, the same for every server that answers these paths:
//
//     POST {prefix}{object}/increment     answers {"value":N}, N being one more than before
//     GET  {prefix}{object}/value         answers {"value":N}
//
//     object_load http://127.0.0.1:8080/v1/objects/counter/ --connections 64 --objects 10000 --seconds 4 --json
//
// One thread on epoll, keep-alive, one request in the air for each connection. It ends when every request has its
// answer. What is no 2xx, or no such value, is an error.
//
// It believes no answer. A value must be greater than every value of that object that was answered before the request
// was sent. With --book FILE it keeps, from run to run, how many increments of each object it asked for and how many
// were answered; --check N then reads N objects, and each value must lie between the two: none lost, none made up.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/cli/histogram.hpp"

namespace {

using Steady = std::chrono::steady_clock;

constexpr const char* kUsage =
    "usage: object_load URL-PREFIX [--connections N] [--objects N] [--seed N] [--book FILE] [--json]\n"
    "                   [--warmup S] --seconds S   objects chosen at random, for so long\n"
    "                 | --requests N               ... so many times\n"
    "                 | --each                     each object once, in order\n"
    "                 | --check N                  reads N of them, all when there are fewer, and holds them to "
    "--book\n";

struct Options {
  std::string host;
  std::uint16_t port = 80;
  std::string path;
  unsigned connections = 64;
  std::uint64_t objects = 1;
  std::uint64_t seed = 1;
  double warmup = 0;
  double seconds = 0;
  std::uint64_t requests = 0;  // 0: as many as fit
  enum class Choice : std::uint8_t { random, in_order } choice = Choice::random;
  enum class Mode : std::uint8_t { increment, check } mode = Mode::increment;
  std::string book;
  bool json = false;
};

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "object_load: %s\n", why.c_str());
  std::exit(2);
}

Options parse(int argc, char** argv) {
  Options o;
  const auto url = std::string_view(argc > 1 ? argv[1] : "");
  constexpr std::string_view kScheme = "http://";
  const auto colon = url.find(':', kScheme.size());
  const auto slash = url.find('/', kScheme.size());
  if (!url.starts_with(kScheme) || colon == url.npos || slash == url.npos || colon > slash) give_up(kUsage);
  o.host = url.substr(kScheme.size(), colon - kScheme.size());
  o.port = static_cast<std::uint16_t>(std::atoi(url.data() + colon + 1));
  o.path = url.substr(slash);
  for (int i = 2; i < argc; ++i) {
    const std::string_view name = argv[i];
    const auto value = [&] { return ++i < argc ? argv[i] : (give_up(kUsage), ""); };
    const auto number = [&] { return std::strtoull(value(), nullptr, 10); };
    if (name == "--connections") o.connections = static_cast<unsigned>(number());
    else if (name == "--objects") o.objects = number();
    else if (name == "--seed") o.seed = number();
    else if (name == "--warmup") o.warmup = std::atof(value());
    else if (name == "--seconds") o.seconds = std::atof(value());
    else if (name == "--requests") o.requests = number();
    else if (name == "--each") o.choice = Options::Choice::in_order;
    else if (name == "--book") o.book = value();
    else if (name == "--check") o.mode = Options::Mode::check, o.requests = number();
    else if (name == "--json") o.json = true;
    else give_up(kUsage);
  }
  if (o.mode == Options::Mode::check && o.requests >= o.objects) o.choice = Options::Choice::in_order;
  if (o.choice == Options::Choice::in_order) o.requests = o.objects;
  if (o.connections == 0 || o.objects == 0 || (o.requests == 0 && o.seconds <= 0)) give_up(kUsage);
  return o;
}

struct Object {
  std::string request;
  std::uint64_t asked = 0;     // increments, and of these
  std::uint64_t answered = 0;  // ... with a new value
  std::uint64_t greatest = 0;  // value that was answered
};

struct Connection {
  int fd = -1;
  Object* object = nullptr;  // nullptr: no request in the air
  std::uint64_t before = 0;  // its greatest value when the request was sent
  Steady::time_point sent;
  std::array<char, 4'096> buffer{};
  std::size_t filled = 0;
};

class Load {
 public:
  explicit Load(const Options& o) : o_(o), random_(o.seed), objects_(o.objects), connections_(o.connections) {
    const bool check = o.mode == Options::Mode::check;
    for (std::uint64_t i = 0; i < o.objects; ++i)
      objects_[i].request = (check ? "GET " : "POST ") + o.path + "object-" + std::to_string(i) +
                            (check ? "/value" : "/increment") + " HTTP/1.1\r\nHost: " + o.host + ":" +
                            std::to_string(o.port) + (check ? "\r\n\r\n" : "\r\nContent-Length: 0\r\n\r\n");
    open_book();
    for (std::uint64_t i = 0; i < o.connections; ++i) connect(connections_[i]);
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
  }

  // One line for each object: how many increments were asked for, and how many answered.
  void save_book() const {
    if (o_.book.empty()) return;
    std::ofstream book(o_.book);
    for (const auto& object : objects_) book << object.asked << ' ' << object.answered << '\n';
    if (!book.flush()) give_up("cannot write " + o_.book);
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
    if (!first_error_.empty()) std::fprintf(stderr, "object_load: the first error: %s\n", first_error_.c_str());
    return errors_ == 0;
  }

 private:
  void open_book() {
    std::ifstream book(o_.book);
    for (auto& object : objects_) {
      if (!(book >> object.asked >> object.answered)) return;
      object.greatest = object.answered;
    }
  }

  void connect(Connection& connection) {
    sockaddr_in server{};
    server.sin_family = AF_INET;
    server.sin_port = htons(o_.port);
    if (::inet_pton(AF_INET, o_.host.c_str(), &server.sin_addr) != 1) give_up("not an IPv4 address: " + o_.host);
    connection.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(connection.fd, reinterpret_cast<sockaddr*>(&server), sizeof server) != 0)
      give_up(std::string("cannot connect: ") + std::strerror(errno));
    const int on = 1;
    ::setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event interest{EPOLLIN, {}};
    interest.data.ptr = &connection;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &interest);
  }

  // The next request, unless it was the last.
  void send(Connection& connection) {
    const auto now = Steady::now();
    if (now >= counting_to_ || (o_.requests != 0 && sent_ == o_.requests)) return;
    connection.object = &objects_[o_.choice == Options::Choice::in_order ? sent_ : random_() % o_.objects];
    ++sent_;
    ++in_the_air_;
    if (o_.mode == Options::Mode::increment) ++connection.object->asked;
    connection.before = connection.object->greatest;
    connection.sent = now;
    const auto& request = connection.object->request;  // far smaller than a socket's buffer: it goes out whole
    if (::send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
      lost(connection, std::string("cannot send: ") + std::strerror(errno));
  }

  void read(Connection& connection) {
    const auto n = ::recv(connection.fd, connection.buffer.data() + connection.filled,
                          connection.buffer.size() - connection.filled, 0);
    if (n <= 0) return lost(connection, "the connection ended");
    connection.filled += static_cast<std::size_t>(n);
    const std::string_view text(connection.buffer.data(), connection.filled);
    const auto head = text.find("\r\n\r\n");
    if (head == text.npos) {
      if (connection.filled == connection.buffer.size()) lost(connection, "an answer that is too long");
      return;
    }
    const auto whole = head + 4 + content_length(text.substr(0, head));
    if (whole > connection.buffer.size()) return lost(connection, "an answer that is too long");
    if (connection.filled < whole) return;
    connection.filled = 0;
    answered(connection, text.substr(0, whole), text.substr(head + 4, whole - head - 4));
    send(connection);
  }

  static std::string out_of_book(const Object& object, std::uint64_t value) {
    return "the value " + std::to_string(value) + " where " + std::to_string(object.answered) + " increments of " +
           std::to_string(object.asked) + " were answered";
  }

  static std::size_t content_length(std::string_view head) {
    constexpr std::string_view kName = "\r\nContent-Length: ";
    std::size_t length = 0;
    for (auto at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at + 2)) {
      if (head.size() - at <= kName.size() || ::strncasecmp(head.data() + at, kName.data(), kName.size()) != 0)
        continue;
      std::from_chars(head.data() + at + kName.size(), head.data() + head.size(), length);
    }
    return length;
  }

  void answered(Connection& connection, std::string_view answer, std::string_view body) {
    auto& object = *std::exchange(connection.object, nullptr);
    --in_the_air_;
    constexpr std::string_view kValue = "{\"value\":";
    std::uint64_t value = 0;
    if (answer[9] != '2' || !body.starts_with(kValue)) return error(std::string(answer));
    std::from_chars(body.data() + kValue.size(), body.data() + body.size(), value);
    if (o_.mode == Options::Mode::check) {
      if (value < object.answered || value > object.asked) return error(out_of_book(object, value));
    } else {
      if (value <= connection.before) return error("an increment was lost, answered: " + std::string(body));
      object.greatest = std::max(object.greatest, value);
      ++object.answered;
    }
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
    if (std::exchange(connection.object, nullptr) == nullptr) return;
    --in_the_air_;
    error(why);
    connect(connection);
    send(connection);
  }
  void error(const std::string& what) {
    if (errors_++ == 0) first_error_ = what;
  }

  const Options& o_;
  const int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::mt19937_64 random_;
  std::vector<Object> objects_;
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
  load.save_book();
  return load.report() ? 0 : 1;
}
