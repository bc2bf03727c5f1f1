// What a host or the command line can set. Every limit has its unit in its name, a default that is safe, and a row
// in GET /v1/limits.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <holdfast/export.hpp>
#include <holdfast/object.hpp>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

enum class Durability : std::uint8_t {
  synced,    // an answer means fsync returned
  buffered,  // an answer means the operating system has it: survives kill -9, not a power cut
};

struct Limits {
  // http
  std::uint64_t body_bytes_max = 1 << 20;
  std::uint64_t header_bytes_max = 16 << 10;
  std::uint64_t header_timeout_ms = 10'000;
  std::uint64_t body_timeout_ms = 30'000;
  std::uint64_t write_timeout_ms = 30'000;
  std::uint64_t keep_alive_timeout_ms = 60'000;
  std::uint64_t connections_max = 16'384;
  std::uint64_t receive_buffer_bytes = 65'536;  // of a connection, in the kernel; beyond it TCP holds the client back
  std::uint64_t pipeline_delay_ms = 200;        // of a client's own queue, for as long, before it is shed; 0: never
  std::uint64_t saturation_percent = 90;        // of its time that an I/O thread wants before it sheds; 0: always
  std::uint64_t event_heartbeat_ms = 15'000;
  std::uint64_t stream_buffer_bytes_max = 1
                                          << 20;  // of events on their way to one reader; more are read when they left
  std::uint64_t ticket_ttl_ms = 60'000;
  std::uint64_t json_depth_max = 64;
  // documents
  std::uint64_t metadata_bytes_max = 64 << 10;
  std::uint64_t content_bytes_max = 256 << 10;
  std::uint64_t attachments_max = 64;
  std::uint64_t labels_max = 64;
  // sessions
  std::uint64_t queue_capacity = 1'000;  // of a session that names none
  std::uint64_t queue_capacity_max = std::uint64_t{1} << 31;
  std::uint64_t batch_messages_max = 100;
  std::uint64_t batch_events_max = 64;
  std::uint64_t list_items_max = 1'000;
  std::uint64_t reorder_messages_max = 1'000;
  std::uint64_t import_bytes_max = 64 << 20;
  std::uint64_t events_retain_count = 0;  // events kept a session; 0: all
  std::uint64_t events_retain_ms = 0;     // 0: for ever
  // drain
  std::uint64_t claim_wait_ms_max = 60'000;
  std::uint64_t claim_deliveries_max = 100;
  std::uint64_t lease_ms_min = 1'000;
  std::uint64_t lease_ms_max = 3'600'000;
  std::uint64_t wait_ms_max = 60'000;
  std::uint64_t interrupt_grace_ms = 10'000;  // how long an interrupted runtime may take to stop
  std::uint64_t lease_expiries_max = 20;      // lost leases of one message before it fails
  std::vector<std::uint64_t> retry_default_ms{2'000, 10'000, 60'000};
  std::vector<std::uint64_t> retry_rate_limited_ms{15'000, 45'000};
  std::vector<std::uint64_t> retry_unreachable_ms{5'000, 5'000, 5'000, 5'000, 5'000, 5'000,
                                                  5'000, 5'000, 5'000, 5'000, 5'000, 5'000};
  std::uint64_t push_timeout_ms = 30'000;  // until a pushed turn must be answered
  std::uint64_t push_lease_ms = 60'000;    // how long a receiver that accepted a turn may be silent
  std::vector<std::uint64_t> callback_retry_ms{60'000, 120'000, 240'000, 480'000};
  std::uint64_t callback_timeout_ms = 10'000;
  std::uint64_t target_concurrency = 32;          // pushes, and callbacks, in the air to one origin
  std::uint64_t target_failures_max = 10;         // in a row; then the origin is left alone for a while
  std::uint64_t target_rest_ms = 5'000;           // this while
  std::uint64_t webhook_overlap_ms = 86'400'000;  // how long the secret before a rotation signs too
  std::uint64_t runtimes_max = 10'000;
  std::uint64_t runtime_degraded_ms = 45'000;  // silent for so long
  std::uint64_t runtime_offline_ms = 120'000;
  std::uint64_t reconcile_interval_ms = 60'000;
  // engine
  std::uint64_t live_objects_max = 100'000;
  std::uint64_t idle_evict_ms = 60'000;
  std::uint64_t in_flight_max = 65'536;
  std::uint64_t in_flight_bytes_max = 256 << 20;
  std::uint64_t commit_batch_bytes_max = 8 << 20;
  std::uint64_t sync_slow_ms = 250;  // a sync that takes longer is told in the log and in the metrics
  std::uint64_t overload_delay_ms =
      1'000;  // of the queue before the sync, for as long, before work is refused; 0: never
  std::uint64_t disk_reserve_bytes = 64 << 20;  // with less free space only what ends or deletes is written; 0: all is
  std::uint64_t object_key_bytes_max = 2'048;
  std::uint64_t object_value_bytes_max = 1 << 20;
  std::uint64_t object_event_bytes_max = 8 << 20;  // that one event of an object writes
  std::uint64_t object_call_ms = 30'000;           // until an object's call of another one must be answered
  std::uint64_t websocket_message_bytes_max = 1 << 20;
  std::uint64_t websocket_attachment_bytes_max = 16 << 10;
  std::uint64_t queue_window_messages = 64;  // queued messages of a live session held in memory
};

// Every scalar limit by its name, in the order above: what GET /v1/limits shows and `holdfast serve` takes as a flag.
struct LimitField {
  std::string_view name;
  std::uint64_t Limits::*field;
  std::string_view meaning;  // a sentence without its full stop; the unit is in the name
};
[[nodiscard]] HOLDFAST_API std::span<const LimitField> limit_fields() noexcept;

// Calls `row(name, value)` for every scalar limit.
HOLDFAST_API void for_each_limit(const Limits& limits, const std::function<void(std::string_view, std::uint64_t)>& row);

enum class LogLevel : std::uint8_t { debug, info, warn, error, off };
enum class LogFormat : std::uint8_t { text, json };

// How far Engine::open has come. Any thread may look while it runs.
struct Recovery {
  enum class Phase : std::uint8_t {
    starting,
    checking_log,  // the end of the write-ahead log is looked at
    replaying,     // the log is read into memory
    loading,       // what is ready and due is read
    done,
  };
  std::atomic<Phase> phase{Phase::starting};
  std::atomic<std::uint64_t> log_bytes{0};       // that are to be replayed
  std::atomic<std::uint64_t> log_bytes_read{0};  // of those
};
[[nodiscard]] HOLDFAST_API std::string_view name_of(Recovery::Phase phase) noexcept;

struct Options {
  std::filesystem::path data = "data";
  Durability durability = Durability::synced;
  std::filesystem::path master_key_file;  // 32 bytes that seal the vault; empty: data/master.key, created 0600
  Limits limits;
  // Private networks that pushes and callbacks may reach, as CIDR ("10.0.0.0/8"); all others are refused.
  std::vector<std::string> egress_allow;
  std::filesystem::path egress_ca_file;  // certificates that TLS targets are checked against; empty: the system's
  std::map<std::string, ObjectClass, std::less<>> classes;  // of objects, by name
  std::shared_ptr<Recovery> recovery;                       // kept up to date while the engine opens; may be empty
  LogLevel log_level = LogLevel::warn;
  LogFormat log_format = LogFormat::text;
  unsigned worker_threads = 1;   // for the drain and for work that has no calling thread
  unsigned turn_threads = 4;     // that run the handlers of Engine::on_turn
  unsigned offload_threads = 4;  // that run what objects defer or run off the actor

  // Objects of class `name` are made as T(). A class name is a name; Engine::open refuses others.
  template <class T>
  void register_class(std::string name, Bodies bodies = Bodies::whole) {
    classes.insert_or_assign(std::move(name), ObjectClass{[] { return std::make_unique<T>(); }, bodies});
  }
};

}  // namespace holdfast
