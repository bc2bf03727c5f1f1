#include "http/routes.hpp"

#include <array>

namespace holdfast::http {

std::span<const Route> api_routes() {
  static constexpr std::array kRoutes{
      Route{Verb::post, "/v1/sessions/{s}/messages", &admit_message, Access::operator_only, Load::new_work},
      Route{Verb::get, "/v1/sessions/{s}/messages", &list_messages},
      Route{Verb::post, "/v1/sessions/{s}/messages/batch", &admit_messages, Access::operator_only, Load::new_work},
      Route{Verb::get, "/v1/sessions/{s}/messages/{m}", &get_message},
      Route{Verb::patch, "/v1/sessions/{s}/messages/{m}", &edit_message},
      Route{Verb::delete_, "/v1/sessions/{s}/messages/{m}", &cancel_message},
      Route{Verb::get, "/v1/sessions/{s}/messages/{m}/receipt", &get_receipt},
      Route{Verb::post, "/v1/sessions/{s}/messages/{m}/redrive", &redrive_message},

      Route{Verb::post, "/v1/claims", &claim_deliveries, Access::runtimes},
      Route{Verb::post, "/v1/deliveries/{d}/accept", &accept_delivery, Access::runtimes},
      Route{Verb::post, "/v1/deliveries/{d}/heartbeat", &heartbeat_delivery, Access::runtimes},
      Route{Verb::post, "/v1/deliveries/{d}/events", &append_delivery_events, Access::runtimes},
      Route{Verb::post, "/v1/deliveries/{d}/complete", &complete_delivery, Access::runtimes},
      Route{Verb::post, "/v1/deliveries/{d}/fail", &fail_delivery, Access::runtimes},
      Route{Verb::post, "/v1/deliveries/{d}/release", &release_delivery, Access::runtimes},

      Route{Verb::post, "/v1/sessions", &create_session, Access::operator_only, Load::new_work},
      Route{Verb::get, "/v1/sessions", &list_sessions},
      Route{Verb::post, kImportPath, &import_session, Access::operator_only, Load::new_work},
      Route{Verb::put, "/v1/sessions/{s}", &put_session, Access::operator_only, Load::new_work},
      Route{Verb::get, "/v1/sessions/{s}", &get_session},
      Route{Verb::patch, "/v1/sessions/{s}", &patch_session},
      Route{Verb::delete_, "/v1/sessions/{s}", &delete_session},
      Route{Verb::post, "/v1/sessions/{s}/fork", &fork_session, Access::operator_only, Load::new_work},
      Route{Verb::get, "/v1/sessions/{s}/export", &export_session},
      Route{Verb::post, "/v1/sessions/{s}/queue", &command_queue},
      Route{Verb::post, "/v1/sessions/{s}/interrupt", &interrupt_session},
      Route{Verb::get, "/v1/sessions/{s}/events", &read_events},
      Route{Verb::post, "/v1/sessions/{s}/tickets", &mint_ticket},

      Route{Verb::get, "/v1/runtimes", &list_runtimes},
      Route{Verb::post, "/v1/runtimes/{r}/register", &register_runtime, Access::tickets},
      Route{Verb::post, "/v1/runtimes/{r}/heartbeat", &beat_runtime, Access::runtimes},
      Route{Verb::post, "/v1/runtimes/{r}/rotate", &rotate_runtime, Access::runtimes},
      Route{Verb::post, "/v1/runtimes/{r}/tickets", &mint_runtime_ticket},
      Route{Verb::delete_, "/v1/runtimes/{r}", &remove_runtime},

      Route{kAnyMethod, "/v1/objects/{class}/{o}", &call_object, Access::operator_only, Load::new_work},
      Route{kAnyMethod, "/v1/objects/{class}/{o}/{path*}", &call_object, Access::operator_only, Load::new_work},

      Route{Verb::get, "/livez", &get_livez},
      Route{Verb::get, "/readyz", &get_readyz},
      Route{Verb::get, "/metrics", &get_metrics},
      Route{Verb::get, "/openapi.json", &get_openapi},
      Route{Verb::get, "/errors/{code}", &get_error_page},
      Route{Verb::get, "/v1/limits", &get_limits},
      Route{Verb::get, "/v1/keys/receipts", &get_receipt_keys},
      Route{Verb::post, "/v1/keys/webhooks/rotate", &rotate_webhook_secret},
      Route{Verb::get, "/v1/dead-letters", &list_dead_letters},
      Route{Verb::post, "/v1/backups", &start_backup},
      Route{Verb::get, "/v1/backups", &list_backups},
  };
  return kRoutes;
}

}  // namespace holdfast::http
