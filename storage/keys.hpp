// Keys: how things are named on disk. Length-prefixed ids, big-endian numbers; golden bytes in tests/unit/keys_test.
//
//   objects   S <session> d                 the session's document (configuration)
//             S <session> s                 the session's state
//             T <project> <name>            a runtime
//             O <object> m                  an object of a host's class: its alarm, its place in its event stream
//             O <object> k <key>            what it stores
//             O <object> o <seq>            a message to another object or a session, not delivered yet
//             O <object> i <class> <name>   which messages of that object were taken
//   journal   S <session> j <position>      marker: admission, transition or journalled operation
//             S <session> d <position>      position of the latest marker of the message admitted at <position>
//             S <session> i <id>            position of the message with this client-chosen id
//   streams   S <session> e <position>      event sent by a runtime
//             O <object> e <position>       event that an object emitted
//   vault     S <session> k | v <label>     sealed session key; sealed values
//   index     R <project> <9-priority> <at> <session name>   ready to be claimed; value: the session's labels
//             P <project> <9-priority> <at> <session name>   ready to be pushed; value: to which origin
//             A <at> S <session>            alarm due; O <object> for one of a host's
//             D S <session> <position>      failed message that can be redriven
//             C <at> S <session> <position>   callback of a terminal message, due; value: how often it was tried
//             M <at> O <object> <seq>       message of an object, due to be delivered; value: how often it was tried
//             L <project> <runtime> S <session>   a turn that this runtime holds
//   system    "identity" "format" "clean" "key_check"   as storage/open.cpp writes them
//
// <session> is u8 length, project, u8 length, name; <object> is project, class and name in the same way. Positions of
// journal and streams are one sequence.
#pragma once

#include <cstdint>
#include <holdfast/types.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "src/core/ids.hpp"
#include "storage/store.hpp"

namespace holdfast::keys {

inline constexpr std::size_t kPositionBytes = 8;

[[nodiscard]] std::string session_prefix(const ObjectId& id);  // S <session>
[[nodiscard]] std::string document(const ObjectId& id);
[[nodiscard]] std::string state(const ObjectId& id);
[[nodiscard]] std::string marker(const ObjectId& id, std::uint64_t position);
[[nodiscard]] std::string delivery(const ObjectId& id, std::uint64_t position);
[[nodiscard]] std::string message_id(const ObjectId& id, std::string_view message);
[[nodiscard]] std::string event(const ObjectId& id, std::uint64_t position);

[[nodiscard]] Range all_of(const ObjectId& id);                                         // every key with its prefix
[[nodiscard]] Range markers(const ObjectId& id, std::uint64_t from, std::uint64_t to);  // [from, to)
[[nodiscard]] Range deliveries(const ObjectId& id, std::uint64_t from, std::uint64_t to);
[[nodiscard]] Range events(const ObjectId& id, std::uint64_t from, std::uint64_t to);
[[nodiscard]] std::uint64_t position_of(std::string_view key) noexcept;  // the last 8 bytes
// What is before the position in the key of a marker, a delivery or a session's event; empty for any other key. No key
// of another form begins with it, and as a rule those of one run are written in rising order.
[[nodiscard]] std::string_view run_of(std::string_view key) noexcept;

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
  ObjectId owner;
};
[[nodiscard]] std::string alarm(const Alarm& entry);
[[nodiscard]] std::optional<Alarm> parse_alarm(std::string_view key);
[[nodiscard]] Range all_alarms();

struct Callback {
  Time at = 0;
  ObjectId session;
  std::uint64_t position = 0;  // of the message
};
[[nodiscard]] std::string callback(const Callback& entry);
[[nodiscard]] std::optional<Callback> parse_callback(std::string_view key);
[[nodiscard]] Range all_callbacks();

[[nodiscard]] std::string object_meta(const ObjectId& id);
[[nodiscard]] std::string object_value(const ObjectId& id, std::string_view key);
[[nodiscard]] std::string_view object_key(const ObjectId& id, std::string_view stored) noexcept;  // the <key> of it
[[nodiscard]] Range object_values(const ObjectId& id, std::string_view prefix);
[[nodiscard]] std::string object_event(const ObjectId& id, std::uint64_t position);

[[nodiscard]] std::string object_mail(const ObjectId& id, std::uint64_t seq);
[[nodiscard]] Range object_mails(const ObjectId& id);
[[nodiscard]] std::string object_inbox(const ObjectId& id, const ObjectId& from);

struct Mail {
  Time at = 0;  // 0: not tried yet
  ObjectId from;
  std::uint64_t seq = 0;
};
[[nodiscard]] std::string mail(const Mail& entry);
[[nodiscard]] std::optional<Mail> parse_mail(std::string_view key);
[[nodiscard]] Range all_mail();

// When the alarm, callback or message with this key is due.
[[nodiscard]] Time due_at(std::string_view key) noexcept;

struct DeadLetter {
  ObjectId session;
  std::uint64_t position = 0;
};
[[nodiscard]] std::string dead_letter(const DeadLetter& entry);
[[nodiscard]] std::optional<DeadLetter> parse_dead_letter(std::string_view key);
[[nodiscard]] Range dead_letters(const ObjectId& id);
[[nodiscard]] Range dead_letters(std::string_view project);

[[nodiscard]] std::string runtime(std::string_view project, std::string_view name);
[[nodiscard]] Range runtimes(std::string_view project);

// Whose row this key of objects, journal, streams or vault is, and what follows the owner in it: its kind and the rest.
// Nothing for keys that begin otherwise. A session has no class.
struct Owned {
  ObjectId owner;
  std::string_view rest;  // of the key that was asked about; not empty
};
[[nodiscard]] std::optional<Owned> parse_owned(std::string_view key);
[[nodiscard]] Range all_owned(const ObjectId& owner);

// That `runtime` holds the turn of `session`.
[[nodiscard]] std::string held_turn(std::string_view runtime, const ObjectId& session);
[[nodiscard]] std::optional<ObjectId> session_of_held_turn(std::string_view key);
[[nodiscard]] Range held_turns(std::string_view project, std::string_view runtime);

// The session of an `objects` key that ends in 'd'; nothing for other keys.
[[nodiscard]] std::optional<ObjectId> session_of_document(std::string_view key);
// The keys of sessions of a project whose names have `name_length` characters and start with `prefix`, after the name
// `after` (empty: from the start). Names are length-prefixed on disk, so a listing goes length by length. The range
// also holds the state rows; session_of_document tells them apart.
[[nodiscard]] Range documents(std::string_view project, std::size_t name_length, std::string_view prefix,
                              std::string_view after);

}  // namespace holdfast::keys
