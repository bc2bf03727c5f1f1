#include <holdfast/options.hpp>

#include <array>

namespace holdfast {
namespace {

#define HOLDFAST_LIMIT(name, meaning) \
  LimitField { #name, &Limits::name, meaning }
constexpr std::array kFields{
    HOLDFAST_LIMIT(body_bytes_max, "Of a request's body"),
    HOLDFAST_LIMIT(header_bytes_max, "Request line and header fields together"),
    HOLDFAST_LIMIT(header_timeout_ms, "Until a request's head has arrived"),
    HOLDFAST_LIMIT(body_timeout_ms, "Until a request's body has arrived, or its next part where it is taken in parts"),
    HOLDFAST_LIMIT(write_timeout_ms, "A client that takes nothing for so long is disconnected"),
    HOLDFAST_LIMIT(keep_alive_timeout_ms, "A connection without a request is closed after so long"),
    HOLDFAST_LIMIT(connections_max, "Open at once; further ones are answered 503"),
    HOLDFAST_LIMIT(receive_buffer_bytes, "Of a connection, in the kernel; 0: as many as the kernel likes"),
    HOLDFAST_LIMIT(pipeline_delay_ms,
                   "That a pipelining client's requests wait for each other, for as long without a break, before a "
                   "saturated server sheds them and closes; 0: never"),
    HOLDFAST_LIMIT(saturation_percent,
                   "Of its time that an I/O thread wants when it counts as saturated; 0: it always does"),
    HOLDFAST_LIMIT(event_heartbeat_ms, "A silent event stream sends a comment so often"),
    HOLDFAST_LIMIT(stream_buffer_bytes_max, "Of events on their way to one reader"),
    HOLDFAST_LIMIT(ticket_ttl_ms, "How long a ticket may be redeemed"),
    HOLDFAST_LIMIT(json_depth_max, "Nesting of a body"),
    HOLDFAST_LIMIT(metadata_bytes_max, "Of metadata, and of budget"),
    HOLDFAST_LIMIT(content_bytes_max, "Of content, results and events"),
    HOLDFAST_LIMIT(attachments_max, "Of one message"),
    HOLDFAST_LIMIT(labels_max, "Of one session, runtime or claim; headers of one webhook"),
    HOLDFAST_LIMIT(queue_capacity, "Queued messages of a session that names no number"),
    HOLDFAST_LIMIT(queue_capacity_max, "A session may name fewer than this"),
    HOLDFAST_LIMIT(batch_messages_max, "In one request"),
    HOLDFAST_LIMIT(batch_events_max, "In one request"),
    HOLDFAST_LIMIT(list_items_max, "On one page, which query parameter limit asks for"),
    HOLDFAST_LIMIT(reorder_messages_max, "Named by one reorder"),
    HOLDFAST_LIMIT(import_bytes_max, "Of the body of an import"),
    HOLDFAST_LIMIT(events_retain_count, "Events kept a session; 0: all"),
    HOLDFAST_LIMIT(events_retain_ms, "How long events are kept; 0: for ever"),
    HOLDFAST_LIMIT(claim_wait_ms_max, "How long a claim may wait for turns"),
    HOLDFAST_LIMIT(claim_deliveries_max, "Turns that one claim may take"),
    HOLDFAST_LIMIT(lease_ms_min, "The shortest lease that a claim may ask for"),
    HOLDFAST_LIMIT(lease_ms_max, "The longest lease that a claim may ask for"),
    HOLDFAST_LIMIT(wait_ms_max, "Of Prefer: wait"),
    HOLDFAST_LIMIT(interrupt_grace_ms, "What an interrupted runtime may take to stop"),
    HOLDFAST_LIMIT(lease_expiries_max, "Lost leases of one message before it fails"),
    HOLDFAST_LIMIT(push_timeout_ms, "Until a pushed turn must be answered"),
    HOLDFAST_LIMIT(push_lease_ms, "How long a receiver that accepted a turn may be silent"),
    HOLDFAST_LIMIT(callback_timeout_ms, "Until a callback must be answered"),
    HOLDFAST_LIMIT(target_concurrency, "Pushes, and callbacks, in the air to one origin"),
    HOLDFAST_LIMIT(target_failures_max, "In a row; then the origin is left alone for target_rest_ms"),
    HOLDFAST_LIMIT(target_rest_ms, "How long an origin that failed is left alone"),
    HOLDFAST_LIMIT(webhook_overlap_ms, "How long the secret before a rotation signs too"),
    HOLDFAST_LIMIT(runtimes_max, "Registered at once"),
    HOLDFAST_LIMIT(runtime_degraded_ms, "A runtime that was silent for so long is degraded"),
    HOLDFAST_LIMIT(runtime_offline_ms, "A runtime that was silent for so long is offline"),
    HOLDFAST_LIMIT(reconcile_interval_ms, "How often silent runtimes are looked for"),
    HOLDFAST_LIMIT(live_objects_max, "Sessions and objects in memory; beyond it idle ones leave"),
    HOLDFAST_LIMIT(idle_evict_ms, "A session or object without work leaves memory after so long"),
    HOLDFAST_LIMIT(in_flight_max, "Commands at work at once; further ones are answered 503"),
    HOLDFAST_LIMIT(in_flight_bytes_max, "Of the commands at work at once; further ones are answered 503"),
    HOLDFAST_LIMIT(commit_batch_bytes_max, "Of one group commit"),
    HOLDFAST_LIMIT(sync_slow_ms, "A sync that takes longer is told in the log and in the metrics"),
    HOLDFAST_LIMIT(overload_delay_ms,
                   "That work waits for its sync, for as long without a break, before new work is refused; 0: never"),
    HOLDFAST_LIMIT(disk_reserve_bytes,
                   "With less free space what grows the store is 503 insufficient_storage; 0: the disk may fill up"),
    HOLDFAST_LIMIT(object_key_bytes_max, "Of a key of an object's storage"),
    HOLDFAST_LIMIT(object_value_bytes_max, "Of a value of an object's storage"),
    HOLDFAST_LIMIT(object_event_bytes_max, "That one event of an object writes"),
    HOLDFAST_LIMIT(object_call_ms, "Until an object's call of another one must be answered"),
    HOLDFAST_LIMIT(websocket_message_bytes_max, "Of one message from a client to an object"),
    HOLDFAST_LIMIT(websocket_attachment_bytes_max, "That an object attaches to a connection"),
    HOLDFAST_LIMIT(queue_window_messages, "Queued messages of a live session held in memory"),
};
#undef HOLDFAST_LIMIT

}  // namespace

std::span<const LimitField> limit_fields() noexcept { return kFields; }

std::string_view name_of(Recovery::Phase phase) noexcept {
  switch (phase) {
    case Recovery::Phase::starting: return "starting";
    case Recovery::Phase::checking_log: return "checking_log";
    case Recovery::Phase::replaying: return "replaying";
    case Recovery::Phase::loading: return "loading";
    case Recovery::Phase::done: break;
  }
  return "done";
}

void for_each_limit(const Limits& limits, const std::function<void(std::string_view, std::uint64_t)>& row) {
  for (const auto& field : kFields) row(field.name, limits.*field.field);
}

}  // namespace holdfast
