// Bodies: parsed JSON -> the typed requests of the Engine, strictly.
//
// An unknown field, a wrong type or a value out of range is invalid_body with the JSON pointer of the place; what is
// over a limit is too_large; a bad name is invalid_name. Nothing is silently ignored. Pure functions, any thread; an
// Element lives until its parser parses again. The body of a session (POST, PUT, PATCH) is the session room's own:
// actors/session/spec.hpp.
#pragma once

#include <holdfast/backup.hpp>
#include <holdfast/error.hpp>
#include <holdfast/options.hpp>
#include <holdfast/types.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/json.hpp"

namespace holdfast::http {

// The body of POST .../messages, or one element of a batch at `pointer`. `body_hash` is the SHA-256 of the RFC 8785
// form of the body without its secrets (git_token, callback headers), as it was sent.
[[nodiscard]] Result<AdmitRequest> admit_request(json::Element body, const Limits& limits,
                                                 const std::string& pointer = {});
// {"messages":[...]}, 1 to batch_messages_max.
[[nodiscard]] Result<std::vector<AdmitRequest>> admit_batch(json::Element body, const Limits& limits);
[[nodiscard]] Result<MessageEdit> message_edit(json::Element body, const Limits& limits);
[[nodiscard]] Result<QueueCommand> queue_command(json::Element body, const Limits& limits);
[[nodiscard]] Result<InterruptScope> interrupt_request(json::Element body);
[[nodiscard]] Result<RuntimeSpec> runtime_spec(json::Element body, const Limits& limits);
[[nodiscard]] Result<ForkRequest> fork_request(json::Element body);
[[nodiscard]] Result<BackupRequest> backup_request(json::Element body);

[[nodiscard]] Result<ClaimRequest> claim_request(json::Element body, const Limits& limits);
// A list of {type, data}; ours (message., session.) are refused.
[[nodiscard]] Result<std::vector<RuntimeEvent>> runtime_events(json::Element body, const Limits& limits);
[[nodiscard]] Result<Completion> completion(json::Element body, const Limits& limits);
[[nodiscard]] Result<FailReport> fail_report(json::Element body);

}  // namespace holdfast::http
