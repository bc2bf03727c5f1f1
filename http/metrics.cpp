#include "http/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace holdfast::http {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// One writer a cell: no read-modify-write is needed.
void bump(std::atomic<std::uint64_t>& cell, std::uint64_t by) noexcept {
  cell.store(cell.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

MetricFamily family(std::string name, std::string help, MetricType type) {
  MetricFamily out;
  out.name = std::move(name);
  out.help = std::move(help);
  out.type = type;
  return out;
}

MetricFamily counter(std::string name, std::string help, double value) {
  auto out = family(std::move(name), std::move(help), MetricType::Counter);
  out.metric.emplace_back().counter.value = value;
  return out;
}

MetricFamily gauge(std::string name, std::string help, double value) {
  auto out = family(std::move(name), std::move(help), MetricType::Gauge);
  out.metric.emplace_back().gauge.value = value;
  return out;
}

void add_engine(std::vector<MetricFamily>& out, const EngineStats& s) {
  const auto number = [](std::uint64_t n) { return static_cast<double>(n); };
  out.push_back(counter("holdfast_admitted_total", "Messages admitted.", number(s.admitted)));
  out.push_back(counter("holdfast_replayed_total", "Admissions answered from their record.", number(s.replayed)));
  out.push_back(counter("holdfast_commits_total", "Write sets made durable.", number(s.commits)));
  out.push_back(counter("holdfast_syncs_total", "Batches made durable.", number(s.syncs)));
  out.push_back(counter("holdfast_sync_seconds_total", "Time in those.", number(s.sync_micros) / 1e6));
  out.push_back(counter("holdfast_deliveries_total", "Turns handed out.", number(s.deliveries)));
  out.push_back(counter("holdfast_completed_total", "Turns completed.", number(s.completed)));
  out.push_back(counter("holdfast_activations_total", "Sessions loaded.", number(s.activations)));
  out.push_back(counter("holdfast_evictions_total", "Sessions unloaded.", number(s.evictions)));
  out.push_back(counter("holdfast_pushes_total", "Turns sent to receivers.", number(s.pushes)));
  out.push_back(counter("holdfast_push_failures_total", "Of those, not answered with a 2xx.", number(s.push_failures)));
  out.push_back(
      gauge("holdfast_push_targets_broken", "Receivers left alone for a while.", number(s.push_targets_broken)));
  out.push_back(counter("holdfast_callbacks_total", "Callbacks done with.", number(s.callbacks)));
  out.push_back(counter("holdfast_callback_failures_total", "Attempts that failed.", number(s.callback_failures)));
  out.push_back(gauge("holdfast_callbacks_outstanding", "Callbacks being sent.", number(s.callbacks_outstanding)));
  out.push_back(gauge("holdfast_turns_running", "Turns in handlers of this process.", number(s.turns_running)));
  out.push_back(gauge("holdfast_runtimes_online", "Runtimes heard of lately.", number(s.runtimes_online)));
  out.push_back(counter("holdfast_reconciles_total", "Passes of the reconciler.", number(s.reconciles)));
  out.push_back(
      counter("holdfast_reconcile_failures_total", "Passes that changed nothing.", number(s.reconcile_failures)));
  out.push_back(gauge("holdfast_reconciled_timestamp_seconds", "When the reconciler last looked at everything.",
                      number(s.reconciled_at) / 1e3));
  out.push_back(gauge("holdfast_disk_free_bytes", "Left on the disk of the store.", number(s.disk_free_bytes)));
  out.push_back(gauge("holdfast_disk_full", "1: what grows the store is refused.", number(s.disk_full)));
  out.push_back(counter("holdfast_disk_refusals_total", "Batches that the disk had no room for at all.",
                        number(s.disk_refusals)));
  out.push_back(gauge("holdfast_live_objects", "Sessions in memory.", number(s.live_objects)));
  out.push_back(gauge("holdfast_in_flight", "Commands being worked on.", number(s.in_flight)));
  out.push_back(gauge("holdfast_waiting_claims", "Claims that wait for a turn.", number(s.waiting_claims)));
  out.push_back(gauge("holdfast_ready_sessions", "Sessions known to be ready.", number(s.ready_sessions)));
}

}  // namespace

Metrics::Metrics(std::span<const Route> routes, unsigned threads) {
  for (const auto& route : routes) {
    const auto method = boost::beast::http::to_string(route.method);
    labels_.push_back(std::string(method.data(), method.size()) + " " + std::string(route.pattern));
  }
  labels_.emplace_back("other");
  for (unsigned i = 0; i < threads; ++i) threads_.push_back(std::make_unique<Cells[]>(labels_.size()));
}

void Metrics::count(unsigned thread, std::size_t route, int status, std::uint64_t micros) noexcept {
  auto& cells = threads_[thread][route == kNoRoute ? labels_.size() - 1 : route];
  bump(cells.by_class[static_cast<std::size_t>(status / 100) % cells.by_class.size()], 1);
  const double seconds = static_cast<double>(micros) / 1e6;
  std::size_t bucket = 0;
  while (bucket < kBucketSeconds.size() && seconds > kBucketSeconds[bucket]) ++bucket;
  bump(cells.buckets[bucket], 1);
  bump(cells.micros, micros);
}

Metrics::Totals Metrics::total(std::size_t row) const {
  Totals sum;
  for (const auto& thread : threads_) {
    const auto& cells = thread[row];
    for (std::size_t i = 0; i < sum.by_class.size(); ++i)
      sum.by_class[i] += cells.by_class[i].load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < sum.buckets.size(); ++i)
      sum.buckets[i] += cells.buckets[i].load(std::memory_order_relaxed);
    sum.micros += cells.micros.load(std::memory_order_relaxed);
  }
  for (const auto n : sum.buckets) sum.count += n;
  return sum;
}

std::string Metrics::render(const EngineStats& stats, std::uint64_t connections) const {
  auto requests = family("holdfast_http_requests_total", "Requests answered.", MetricType::Counter);
  auto seconds = family("holdfast_http_request_seconds", "From the request read to its answer.", MetricType::Histogram);
  for (std::size_t row = 0; row < labels_.size(); ++row) {
    const auto sum = total(row);
    if (sum.count == 0) continue;
    for (std::size_t i = 1; i < sum.by_class.size(); ++i) {
      if (sum.by_class[i] == 0) continue;
      auto& metric = requests.metric.emplace_back();
      metric.label = {{"route", labels_[row]}, {"status", std::to_string(i) + "xx"}};
      metric.counter.value = static_cast<double>(sum.by_class[i]);
    }
    auto& histogram = seconds.metric.emplace_back();
    histogram.label = {{"route", labels_[row]}};
    histogram.histogram.sample_count = sum.count;
    histogram.histogram.sample_sum = static_cast<double>(sum.micros) / 1e6;
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < kBucketSeconds.size(); ++i) {
      cumulative += sum.buckets[i];
      histogram.histogram.bucket.push_back({cumulative, kBucketSeconds[i]});
    }
  }
  std::vector<MetricFamily> families;
  add_engine(families, stats);
  families.push_back(gauge("holdfast_http_connections", "Open connections.", static_cast<double>(connections)));
  families.push_back(std::move(requests));
  families.push_back(std::move(seconds));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace holdfast::http
