// Mail: what an object enqueued for another object or a session, on its way there exactly once.
//
// The letter is a row of its sender, written with everything else that the event did, beside a row of the index of what
// is due. The Mailer brings it to the receiver, which writes down that it took it together with what it made of it.
// Only when that is durable the sender strikes its rows out. So a crash anywhere in between brings the letter again,
// and the receiver knows it.
//
// A receiver keeps one record a sender: a floor, below which the sender has nothing left to send, and the numbers taken
// above it. Each letter brings the sender's floor along, so the record stays as small as what is under way.
#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <holdfast/types.hpp>
#include <string>
#include <variant>
#include <vector>

#include "src/core/ids.hpp"
#include "storage/store.hpp"

namespace holdfast::object {

struct Letter {
  ObjectId to;
  std::variant<std::string, AdmitRequest> content;  // for an object, for a session
};
void encode(std::string& out, const Letter& letter);
// Errors: internal (a damaged or newer record).
[[nodiscard]] Result<Letter> decode_letter(std::string_view value);

// The id of a message to a session that was given none: made of who sends it, so that it is the same each time.
[[nodiscard]] std::string letter_id(const ObjectId& from, std::uint64_t seq);

// What was taken of one sender.
class Inbox {
 public:
  // Errors: internal (a damaged or newer record, or a store that cannot read).
  [[nodiscard]] static Result<Inbox> load(const Readable& reader, const ObjectId& owner, const ObjectId& from);
  [[nodiscard]] static Result<Inbox> decode(std::string_view value);
  [[nodiscard]] bool taken(std::uint64_t seq) const noexcept;
  // Takes `seq`, of a sender that has nothing left below `floor`.
  void take(std::uint64_t seq, std::uint64_t floor);
  [[nodiscard]] std::string encoded() const;

 private:
  std::uint64_t floor_ = 0;
  std::vector<std::uint64_t> taken_;  // at or above floor_, in order
};

// The lowest number that `from` has still to send, or `none` when there is nothing.
[[nodiscard]] Result<std::uint64_t> lowest_mail(const Readable& reader, const ObjectId& from, std::uint64_t none);

}  // namespace holdfast::object
