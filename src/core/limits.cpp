#include <holdfast/options.hpp>

#include <array>

namespace holdfast {
namespace {

#define HOLDFAST_LIMIT(name) \
  LimitField { #name, &Limits::name }
constexpr std::array kFields{
    HOLDFAST_LIMIT(body_bytes_max),
    HOLDFAST_LIMIT(header_bytes_max),
    HOLDFAST_LIMIT(header_timeout_ms),
    HOLDFAST_LIMIT(body_timeout_ms),
    HOLDFAST_LIMIT(write_timeout_ms),
    HOLDFAST_LIMIT(keep_alive_timeout_ms),
    HOLDFAST_LIMIT(connections_max),
    HOLDFAST_LIMIT(receive_buffer_bytes),
    HOLDFAST_LIMIT(pipeline_delay_ms),
    HOLDFAST_LIMIT(saturation_percent),
    HOLDFAST_LIMIT(event_heartbeat_ms),
    HOLDFAST_LIMIT(stream_buffer_bytes_max),
    HOLDFAST_LIMIT(ticket_ttl_ms),
    HOLDFAST_LIMIT(json_depth_max),
    HOLDFAST_LIMIT(metadata_bytes_max),
    HOLDFAST_LIMIT(content_bytes_max),
    HOLDFAST_LIMIT(attachments_max),
    HOLDFAST_LIMIT(labels_max),
    HOLDFAST_LIMIT(queue_capacity),
    HOLDFAST_LIMIT(queue_capacity_max),
    HOLDFAST_LIMIT(batch_messages_max),
    HOLDFAST_LIMIT(batch_events_max),
    HOLDFAST_LIMIT(list_items_max),
    HOLDFAST_LIMIT(reorder_messages_max),
    HOLDFAST_LIMIT(import_bytes_max),
    HOLDFAST_LIMIT(events_retain_count),
    HOLDFAST_LIMIT(events_retain_ms),
    HOLDFAST_LIMIT(claim_wait_ms_max),
    HOLDFAST_LIMIT(claim_deliveries_max),
    HOLDFAST_LIMIT(lease_ms_min),
    HOLDFAST_LIMIT(lease_ms_max),
    HOLDFAST_LIMIT(wait_ms_max),
    HOLDFAST_LIMIT(interrupt_grace_ms),
    HOLDFAST_LIMIT(lease_expiries_max),
    HOLDFAST_LIMIT(push_timeout_ms),
    HOLDFAST_LIMIT(push_lease_ms),
    HOLDFAST_LIMIT(callback_timeout_ms),
    HOLDFAST_LIMIT(target_concurrency),
    HOLDFAST_LIMIT(target_failures_max),
    HOLDFAST_LIMIT(target_rest_ms),
    HOLDFAST_LIMIT(webhook_overlap_ms),
    HOLDFAST_LIMIT(runtimes_max),
    HOLDFAST_LIMIT(runtime_degraded_ms),
    HOLDFAST_LIMIT(runtime_offline_ms),
    HOLDFAST_LIMIT(reconcile_interval_ms),
    HOLDFAST_LIMIT(live_objects_max),
    HOLDFAST_LIMIT(idle_evict_ms),
    HOLDFAST_LIMIT(in_flight_max),
    HOLDFAST_LIMIT(in_flight_bytes_max),
    HOLDFAST_LIMIT(commit_batch_bytes_max),
    HOLDFAST_LIMIT(sync_slow_ms),
    HOLDFAST_LIMIT(overload_delay_ms),
    HOLDFAST_LIMIT(disk_reserve_bytes),
    HOLDFAST_LIMIT(object_key_bytes_max),
    HOLDFAST_LIMIT(object_value_bytes_max),
    HOLDFAST_LIMIT(object_event_bytes_max),
    HOLDFAST_LIMIT(object_call_ms),
    HOLDFAST_LIMIT(websocket_message_bytes_max),
    HOLDFAST_LIMIT(websocket_attachment_bytes_max),
    HOLDFAST_LIMIT(queue_window_messages),
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
