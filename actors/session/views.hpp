// Views: what the records of a session look like to a reader. Nothing here writes.
#pragma once

#include <string>

#include "actors/session/journal.hpp"

namespace holdfast::session {

[[nodiscard]] Session session_view(const ObjectId& id, const Entity& entity, const Journal& journal,
                                   const Limits& limits);
// The same when the id of the message that runs or is next is at hand.
[[nodiscard]] Session session_view(const ObjectId& id, const Entity& entity, const Limits& limits, std::string head);
[[nodiscard]] Message message_view(const ObjectId& id, const Intent& intent, const Row& row);
// The same with the place in the queue and what the message waits for, as of `now`.
[[nodiscard]] Message message_view(const ObjectId& id, const Found& found, const Entity& entity, const Journal& journal,
                                   Time now);
// The data of the event that a marker is: the message document as of then.
[[nodiscard]] Json event_data(const Marker& marker, const ObjectId& id, const Journal& journal);

// 1-based place of a queued message in the order of delivery; 0 when it is not queued or too deep to count.
[[nodiscard]] std::uint64_t place_of(std::uint64_t position, std::uint64_t seq, const Entity& entity);
[[nodiscard]] SessionStatus status_of(const State& state) noexcept;
[[nodiscard]] std::uint64_t capacity_of(const Document& document, const Limits& limits) noexcept;
[[nodiscard]] std::string show_hash(std::string_view raw);  // "sha256:<hex>"

}  // namespace holdfast::session
