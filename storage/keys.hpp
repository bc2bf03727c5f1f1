// Keys: how things are named on disk. Length-prefixed ids, big-endian numbers; golden bytes in tests/unit/keys_test.
//
//   objects   S <session> d                 the session's document (configuration)
//             S <session> s                 the session's state
//             T <project> <name>            a runtime
//   journal   S <session> j <position>      marker: admission, transition or journalled operation
//             S <session> d <position>      position of the latest marker of the message admitted at <position>
//             S <session> i <id>            position of the message with this client-chosen id
//   streams   S <session> e <position>      event sent by a runtime
//   vault     S <session> k | v <label>     sealed session key; sealed values
//   index     R <project> <9-priority> <at> <session name>   ready to be claimed; value: the session's labels
//             P <project> <9-priority> <at> <session name>   ready to be pushed; value: to which origin
//             A <at> S <session>            alarm due
//             D S <session> <position>      failed message that can be redriven
//             C <at> S <session> <position>   callback of a terminal message, due; value: how often it was tried
//             L <project> <runtime> S <session>   a turn that this runtime holds
//   system    "identity" "format" "clean" "schema/<n>"
//
// <session> is u8 length, project, u8 length, name. Positions of journal and streams are one sequence.
#pragma once

#include <cstdint>
#include <holdfast/types.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "src/core/ids.hpp"
#include "storage/store.hpp"

namespace holdfast::keys {

[[nodiscard]] std::string session_prefix(const SessionId& id);  // S <session>
[[nodiscard]] std::string document(const SessionId& id);
[[nodiscard]] std::string state(const SessionId& id);
[[nodiscard]] std::string marker(const SessionId& id, std::uint64_t position);
[[nodiscard]] std::string delivery(const SessionId& id, std::uint64_t position);
[[nodiscard]] std::string message_id(const SessionId& id, std::string_view message);
[[nodiscard]] std::string event(const SessionId& id, std::uint64_t position);

[[nodiscard]] Range all_of(const SessionId& id);                                         // every key with its prefix
[[nodiscard]] Range markers(const SessionId& id, std::uint64_t from, std::uint64_t to);  // [from, to)
[[nodiscard]] Range deliveries(const SessionId& id, std::uint64_t from, std::uint64_t to);
[[nodiscard]] Range events(const SessionId& id, std::uint64_t from, std::uint64_t to);
[[nodiscard]] std::uint64_t position_of(std::string_view key) noexcept;  // the last 8 bytes

struct Ready {
  bool push = false;
  std::string project;
  std::uint8_t priority = 0;
  Time at = 0;
  std::string name;
};
[[nodiscard]] std::string ready(const Ready& entry);
[[nodiscard]] std::optional<Ready> parse_ready(std::string_view key);
[[nodiscard]] Range all_ready(bool push);

struct Alarm {
  Time at = 0;
  SessionId session;
};
[[nodiscard]] std::string alarm(const Alarm& entry);
[[nodiscard]] std::optional<Alarm> parse_alarm(std::string_view key);
[[nodiscard]] Range all_alarms();

struct Callback {
  Time at = 0;
  SessionId session;
  std::uint64_t position = 0;  // of the message
};
[[nodiscard]] std::string callback(const Callback& entry);
[[nodiscard]] std::optional<Callback> parse_callback(std::string_view key);
[[nodiscard]] Range all_callbacks();

// When the alarm or callback with this key is due.
[[nodiscard]] Time due_at(std::string_view key) noexcept;

struct DeadLetter {
  SessionId session;
  std::uint64_t position = 0;
};
[[nodiscard]] std::string dead_letter(const DeadLetter& entry);
[[nodiscard]] std::optional<DeadLetter> parse_dead_letter(std::string_view key);
[[nodiscard]] Range dead_letters(const SessionId& id);
[[nodiscard]] Range dead_letters(std::string_view project);

[[nodiscard]] std::string runtime(std::string_view project, std::string_view name);
[[nodiscard]] Range runtimes(std::string_view project);

// That `runtime` holds the turn of `session`.
[[nodiscard]] std::string held_turn(std::string_view runtime, const SessionId& session);
[[nodiscard]] std::optional<SessionId> session_of_held_turn(std::string_view key);
[[nodiscard]] Range held_turns(std::string_view project, std::string_view runtime);

// The session of an `objects` key that ends in 'd'; nothing for other keys.
[[nodiscard]] std::optional<SessionId> session_of_document(std::string_view key);
// The keys of sessions of a project whose names have `name_length` characters and start with `prefix`, after the name
// `after` (empty: from the start). Names are length-prefixed on disk, so a listing goes length by length. The range
// also holds the state rows; session_of_document tells them apart.
[[nodiscard]] Range documents(std::string_view project, std::size_t name_length, std::string_view prefix,
                              std::string_view after);

}  // namespace holdfast::keys
