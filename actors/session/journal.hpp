// Journal: typed reads of one session's records, over a Reader that shows the store and the session's own writes
// that are still on their way to it.
//
// A read that the store refuses makes the Journal `failed()`; every later read answers "nothing". The caller checks
// once, after it has decided and before anything is written.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "actors/session/entity.hpp"
#include "src/core/ids.hpp"
#include "storage/store.hpp"

namespace holdfast::session {

using Reader = Readable;

// A message as the journal has it.
struct Found {
  std::uint64_t position = 0;
  Intent intent;  // the current one
  Row row;
  [[nodiscard]] std::uint64_t order() const noexcept { return row.order != 0 ? row.order : position; }
};

class Journal {
 public:
  Journal(const Reader& reader, const ObjectId& id) : reader_(reader), id_(id) {}

  // The message with this id, minted or client-chosen.
  [[nodiscard]] std::optional<Found> find(std::string_view message_id) const;
  // The message admitted at `position`.
  [[nodiscard]] std::optional<Found> at(std::uint64_t position) const;
  // The same for a message of the window, with one read if nothing was written about it since its admission.
  [[nodiscard]] std::optional<Found> of(const QueueItem& item) const;
  [[nodiscard]] std::optional<Marker> marker(std::uint64_t position) const;
  // The row of the message admitted at `position`; nothing when it was never changed after its admission.
  [[nodiscard]] std::optional<Row> latest_row(std::uint64_t position) const;
  // The position of the first admission with seq >= `seq`; last_position + 1 when there is none.
  [[nodiscard]] std::uint64_t position_of_seq(std::uint64_t seq, std::uint64_t last_position) const;

  // Admitted messages with from <= position < to, in order, with their current rows.
  void each_message(std::uint64_t from, std::uint64_t to, const std::function<Visit(Found&&)>& visit) const;
  // Queued messages with from <= order < to, in that order.
  void each_queued(std::uint64_t from, std::uint64_t to, const std::function<Visit(Found&&)>& visit) const;
  // Markers with from <= position < to.
  void each_marker(std::uint64_t from, std::uint64_t to, Range::Order order,
                   const std::function<Visit(std::uint64_t, Marker&&)>& visit) const;
  [[nodiscard]] std::optional<std::string> get(Family family, std::string_view key) const;

  [[nodiscard]] bool failed() const noexcept { return error_.has_value(); }
  [[nodiscard]] const Error& error() const noexcept { return *error_; }

 private:
  [[nodiscard]] Found found(std::uint64_t position, Intent intent, Row row) const;
  void note(Error error) const {
    if (!error_) error_ = std::move(error);
  }

  const Reader& reader_;
  const ObjectId& id_;
  mutable std::optional<Error> error_;
};

// Reads up to `query.limit` events after `query.after`: markers and runtime events merged by position.
// `last` is the last position to look at. Errors: cursor_expired, internal.
[[nodiscard]] Result<EventPage> read_events(const Reader& reader, const ObjectId& id, const EventQuery& query,
                                            std::uint64_t floor, std::uint64_t last);

// What activation finds on disk. An entity with document.exists == false is a session that never was.
// Errors: internal.
[[nodiscard]] Result<Entity> load(const Reader& reader, const ObjectId& id);

// Folds one admitted marker behind the state row into the entity: the tail of load, and of every live admission.
void fold_admitted(Entity& entity, std::uint64_t position, const Intent& intent, const Row& row,
                   std::size_t window_max);

// Fills the window from the journal until it is full or complete.
void fill_window(Entity& entity, const Journal& journal, std::size_t window_max);

[[nodiscard]] QueueItem item_of(std::uint64_t position, const Intent& intent, const Row& row) noexcept;

}  // namespace holdfast::session
