// What an engine counts: Engine::stats(). Counters are since the start, gauges of now. Taking them costs the caller,
// and next to nothing the engine.
#pragma once

#include <cstdint>
#include <vector>

namespace holdfast {

// How many values fell under each bound. `counts` has one more than `bounds`: those above the last one.
struct Distribution {
  std::vector<double> bounds;         // inclusive, ascending
  std::vector<std::uint64_t> counts;  // of each bucket alone
  double sum = 0;                     // of all values
};

// Of the commit pipeline, which makes write sets durable.
struct CommitStats {
  std::uint64_t commits = 0;      // write sets made durable
  std::uint64_t syncs = 0;        // batches made durable; commits / syncs is the group size
  std::uint64_t sync_micros = 0;  // total time in those
  std::uint64_t queued = 0;       // write sets handed in and not durable yet
  Distribution sync_seconds;      // of one write and sync of the log
  Distribution batch_commits;     // write sets of one sync
  Distribution batch_bytes;       // bytes of one sync
  Distribution gate_seconds;      // from handing in a write set until its answer may leave
  std::uint64_t slow_syncs = 0;   // that took longer than sync_slow_ms
  std::uint64_t writing_ms = 0;   // how long the sync under way has been; 0: none is
  std::uint64_t last_sync_micros = 0;
  std::uint64_t overloads = 0;  // times that its queue was found standing
  std::uint64_t refusals = 0;   // batches for which not even the reserve of the disk had room
};

// Of the store; 0 where it does not know.
struct StoreStats {
  std::uint64_t log_bytes = 0;  // on disk, with the room ahead of the log's end
  std::uint64_t memtable_bytes = 0;
  std::uint64_t table_bytes = 0;
  std::uint64_t level0_files = 0;
  std::uint64_t pending_compaction_bytes = 0;
  std::uint64_t block_cache_bytes = 0;
  std::uint64_t delayed_write_rate = 0;  // bytes a second that writes are slowed to; 0: they are not
  std::uint64_t writes_stopped = 0;      // 1: writes wait until compaction has caught up
  std::uint64_t slowdowns = 0;           // times that writes were slowed
  std::uint64_t stops = 0;               // times that they were stopped
  std::uint64_t disk_free_bytes = 0;
};

struct EngineStats {
  std::uint64_t admitted = 0;
  std::uint64_t replayed = 0;
  std::uint64_t commits = 0;      // as in CommitStats
  std::uint64_t syncs = 0;        // as in CommitStats
  std::uint64_t sync_micros = 0;  // as in CommitStats
  std::uint64_t deliveries = 0;
  std::uint64_t completed = 0;
  std::uint64_t retries = 0;       // turns that went back to their queue, to be tried again
  std::uint64_t dead_letters = 0;  // messages that ended failed
  std::uint64_t activations = 0;
  std::uint64_t evictions = 0;
  std::uint64_t live_objects = 0;
  std::uint64_t mailbox_envelopes = 0;  // that wait in mailboxes, or are being handled
  std::uint64_t mailbox_largest = 0;    // of one actor, among those used lately
  std::uint64_t in_flight = 0;          // commands with a permit
  std::uint64_t in_flight_bytes = 0;
  std::uint64_t refused_count = 0;  // commands that would have passed in_flight_max
  std::uint64_t refused_bytes = 0;  // commands that would have passed in_flight_bytes_max
  std::uint64_t waiting_claims = 0;
  std::uint64_t ready_sessions = 0;   // in the window held in memory
  std::uint64_t ready_oldest_at = 0;  // when the oldest message of those became ready, ms since the epoch; 0: none
  std::uint64_t runtimes_online = 0;
  std::uint64_t pushes = 0;               // turns sent to receivers
  std::uint64_t push_failures = 0;        // of those, not answered with a 2xx
  std::uint64_t push_targets_broken = 0;  // origins that are left alone for a while
  std::uint64_t callbacks = 0;            // done with
  std::uint64_t callback_failures = 0;    // attempts that failed
  std::uint64_t callbacks_outstanding = 0;
  std::uint64_t callbacks_due = 0;       // not sent yet, or to be sent again, in the window held in memory
  std::uint64_t alarms_due = 0;          // in the window held in memory; not all are due by now
  std::uint64_t mail_due = 0;            // of objects
  std::uint64_t turns_running = 0;       // in handlers of this process
  std::uint64_t reconciles = 0;          // passes that looked at everything
  std::uint64_t reconcile_failures = 0;  // passes that could not, and changed nothing
  std::uint64_t reconciled_at = 0;       // when the last one that could ended, ms since the epoch; 0: none yet
  std::uint64_t disk_full = 0;           // 1: less than disk_reserve_bytes is left, and what grows the store is refused
  CommitStats commit;
  StoreStats store;
};

}  // namespace holdfast
