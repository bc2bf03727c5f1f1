#include "http/metrics.hpp"

#include <prometheus/text_serializer.h>

#include "http/exposition.hpp"

namespace holdfast::http {
namespace {

using prometheus::MetricType;

constexpr std::array<const char*, kRefusals> kRefusalNames{"connections", "commit_delay", "backlog", "not_ready"};

// One writer a cell: no read-modify-write is needed.
void bump(std::atomic<std::uint64_t>& cell, std::uint64_t by) noexcept {
  cell.store(cell.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace

Metrics::Metrics(std::span<const Route> routes, unsigned threads) {
  for (const auto& route : routes) {
    const auto method = boost::beast::http::to_string(route.method);
    labels_.push_back(std::string(method.data(), method.size()) + " " + std::string(route.pattern));
  }
  labels_.emplace_back("other");
  for (unsigned i = 0; i < threads; ++i) {
    threads_.push_back(std::make_unique<Thread>());
    threads_.back()->routes = std::make_unique<std::array<Cells, kClasses>[]>(labels_.size());
  }
}

void Metrics::count(unsigned thread, std::size_t route, int status, std::uint64_t micros) noexcept {
  auto& cells =
      threads_[thread]
          ->routes[route == kNoRoute ? labels_.size() - 1 : route][static_cast<std::size_t>(status / 100) % kClasses];
  const double seconds = static_cast<double>(micros) / 1e6;
  std::size_t bucket = 0;
  while (bucket < kBucketSeconds.size() && seconds > kBucketSeconds[bucket]) ++bucket;
  bump(cells.buckets[bucket], 1);
  bump(cells.micros, micros);
}

void Metrics::refused(unsigned thread, Refusal why) noexcept {
  bump(threads_[thread]->refused[static_cast<std::size_t>(why)], 1);
}

Distribution Metrics::total(std::size_t row, std::size_t status_class) const {
  Distribution sum{
      {kBucketSeconds.begin(), kBucketSeconds.end()}, std::vector<std::uint64_t>(kBucketSeconds.size() + 1), 0};
  for (const auto& thread : threads_) {
    const auto& cells = thread->routes[row][status_class];
    for (std::size_t i = 0; i < sum.counts.size(); ++i)
      sum.counts[i] += cells.buckets[i].load(std::memory_order_relaxed);
    sum.sum += static_cast<double>(cells.micros.load(std::memory_order_relaxed)) / 1e6;
  }
  return sum;
}

std::string Metrics::render(const EngineStats& stats, const Limits& limits, std::uint64_t connections,
                            bool overloaded) const {
  auto requests = family("holdfast_http_requests_total", "Requests answered.", MetricType::Counter);
  auto seconds = family("holdfast_http_request_seconds", "From the request read to its answer.", MetricType::Histogram);
  for (std::size_t row = 0; row < labels_.size(); ++row) {
    for (std::size_t status = 1; status < kClasses; ++status) {
      const auto sum = total(row, status);
      std::uint64_t count = 0;
      for (const auto n : sum.counts) count += n;
      if (count == 0) continue;
      auto& histogram = add(seconds, sum);
      histogram.label = {{"route", labels_[row]}, {"status", std::to_string(status) + "xx"}};
      auto& metric = requests.metric.emplace_back();
      metric.label = histogram.label;
      metric.counter.value = static_cast<double>(count);
    }
  }
  auto refused =
      family("holdfast_refused_total", "Turned away, by reason: sent again later it may pass.", MetricType::Counter);
  const auto refuse = [&](const char* reason, std::uint64_t count) {
    auto& metric = refused.metric.emplace_back();
    metric.label = {{"reason", reason}};
    metric.counter.value = static_cast<double>(count);
  };
  for (std::size_t i = 0; i < kRefusals; ++i) {
    std::uint64_t count = 0;
    for (const auto& thread : threads_) count += thread->refused[i].load(std::memory_order_relaxed);
    refuse(kRefusalNames[i], count);
  }
  refuse("in_flight", stats.refused_count);
  refuse("in_flight_bytes", stats.refused_bytes);
  auto lag =
      family("holdfast_http_loop_lag_seconds", "How late the timer of an I/O thread was.", MetricType::Histogram);
  for (std::size_t i = 0; i < threads_.size(); ++i)
    add(lag, threads_[i]->lag.read(1e-6)).label = {{"thread", std::to_string(i)}};

  Families families;
  add_engine(families, stats, limits);
  families.push_back(gauge("holdfast_overloaded", "1 while new work is refused because the disk has fallen behind.",
                           overloaded ? 1 : 0));
  families.push_back(std::move(refused));
  families.push_back(gauge("holdfast_http_connections", "Open connections.", static_cast<double>(connections)));
  families.push_back(gauge("holdfast_http_streams", "Open streams of events.", static_cast<double>(streams.load())));
  families.push_back(gauge("holdfast_http_websockets", "Open WebSockets.", static_cast<double>(websockets.load())));
  families.push_back(std::move(lag));
  families.push_back(std::move(requests));
  families.push_back(std::move(seconds));
  add_process(families);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace holdfast::http
