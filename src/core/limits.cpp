#include <holdfast/options.hpp>

namespace holdfast {

void for_each_limit(const Limits& l, const std::function<void(std::string_view, std::uint64_t)>& row) {
#define HOLDFAST_ROW(name) row(#name, l.name)
  HOLDFAST_ROW(body_bytes_max);
  HOLDFAST_ROW(header_bytes_max);
  HOLDFAST_ROW(header_timeout_ms);
  HOLDFAST_ROW(body_timeout_ms);
  HOLDFAST_ROW(write_timeout_ms);
  HOLDFAST_ROW(keep_alive_timeout_ms);
  HOLDFAST_ROW(connections_max);
  HOLDFAST_ROW(event_heartbeat_ms);
  HOLDFAST_ROW(stream_buffer_bytes_max);
  HOLDFAST_ROW(ticket_ttl_ms);
  HOLDFAST_ROW(json_depth_max);
  HOLDFAST_ROW(metadata_bytes_max);
  HOLDFAST_ROW(content_bytes_max);
  HOLDFAST_ROW(attachments_max);
  HOLDFAST_ROW(labels_max);
  HOLDFAST_ROW(queue_capacity);
  HOLDFAST_ROW(queue_capacity_max);
  HOLDFAST_ROW(batch_messages_max);
  HOLDFAST_ROW(batch_events_max);
  HOLDFAST_ROW(list_items_max);
  HOLDFAST_ROW(reorder_messages_max);
  HOLDFAST_ROW(import_bytes_max);
  HOLDFAST_ROW(events_retain_count);
  HOLDFAST_ROW(events_retain_ms);
  HOLDFAST_ROW(claim_wait_ms_max);
  HOLDFAST_ROW(claim_deliveries_max);
  HOLDFAST_ROW(lease_ms_min);
  HOLDFAST_ROW(lease_ms_max);
  HOLDFAST_ROW(wait_ms_max);
  HOLDFAST_ROW(live_objects_max);
  HOLDFAST_ROW(idle_evict_ms);
  HOLDFAST_ROW(in_flight_max);
  HOLDFAST_ROW(in_flight_bytes_max);
  HOLDFAST_ROW(commit_batch_bytes_max);
  HOLDFAST_ROW(queue_window_messages);
#undef HOLDFAST_ROW
}

}  // namespace holdfast
