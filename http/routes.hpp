// Every route of the API: one table, and the handlers it names, by what they are about.
#pragma once

#include <span>
#include <string_view>

#include "http/request.hpp"
#include "http/router.hpp"

namespace holdfast::http {

[[nodiscard]] std::span<const Route> api_routes();

inline constexpr std::string_view kImportPath = "/v1/sessions/import";
inline constexpr std::string_view kObjectsPath = "/v1/objects/";
// Whether the request names a ticket, which then is its only credential.
[[nodiscard]] bool carries_ticket(const Request& request);

// routes_sessions.cpp
Result<void> create_session(Exchange&);
Result<void> put_session(Exchange&);
Result<void> get_session(Exchange&);
Result<void> patch_session(Exchange&);
Result<void> delete_session(Exchange&);
Result<void> list_sessions(Exchange&);
Result<void> fork_session(Exchange&);
Result<void> export_session(Exchange&);
Result<void> import_session(Exchange&);
Result<void> command_queue(Exchange&);
Result<void> interrupt_session(Exchange&);
Result<void> mint_ticket(Exchange&);

// routes_messages.cpp
Result<void> admit_message(Exchange&);
Result<void> admit_messages(Exchange&);
Result<void> list_messages(Exchange&);
Result<void> get_message(Exchange&);
Result<void> edit_message(Exchange&);
Result<void> cancel_message(Exchange&);
Result<void> get_receipt(Exchange&);
Result<void> redrive_message(Exchange&);
Result<void> list_dead_letters(Exchange&);

// routes_events.cpp
Result<void> read_events(Exchange&);

// routes_deliveries.cpp
Result<void> claim_deliveries(Exchange&);
Result<void> accept_delivery(Exchange&);
Result<void> heartbeat_delivery(Exchange&);
Result<void> append_delivery_events(Exchange&);
Result<void> complete_delivery(Exchange&);
Result<void> fail_delivery(Exchange&);
Result<void> release_delivery(Exchange&);

// routes_operations.cpp
Result<void> get_livez(Exchange&);
Result<void> get_readyz(Exchange&);
Result<void> get_metrics(Exchange&);
Result<void> get_openapi(Exchange&);
Result<void> get_limits(Exchange&);
Result<void> get_error_page(Exchange&);
Result<void> get_receipt_keys(Exchange&);
Result<void> rotate_webhook_secret(Exchange&);

// routes_backups.cpp
Result<void> start_backup(Exchange&);
Result<void> list_backups(Exchange&);

// routes_objects.cpp
Result<void> call_object(Exchange&);

// routes_runtimes.cpp
Result<void> list_runtimes(Exchange&);
Result<void> register_runtime(Exchange&);
Result<void> beat_runtime(Exchange&);
Result<void> rotate_runtime(Exchange&);
Result<void> remove_runtime(Exchange&);
Result<void> mint_runtime_ticket(Exchange&);

}  // namespace holdfast::http
