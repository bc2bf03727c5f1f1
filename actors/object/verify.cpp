#include "actors/object/verify.hpp"

#include <algorithm>
#include <map>

#include "actors/object/object.hpp"
#include "actors/session/marker.hpp"
#include "storage/keys.hpp"

namespace holdfast::object {
namespace {

constexpr const char* kRestore = "Keep a copy of the store and restore a backup.";
constexpr const char* kSetAnew =
    "What the object stores is safe. Let its class set the alarm anew, or restore a backup.";

std::string name_of(const ObjectId& id) { return "object " + id.object_class + "/" + id.name; }
std::string text(std::uint64_t number) { return std::to_string(number); }

class Verifier {
 public:
  Verifier(const Readable& reader, const ObjectId& id, const Findings& findings)
      : reader_(reader), id_(id), findings_(findings) {}

  void run() {
    const auto meta = load(reader_, id_);
    if (!meta) return found("its own row cannot be read: " + meta.error().detail, kRestore);
    if (meta->alarm != 0) {
      const auto row = reader_.get(Family::index, keys::alarm({meta->alarm, id_}));
      if (!row || !*row) found("its alarm is set, and the index of alarms does not have it: it never rings", kSetAnew);
    }
    verify_events(meta->last_event);
    verify_outbox(meta->last_mail);
    verify_inbox();
  }

 private:
  void found(std::string what, const char* advice) { findings_({name_of(id_), std::move(what), advice}); }

  template <class Each>
  void scan(Family family, const Range& range, const Each& each) {
    const auto scanned = reader_.scan(family, range, [&](std::string_view key, std::string_view value) {
      each(key, value);
      return Visit::next;
    });
    if (!scanned) found("its rows cannot be read: " + scanned.error().detail, kRestore);
  }

  void verify_events(std::uint64_t last) {
    std::uint64_t expected = 1;
    scan(Family::streams, keys::all_owned(id_), [&](std::string_view key, std::string_view value) {
      const auto position = keys::position_of(key);
      if (position != expected)
        found("its events " + text(expected) + " to " + text(position - 1) + " are missing", kRestore);
      if (!session::decode_stream_event(value)) found("its event " + text(position) + " cannot be decoded", kRestore);
      expected = position + 1;
    });
    if (expected != last + 1)
      found("it counts " + text(last) + " events, and the last one there is " + text(expected - 1), kRestore);
  }

  void verify_outbox(std::uint64_t last) {
    scan(Family::objects, keys::object_mails(id_), [&](std::string_view key, std::string_view value) {
      const auto seq = keys::position_of(key);
      if (!decode_letter(value)) found("its message " + text(seq) + " cannot be decoded", kRestore);
      if (seq > last) found("its message " + text(seq) + " is beyond the last that it counts, " + text(last), kRestore);
    });
  }

  void verify_inbox() {
    const auto whole = keys::all_owned(id_);
    scan(Family::objects, whole, [&](std::string_view key, std::string_view value) {
      const auto owned = keys::parse_owned(key);
      if (owned && owned->rest.front() == 'i' && !Inbox::decode(value))
        found("what it took of a sender cannot be decoded", kRestore);
    });
  }

  const Readable& reader_;
  const ObjectId& id_;
  const Findings& findings_;
};

}  // namespace

void verify(const Readable& reader, const ObjectId& id, const Findings& findings) {
  Verifier(reader, id, findings).run();
}

bool verify_index_row(const Readable& reader, std::string_view key, const Findings& findings) {
  if (const auto alarm = keys::parse_alarm(key); alarm && !alarm->owner.object_class.empty()) {
    const auto meta = load(reader, alarm->owner);
    if (!meta || meta->alarm == 0 || meta->alarm != alarm->at)
      findings(
          {"index", "an alarm of " + name_of(alarm->owner) + " is not wanted by it", "It rings for nothing once."});
    return true;
  }
  if (const auto mail = keys::parse_mail(key)) {
    const auto letter = reader.get(Family::objects, keys::object_mail(mail->from, mail->seq));
    if (!letter || !*letter)
      findings({"index", "message " + text(mail->seq) + " of " + name_of(mail->from) + " is due, and not in its outbox",
                "It was delivered, or lost: look for it at its receiver, and restore a backup if it is not there."});
    return true;
  }
  return false;
}

void verify_outboxes(const Readable& reader, const Findings& findings) {
  constexpr std::size_t kAtOnce = 100'000;
  std::string next = "O";
  while (!next.empty()) {
    std::map<std::pair<ObjectId, std::uint64_t>, int> due;
    std::string from = std::move(next);
    next.clear();
    (void)reader.scan(Family::objects, {from, "P"}, [&](std::string_view key, std::string_view) {
      const auto owned = keys::parse_owned(key);
      if (!owned || owned->rest.front() != 'o') return Visit::next;
      if (due.size() == kAtOnce) {
        next = key;
        return Visit::stop;
      }
      due.emplace(std::pair(owned->owner, keys::position_of(key)), 0);
      return Visit::next;
    });  // a store that cannot read was told of by verify()
    if (due.empty()) return;
    (void)reader.scan(Family::index, keys::all_mail(), [&](std::string_view key, std::string_view) {
      const auto mail = keys::parse_mail(key);
      const auto found = mail ? due.find({mail->from, mail->seq}) : due.end();
      if (found != due.end()) ++found->second;
      return Visit::next;
    });
    for (const auto& [letter, times] : due) {
      if (times == 1) continue;
      findings({name_of(letter.first),
                "its message " + text(letter.second) +
                    (times == 0 ? " is not in the index of what is due" : " is due more than once"),
                times == 0 ? "It is never delivered: restore a backup, or let the class send it again."
                           : "It is sent more often; its receiver takes it once."});
    }
  }
}

}  // namespace holdfast::object
