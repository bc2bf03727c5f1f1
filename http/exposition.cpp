#include "http/exposition.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace holdfast::http {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr double kMs = 1e-3;
constexpr double kMicro = 1e-6;

// One number of the engine: its name, what it says, how it is read.
struct Row {
  MetricType type;
  const char* name;
  const char* help;
  double (*of)(const EngineStats&);
};

template <auto Field>
double plain(const EngineStats& s) {
  return static_cast<double>(s.*Field);
}
template <auto Field>
double committed(const EngineStats& s) {
  return static_cast<double>(s.commit.*Field);
}
template <auto Field>
double stored(const EngineStats& s) {
  return static_cast<double>(s.store.*Field);
}

constexpr auto kCounter = MetricType::Counter;
constexpr auto kGauge = MetricType::Gauge;
using E = EngineStats;
using C = CommitStats;
using S = StoreStats;

constexpr Row kRows[] = {
    {kCounter, "holdfast_admitted_total", "Messages admitted.", plain<&E::admitted>},
    {kCounter, "holdfast_replayed_total", "Admissions answered from their record.", plain<&E::replayed>},
    {kCounter, "holdfast_deliveries_total", "Turns handed out.", plain<&E::deliveries>},
    {kCounter, "holdfast_completed_total", "Turns completed.", plain<&E::completed>},
    {kCounter, "holdfast_retries_total", "Turns that went back to their queue, to be tried again.", plain<&E::retries>},
    {kCounter, "holdfast_dead_letters_total", "Messages that ended failed.", plain<&E::dead_letters>},
    {kGauge, "holdfast_waiting_claims", "Claims that wait for a turn.", plain<&E::waiting_claims>},
    {kGauge, "holdfast_ready_sessions", "Sessions known to be ready.", plain<&E::ready_sessions>},
    {kGauge, "holdfast_turns_running", "Turns in handlers of this process.", plain<&E::turns_running>},
    {kGauge, "holdfast_runtimes_online", "Runtimes heard of lately.", plain<&E::runtimes_online>},

    {kCounter, "holdfast_pushes_total", "Turns sent to receivers.", plain<&E::pushes>},
    {kCounter, "holdfast_push_failures_total", "Of those, not answered with a 2xx.", plain<&E::push_failures>},
    {kGauge, "holdfast_push_targets_broken", "Receivers left alone for a while.", plain<&E::push_targets_broken>},
    {kCounter, "holdfast_callbacks_total", "Callbacks done with.", plain<&E::callbacks>},
    {kCounter, "holdfast_callback_failures_total", "Attempts that failed.", plain<&E::callback_failures>},
    {kGauge, "holdfast_callbacks_outstanding", "Callbacks being sent.", plain<&E::callbacks_outstanding>},
    {kGauge, "holdfast_callbacks_due", "Callbacks to be sent, now or later; as far as memory holds them.",
     plain<&E::callbacks_due>},
    {kGauge, "holdfast_alarms_due", "Alarms that are set; as far as memory holds them.", plain<&E::alarms_due>},
    {kGauge, "holdfast_mail_due", "Messages of objects to be delivered; as far as memory holds them.",
     plain<&E::mail_due>},

    {kGauge, "holdfast_live_objects", "Sessions and objects in memory.", plain<&E::live_objects>},
    {kCounter, "holdfast_activations_total", "Sessions and objects loaded.", plain<&E::activations>},
    {kCounter, "holdfast_evictions_total", "Sessions and objects let go.", plain<&E::evictions>},
    {kGauge, "holdfast_mailbox_envelopes", "Envelopes in the mailboxes of actors.", plain<&E::mailbox_envelopes>},
    {kGauge, "holdfast_mailbox_largest", "Envelopes in the fullest mailbox of those used lately.",
     plain<&E::mailbox_largest>},
    {kGauge, "holdfast_in_flight", "Commands being worked on.", plain<&E::in_flight>},
    {kGauge, "holdfast_in_flight_bytes", "Bytes of those.", plain<&E::in_flight_bytes>},
    {kCounter, "holdfast_reconciles_total", "Passes of the reconciler.", plain<&E::reconciles>},
    {kCounter, "holdfast_reconcile_failures_total", "Passes that could not read what a runtime holds.",
     plain<&E::reconcile_failures>},

    {kCounter, "holdfast_commits_total", "Write sets made durable.", committed<&C::commits>},
    {kCounter, "holdfast_syncs_total", "Batches made durable.", committed<&C::syncs>},
    {kGauge, "holdfast_commit_queue", "Write sets handed in and not durable yet.", committed<&C::queued>},
    {kCounter, "holdfast_slow_syncs_total", "Syncs that took longer than sync_slow_ms.", committed<&C::slow_syncs>},
    {kCounter, "holdfast_overloads_total", "Times that the queue before the sync was found standing.",
     committed<&C::overloads>},

    {kGauge, "holdfast_store_log_bytes", "The write-ahead log on disk, with the room ahead of its end.",
     stored<&S::log_bytes>},
    {kGauge, "holdfast_store_memtable_bytes", "RocksDB: memtables.", stored<&S::memtable_bytes>},
    {kGauge, "holdfast_store_table_bytes", "RocksDB: table files.", stored<&S::table_bytes>},
    {kGauge, "holdfast_store_level0_files", "RocksDB: files at level 0, of all families.", stored<&S::level0_files>},
    {kGauge, "holdfast_store_pending_compaction_bytes", "RocksDB: bytes that compaction has to rewrite.",
     stored<&S::pending_compaction_bytes>},
    {kGauge, "holdfast_store_block_cache_bytes", "RocksDB: block cache.", stored<&S::block_cache_bytes>},
    {kGauge, "holdfast_store_delayed_write_rate_bytes", "RocksDB: bytes a second that writes are slowed to; 0: not.",
     stored<&S::delayed_write_rate>},
    {kGauge, "holdfast_store_writes_stopped", "RocksDB: 1 while writes wait for compaction.",
     stored<&S::writes_stopped>},
    {kCounter, "holdfast_store_slowdowns_total", "RocksDB: times that writes were slowed.", stored<&S::slowdowns>},
    {kCounter, "holdfast_store_stops_total", "RocksDB: times that writes were stopped.", stored<&S::stops>},
    {kGauge, "holdfast_disk_free_bytes", "Free space where the data directory is.", stored<&S::disk_free_bytes>},
    {kGauge, "holdfast_disk_full", "1: what grows the store is refused.", plain<&E::disk_full>},
    {kCounter, "holdfast_disk_refusals_total", "Batches that the disk had no room for at all.",
     committed<&C::refusals>},
};

MetricFamily histogram(std::string name, std::string help, const Distribution& distribution) {
  auto out = family(std::move(name), std::move(help), MetricType::Histogram);
  (void)add(out, distribution);
  return out;
}

double age_seconds(std::uint64_t at_ms) {
  if (at_ms == 0) return 0;
  using namespace std::chrono;
  const auto now = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  return std::max(0.0, (static_cast<double>(now) - static_cast<double>(at_ms)) * kMs);
}

void add_disk(Families& out, const CommitStats& commit, const Limits& limits) {
  const bool slow = commit.writing_ms > limits.sync_slow_ms || commit.last_sync_micros > limits.sync_slow_ms * 1'000;
  out.push_back(gauge("holdfast_disk_slow",
                      "1 when the last sync, or the one under way, took longer than sync_slow_ms.", slow ? 1 : 0));
  out.push_back(gauge("holdfast_sync_under_way_seconds", "How long the sync under way has been; 0: none is.",
                      static_cast<double>(commit.writing_ms) * kMs));
  out.push_back(
      counter("holdfast_sync_seconds_total", "Time in syncs.", static_cast<double>(commit.sync_micros) * kMicro));
  out.push_back(histogram("holdfast_sync_seconds", "One write and sync of the log.", commit.sync_seconds));
  out.push_back(histogram("holdfast_batch_commits", "Write sets of one sync.", commit.batch_commits));
  out.push_back(histogram("holdfast_batch_bytes", "Bytes of one sync.", commit.batch_bytes));
  out.push_back(histogram("holdfast_gate_seconds", "From handing in a write set until its answer may leave.",
                          commit.gate_seconds));
}

}  // namespace

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

ClientMetric& add(MetricFamily& into, const Distribution& distribution) {
  auto& metric = into.metric.emplace_back();
  std::uint64_t cumulated = 0;
  for (std::size_t i = 0; i < distribution.bounds.size(); ++i) {
    cumulated += distribution.counts[i];
    metric.histogram.bucket.push_back({cumulated, distribution.bounds[i]});
  }
  metric.histogram.sample_count = cumulated + distribution.counts.back();
  metric.histogram.sample_sum = distribution.sum;
  return metric;
}

void add_engine(Families& out, const EngineStats& stats, const Limits& limits) {
  for (const auto& row : kRows)
    out.push_back(row.type == kCounter ? counter(row.name, row.help, row.of(stats))
                                       : gauge(row.name, row.help, row.of(stats)));
  out.push_back(gauge("holdfast_ready_oldest_age_seconds", "How long the oldest ready message has waited; 0: none is.",
                      age_seconds(stats.ready_oldest_at)));
  out.push_back(gauge("holdfast_reconciled_timestamp_seconds", "When the reconciler last looked at everything.",
                      static_cast<double>(stats.reconciled_at) * kMs));
  add_disk(out, stats.commit, limits);
}

void add_process(Families& out) {
  std::error_code unknown;
  std::uint64_t open = 0;
  for (std::filesystem::directory_iterator file("/proc/self/fd", unknown), end; !unknown && file != end;
       file.increment(unknown))
    ++open;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * kMicro;
  };
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  out.push_back(gauge("process_open_fds", "Open file descriptors.", static_cast<double>(open)));
  out.push_back(gauge("process_max_fds", "How many may be open.", static_cast<double>(files.rlim_cur)));
  out.push_back(gauge("process_resident_memory_bytes", "Resident memory.",
                      static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE))));
  out.push_back(counter("process_cpu_seconds_total", "Processor time, of user and system.",
                        seconds(used.ru_utime) + seconds(used.ru_stime)));
}

}  // namespace holdfast::http
