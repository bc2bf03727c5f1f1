// holdfast bench: HTTP load from one thread, as light as it can be, on the server and on anything that answers a POST.
#include <CLI/CLI.hpp>
#include <array>
#include <bit>
#include <boost/asio.hpp>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <random>

#include "src/cli/cli.hpp"
#include "src/cli/client.hpp"
#include "src/cli/histogram.hpp"
#include "src/cli/open_loop.hpp"
#include "src/cli/terminal.hpp"
#include "src/core/json.hpp"

namespace holdfast::cli {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Steady = std::chrono::steady_clock;

struct BenchOptions {
  Target target;
  std::uint64_t sessions = 10'000;
  unsigned connections = 64;
  std::uint64_t body_bytes = 256;
  double seconds = 10;
  double warmup = 2;
  std::string distribution = "uniform";
  std::string prefix = "bench-";
  std::string json_file;
  bool drain = false;
  double rate = 0;  // arrivals a second; 0: a closed loop
  std::uint64_t deadline_ms = 1'000;
};

// Which session the next request goes to.
class Chooser {
 public:
  explicit Chooser(const BenchOptions& o) : sessions_(o.sessions) {
    if (o.distribution != "zipf") return;
    // Zipf with exponent 1: a table of the cumulated weights, searched by bisection.
    cumulated_.reserve(sessions_);
    double sum = 0;
    for (std::uint64_t i = 1; i <= sessions_; ++i) cumulated_.push_back(sum += 1.0 / static_cast<double>(i));
  }
  std::uint64_t next() {
    if (cumulated_.empty()) return random_() % sessions_;
    const double at = std::uniform_real_distribution<>(0, cumulated_.back())(random_);
    return static_cast<std::uint64_t>(std::lower_bound(cumulated_.begin(), cumulated_.end(), at) - cumulated_.begin());
  }

 private:
  std::uint64_t sessions_;
  std::vector<double> cumulated_;
  std::mt19937_64 random_{42};
};

// What one connection asks, one request after the other.
class Script {
 public:
  virtual ~Script() = default;
  virtual const std::string& request() = 0;
  enum class Step : std::uint8_t {
    item,
    part,
    nothing,
    refused
  };  // a whole item, or a part of one that begins or goes on
  virtual Step answered(int status, std::string_view body) = 0;
};

class Admissions final : public Script {
 public:
  Admissions(const std::vector<std::string>& requests, Chooser& chooser) : requests_(requests), chooser_(chooser) {}
  const std::string& request() override { return requests_[chooser_.next()]; }
  Step answered(int status, std::string_view) override {
    return status >= 200 && status < 300 ? Step::item : Step::refused;
  }

 private:
  const std::vector<std::string>& requests_;
  Chooser& chooser_;
};

// A worker: claims a turn and completes it, which is one item.
class Turns final : public Script {
 public:
  explicit Turns(const BenchOptions& o) : o_(o) { claim(); }
  const std::string& request() override { return request_; }
  Step answered(int status, std::string_view body) override {
    constexpr int kNoContent = 204;
    const bool completed = !delivery_.empty();
    if (completed || status != 200) {
      claim();
      if (status != kNoContent) return Step::refused;
      return completed ? Step::item : Step::nothing;
    }
    delivery_ = member(body, "delivery");
    const std::string lease = member(body, "lease");
    request_ =
        post("/v1/deliveries/" + delivery_ + "/complete", R"({"result":"done"})", "Holdfast-Lease: " + lease + "\r\n");
    return Step::part;
  }

 private:
  void claim() {
    delivery_.clear();
    request_ = post("/v1/claims", R"({"wait_ms":1000})", {});
  }
  [[nodiscard]] std::string post(const std::string& path, const std::string& body, const std::string& headers) const {
    const std::string auth = o_.target.api_key.empty() ? "" : "Authorization: Bearer " + o_.target.api_key + "\r\n";
    return "POST " + path + " HTTP/1.1\r\nHost: " + o_.target.host + "\r\n" + auth + headers +
           "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  // The first member of that name; a delivery begins with both.
  static std::string member(std::string_view body, std::string_view name) {
    const auto begin = body.find("\"" + std::string(name) + "\":\"");
    if (begin == std::string_view::npos) return {};
    const auto text = body.substr(begin + name.size() + 4);
    return std::string(text.substr(0, text.find('"')));
  }

  const BenchOptions& o_;
  std::string request_;
  std::string delivery_;
};

struct Counts {
  Histogram latency;  // microseconds
  std::uint64_t ok = 0;
  std::map<int, std::uint64_t> refused;  // by status; 0: the connection ended
  bool counting = false;
  bool stopping = false;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(asio::io_context& context, const tcp::endpoint& server, std::unique_ptr<Script> script, Counts& counts)
      : socket_(context), server_(server), script_(std::move(script)), counts_(counts) {}

  void start() {
    socket_.async_connect(server_, [self = shared_from_this()](const auto& ec) {
      if (ec) return self->lost();
      self->socket_.set_option(tcp::no_delay(true));
      self->begin_ = Steady::now();
      self->send();
    });
  }

 private:
  void send() {
    if (counts_.stopping) return;
    asio::async_write(socket_, asio::buffer(script_->request()),
                      [self = shared_from_this()](const auto& ec, std::size_t) {
                        if (ec) return self->lost();
                        self->read();
                      });
  }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_.data() + filled_, buffer_.size() - filled_),
                            [self = shared_from_this()](const auto& ec, std::size_t n) {
                              if (ec) return self->lost();
                              self->filled_ += n;
                              self->scan();
                            });
  }

  // Finds the status and the length; the answer is whole when both head and body are there.
  void scan() {
    const std::string_view text(buffer_.data(), filled_);
    const auto head = text.find("\r\n\r\n");
    if (head == std::string_view::npos) return filled_ < buffer_.size() ? read() : lost();
    std::size_t length = 0;
    for (const std::string_view name : {"Content-Length: ", "content-length: "}) {
      const auto at = text.substr(0, head).find(name);
      if (at != std::string_view::npos) std::from_chars(text.data() + at + name.size(), text.data() + head, length);
    }
    const std::size_t whole = head + 4 + length;
    if (whole > buffer_.size()) buffer_.resize(whole);
    if (filled_ < whole) return read();
    int status = 0;
    std::from_chars(text.data() + 9, text.data() + 12, status);
    filled_ = 0;
    const auto step = script_->answered(status, std::string_view(buffer_.data() + head + 4, length));
    const auto now = Steady::now();
    if (counts_.counting && step == Script::Step::item) {
      ++counts_.ok;
      counts_.latency.add(
          static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now - begin_).count()));
    } else if (counts_.counting && step == Script::Step::refused) {
      ++counts_.refused[status];
    }
    if (step != Script::Step::part) begin_ = now;
    send();
  }

  void lost() {
    if (!counts_.stopping) ++counts_.refused[0];
  }

  tcp::socket socket_;
  const tcp::endpoint server_;
  const std::unique_ptr<Script> script_;
  Counts& counts_;
  std::vector<char> buffer_ = std::vector<char>(4'096);
  std::size_t filled_ = 0;
  Steady::time_point begin_;
};

std::vector<std::string> make_requests(const BenchOptions& o) {
  const std::string head = "{\"turn\":{\"kind\":\"prompt\",\"content\":\"";
  const std::string tail = "\"}}";
  const auto fixed = head.size() + tail.size();
  const std::string body = head + std::string(o.body_bytes > fixed ? o.body_bytes - fixed : 1, 'x') + tail;
  const std::string auth = o.target.api_key.empty() ? "" : "Authorization: Bearer " + o.target.api_key + "\r\n";
  std::vector<std::string> requests;
  requests.reserve(o.sessions);
  for (std::uint64_t i = 0; i < o.sessions; ++i)
    requests.push_back(
        "POST /v1/sessions/" + o.prefix + std::to_string(i) + "/messages HTTP/1.1\r\nHost: " + o.target.host + "\r\n" +
        auth + "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  return requests;
}

void report(const BenchOptions& o, const Counts& counts, double seconds) {
  const double rate = static_cast<double>(counts.ok) / seconds;
  const auto ms = [&](double part) { return static_cast<double>(counts.latency.at(part)) / 1'000.0; };
  if (o.drain) std::printf("%u workers, %.1f s\n", o.connections, seconds);
  else
    std::printf("%u connections, %llu sessions (%s), %llu-byte bodies, %.1f s\n", o.connections,
                static_cast<unsigned long long>(o.sessions), o.distribution.c_str(),
                static_cast<unsigned long long>(o.body_bytes), seconds);
  std::printf("%12.0f %s/s\n", rate, o.drain ? "turns" : "requests");
  std::printf("  p50 %.3f  p90 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms\n", ms(0.5), ms(0.9), ms(0.99), ms(0.999),
              ms(1));
  for (const auto& [status, count] : counts.refused)
    std::printf("  %s %d: %llu\n", paint(Colour::red, status == 0 ? "lost connections" : "status").c_str(), status,
                static_cast<unsigned long long>(count));
  if (o.json_file.empty()) return;
  char text[512];
  std::snprintf(text, sizeof text,
                "{\"connections\":%u,\"sessions\":%llu,\"distribution\":\"%s\",\"body_bytes\":%llu,\"seconds\":%.3f,"
                "\"requests_per_second\":%.1f,\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,"
                "\"max_ms\":%.3f,\"errors\":%llu}\n",
                o.connections, static_cast<unsigned long long>(o.sessions), o.distribution.c_str(),
                static_cast<unsigned long long>(o.body_bytes), seconds, rate, ms(0.5), ms(0.9), ms(0.99), ms(0.999),
                ms(1), static_cast<unsigned long long>([&] {
                  std::uint64_t n = 0;
                  for (const auto& [status, count] : counts.refused) n += count;
                  return n;
                }()));
  std::ofstream(o.json_file, std::ios::app) << text;
}

void report(const BenchOptions& o, const OpenLoop::Outcome& outcome) {
  const auto rate = [&](std::uint64_t n) { return static_cast<double>(n) / o.seconds; };
  const auto ms = [&](double part) { return static_cast<double>(outcome.latency.at(part)) / 1'000.0; };
  std::uint64_t refused = 0;
  for (const auto& [status, count] : outcome.refused) refused += count;
  std::printf("%u connections, %.0f arrivals/s, deadline %llu ms, %.1f s\n", o.connections, o.rate,
              static_cast<unsigned long long>(o.deadline_ms), o.seconds);
  std::printf("%12.0f /s acknowledged in time\n", rate(outcome.good));
  std::printf("  late %.0f/s  refused %.0f/s  cut off %.0f/s  not sent %.0f/s  unanswered %.0f/s\n", rate(outcome.late),
              rate(refused), rate(outcome.cut_off), rate(outcome.given_up), rate(outcome.unanswered));
  std::printf("  p50 %.3f  p90 %.3f  p99 %.3f  max %.3f ms from the arrival, of what was acknowledged\n", ms(0.5),
              ms(0.9), ms(0.99), ms(1));
  for (const auto& [status, count] : outcome.refused)
    std::printf("  status %d: %llu\n", status, static_cast<unsigned long long>(count));
  if (o.json_file.empty()) return;
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(),
                "{\"connections\":%u,\"arrivals_per_second\":%.1f,\"seconds\":%.3f,\"deadline_ms\":%llu,"
                "\"good_per_second\":%.1f,\"late_per_second\":%.1f,\"refused_per_second\":%.1f,"
                "\"given_up_per_second\":%.1f,\"cut_off_per_second\":%.1f,\"unanswered_per_second\":%.1f,\"p50_ms\":%."
                "3f,\"p99_ms\":%.3f}\n",
                o.connections, rate(outcome.arrived), o.seconds, static_cast<unsigned long long>(o.deadline_ms),
                rate(outcome.good), rate(outcome.late), rate(refused), rate(outcome.given_up), rate(outcome.cut_off),
                rate(outcome.unanswered), ms(0.5), ms(0.99));
  std::ofstream(o.json_file, std::ios::app) << text.data();
}

int bench_open(const BenchOptions& o) {
  const auto requests = make_requests(o);
  Chooser chooser(o);
  OpenLoop load;
  load.host = o.target.host;
  load.port = o.target.port;
  load.connections = o.connections;
  load.rate = o.rate;
  load.seconds = o.seconds;
  load.warmup = o.warmup;
  load.deadline_ms = o.deadline_ms;
  load.next = [&]() -> const std::string& { return requests[chooser.next()]; };
  const auto outcome = load.run();
  if (!outcome) return complain(kRefused, outcome.error().detail);
  report(o, *outcome);
  return kOk;  // a server that answers nothing in time is a result, too
}

int bench(BenchOptions& o) {
  if (auto ok = o.target.resolve(); !ok) return complain(kUsage, ok.error().detail);
  if (o.rate > 0) return bench_open(o);
  asio::io_context context(1);
  boost::system::error_code ec;
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(o.target.host, o.target.port, ec);
  if (ec || found.empty()) return complain(kRefused, "cannot resolve " + o.target.url + ": " + ec.message());
  const auto requests = o.drain ? std::vector<std::string>() : make_requests(o);
  Chooser chooser(o);
  Counts counts;
  const auto make_script = [&]() -> std::unique_ptr<Script> {
    if (o.drain) return std::make_unique<Turns>(o);
    return std::make_unique<Admissions>(requests, chooser);
  };
  for (unsigned i = 0; i < o.connections; ++i)
    std::make_shared<Connection>(context, found.begin()->endpoint(), make_script(), counts)->start();

  const auto run_for = [&](double seconds, Progress& progress) {
    const auto begin = Steady::now();
    for (double at = 0; at < seconds; at = std::chrono::duration<double>(Steady::now() - begin).count()) {
      context.run_for(std::chrono::milliseconds(100));
      progress.at(static_cast<std::uint64_t>(at * 1'000));
      if (context.stopped()) break;  // every connection ended
    }
    return std::chrono::duration<double>(Steady::now() - begin).count();
  };
  Progress progress("benchmark, ms", static_cast<std::uint64_t>((o.warmup + o.seconds) * 1'000));
  run_for(o.warmup, progress);
  counts.counting = true;
  const double seconds = run_for(o.seconds, progress);
  counts.stopping = true;
  progress.finish();
  if (counts.ok == 0)
    return complain(kRefused, "nothing was answered with success; is a server at " + o.target.url + "?");
  report(o, counts, seconds);
  return counts.refused.empty() ? kOk : kRefused;
}

}  // namespace

void add_bench(CLI::App& app, int& exit) {
  auto o = std::make_shared<BenchOptions>();
  auto* command = app.add_subcommand("bench", "load a server with admissions, and measure");
  o->target.declare(*command);
  command->add_option("--sessions", o->sessions, "how many sessions [10000]")->check(CLI::Range(1, 10'000'000));
  command->add_option("--connections", o->connections, "keep-alive connections [64]")->check(CLI::Range(1, 16'384));
  command->add_option("--body", o->body_bytes, "bytes of a request body [256]")->check(CLI::Range(38, 1 << 20));
  command->add_option("--duration", o->seconds, "seconds that count [10]")->check(CLI::Range(0.1, 86'400.0));
  command->add_option("--warmup", o->warmup, "seconds before that [2]")->check(CLI::Range(0.0, 3'600.0));
  command->add_option("--distribution", o->distribution, "uniform or zipf [uniform]")
      ->check(CLI::IsMember({"uniform", "zipf"}));
  command->add_flag("--drain", o->drain, "work instead: claim and complete the turns that are queued");
  command->add_option("--rate", o->rate, "an open loop: requests arrive at this rate a second, answered or not")
      ->check(CLI::Range(1.0, 1e7))
      ->excludes("--drain");
  command->add_option("--deadline-ms", o->deadline_ms, "after which an answer of the open loop is worthless [1000]")
      ->check(CLI::Range(1, 600'000));
  command->add_option("--prefix", o->prefix, "of the session names [bench-]");
  command->add_option("--json", o->json_file, "append the result as one JSON line to this file");
  command->footer(
      "Examples:\n"
      "  holdfast bench --connections 256                 the server on 127.0.0.1:8080\n"
      "  holdfast bench --drain                           64 workers on what the runs before left\n"
      "  holdfast bench --rate 100000                     overload: what is acknowledged in time, what is refused\n"
      "  holdfast bench --url http://127.0.0.1:9301       anything else that answers this POST, such as the floor\n"
      "\nQueues fill up: give the server --queue-capacity 1000000.\n");
  command->callback([o, &exit] { exit = bench(*o); });
}

}  // namespace holdfast::cli
