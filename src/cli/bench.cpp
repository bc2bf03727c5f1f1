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

struct Counts {
  Histogram latency;  // microseconds
  std::uint64_t ok = 0;
  std::map<int, std::uint64_t> refused;  // by status; 0: the connection ended
  bool counting = false;
  bool stopping = false;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(asio::io_context& context, const tcp::endpoint& server, const std::vector<std::string>& requests,
             Chooser& chooser, Counts& counts)
      : socket_(context), server_(server), requests_(requests), chooser_(chooser), counts_(counts) {}

  void start() {
    socket_.async_connect(server_, [self = shared_from_this()](const auto& ec) {
      if (ec) return self->lost();
      self->socket_.set_option(tcp::no_delay(true));
      self->send();
    });
  }

 private:
  void send() {
    if (counts_.stopping) return;
    const auto& request = requests_[chooser_.next()];
    begin_ = Steady::now();
    asio::async_write(socket_, asio::buffer(request), [self = shared_from_this()](const auto& ec, std::size_t) {
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
    if (counts_.counting) {
      if (status >= 200 && status < 300) {
        ++counts_.ok;
        counts_.latency.add(static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - begin_).count()));
      } else {
        ++counts_.refused[status];
      }
    }
    send();
  }

  void lost() {
    if (!counts_.stopping) ++counts_.refused[0];
  }

  tcp::socket socket_;
  const tcp::endpoint server_;
  const std::vector<std::string>& requests_;
  Chooser& chooser_;
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
  std::printf("%u connections, %llu sessions (%s), %llu-byte bodies, %.1f s\n", o.connections,
              static_cast<unsigned long long>(o.sessions), o.distribution.c_str(),
              static_cast<unsigned long long>(o.body_bytes), seconds);
  std::printf("%12.0f requests/s\n", rate);
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

int bench(BenchOptions& o) {
  if (auto ok = o.target.resolve(); !ok) return complain(kUsage, ok.error().detail);
  asio::io_context context(1);
  boost::system::error_code ec;
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(o.target.host, o.target.port, ec);
  if (ec || found.empty()) return complain(kRefused, "cannot resolve " + o.target.url + ": " + ec.message());
  const auto requests = make_requests(o);
  Chooser chooser(o);
  Counts counts;
  for (unsigned i = 0; i < o.connections; ++i)
    std::make_shared<Connection>(context, found.begin()->endpoint(), requests, chooser, counts)->start();

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
  command->add_option("--prefix", o->prefix, "of the session names [bench-]");
  command->add_option("--json", o->json_file, "append the result as one JSON line to this file");
  command->footer(
      "Examples:\n"
      "  holdfast bench --connections 256                 the server on 127.0.0.1:8080\n"
      "  holdfast bench --url http://127.0.0.1:9301       anything else that answers this POST, such as the floor\n"
      "\nQueues fill up: give the server --queue-capacity 1000000.\n");
  command->callback([o, &exit] { exit = bench(*o); });
}

}  // namespace holdfast::cli
