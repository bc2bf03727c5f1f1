#include "actors/session/verify.hpp"

#include <algorithm>
#include <deque>
#include <set>

#include "storage/codec.hpp"
#include "storage/keys.hpp"
#include "storage/vault.hpp"

namespace holdfast::session {
namespace {

constexpr const char* kRestore =
    "Keep a copy of the store and restore a backup; `holdfast export` saves what can be read of the session.";
constexpr const char* kRebuild =
    "Messages are safe. `holdfast export` it and `holdfast import` the file under another name: that writes its index "
    "anew.";

std::string text(std::uint64_t number) { return std::to_string(number); }

// The rows of a family in the order of their positions, a few at a time.
class Rows {
 public:
  using KeyAt = std::string (*)(const ObjectId&, std::uint64_t);
  Rows(const Reader& reader, Family family, const ObjectId& id, KeyAt key)
      : reader_(reader), family_(family), id_(id), key_(key) {}

  struct Row {
    std::uint64_t position;
    std::string value;
  };
  // The next one; nothing at the end. A store that cannot read ends it too, and leaves `error`.
  const Row* peek() {
    if (rows_.empty() && !ended_) fill();
    return rows_.empty() ? nullptr : &rows_.front();
  }
  void pop() { rows_.pop_front(); }
  std::optional<Error> error;

 private:
  void fill() {
    constexpr std::size_t kRows = 128;
    auto scanned = reader_.scan(family_, {key_(id_, next_), key_(id_, UINT64_MAX)},
                                [&](std::string_view key, std::string_view value) {
                                  rows_.push_back({keys::position_of(key), std::string(value)});
                                  return rows_.size() < kRows ? Visit::next : Visit::stop;
                                });
    ended_ = rows_.size() < kRows;
    if (!scanned) error = std::move(scanned.error());
    if (!rows_.empty()) next_ = rows_.back().position + 1;
  }

  const Reader& reader_;
  const Family family_;
  const ObjectId& id_;
  const KeyAt key_;
  std::uint64_t next_ = 0;
  bool ended_ = false;
  std::deque<Row> rows_;
};

std::uint64_t pointer_in(std::string_view value) {
  Decoder d(value);
  const auto position = d.varint();
  return d.done() ? position : 0;
}

class Verifier {
 public:
  Verifier(const Reader& reader, const ObjectId& id, const Findings& findings)
      : reader_(reader), id_(id), findings_(findings) {}

  void run() {
    if (!read_rows()) return;
    walk();
    walk_ids();
    walk_pointers();
    verify_counts();
    verify_front();
    verify_running();
    verify_index();
    if (found_ == 0) verify_due();  // reads the session as its actor would
  }

 private:
  void found(std::string what, const char* advice) {
    ++found_;
    findings_({"session " + id_.name, std::move(what), advice});
  }

  std::optional<std::string> get(Family family, const std::string& key) {
    auto got = reader_.get(family, key);
    if (got) return std::move(*got);
    found("a row cannot be read: " + got.error().detail, kRestore);
    return std::nullopt;
  }
  bool has(Family family, const std::string& key) { return get(family, key).has_value(); }

  // The marker at `position`, when it is of this message and kind.
  std::optional<Marker> marker_of(std::uint64_t position, std::uint64_t message) {
    const auto value = get(Family::journal, keys::marker(id_, position));
    auto marker = value ? decode_marker(*value) : Result<Marker>(tl::unexpected(Error{}));
    if (!marker || marker->kind == MarkerKind::operation || marker->message != message) return std::nullopt;
    return std::move(*marker);
  }

  bool read_rows() {
    const auto document = get(Family::objects, keys::document(id_));
    if (!document) return false;
    auto decoded = decode_document(*document);
    if (!decoded) return found("its document cannot be decoded", kRestore), false;
    document_ = std::move(*decoded);
    if (document_.deleted) {
      verify_orphan(reader_, id_, findings_);
      return false;
    }
    const auto state = get(Family::objects, keys::state(id_));
    if (!state) return found("it has a document and no state row", kRestore), false;
    auto row = decode_state(*state);
    if (!row) return found("its state row cannot be decoded", kRestore), false;
    state_ = std::move(*row);
    queued_wanted_ = state_.queued;
    seq_wanted_ = state_.last_seq;
    return true;
  }

  // ---- the journal, and the events beside it ----
  void walk() {
    Rows markers(reader_, Family::journal, id_, &keys::marker);
    Rows events(reader_, Family::streams, id_, &keys::event);
    std::uint64_t expected = 1;
    for (;;) {
      const auto* marker = markers.peek();
      const auto* event = events.peek();
      if (marker == nullptr && event == nullptr) break;
      const bool is_marker = event == nullptr || (marker != nullptr && marker->position <= event->position);
      const auto position = is_marker ? marker->position : event->position;
      if (position < expected)
        found("position " + text(position) + " is there twice, as marker and as event", kRestore);
      gap(expected, position);
      expected = position + 1;
      if (is_marker) take_marker(position, marker->value), markers.pop();
      else take_event(position, event->value), events.pop();
    }
    for (const auto* error : {&markers.error, &events.error}) {
      if (*error) found("its rows cannot be read: " + (*error)->detail, kRestore);
    }
    gap(expected, state_.last_position + 1);
  }

  // Nothing stands from `from` to before `to`: fine for events that are no longer kept.
  void gap(std::uint64_t from, std::uint64_t to) {
    if (from >= to || to <= state_.floor) return;
    found("positions " + text(std::max(from, state_.floor)) + " to " + text(to - 1) + " are missing", kRestore);
  }

  void take_event(std::uint64_t position, const std::string& value) {
    if (!decode_stream_event(value)) found("the event at " + text(position) + " cannot be decoded", kRestore);
    if (position > state_.last_position)
      found("the event at " + text(position) + " stands behind the state row", kRestore);
  }

  void take_marker(std::uint64_t position, const std::string& value) {
    const auto marker = decode_marker(value);
    if (!marker) return found("the marker at " + text(position) + " cannot be decoded", kRestore);
    const bool behind = position > state_.last_position;
    switch (marker->kind) {
      case MarkerKind::admitted: take_admission(position, *marker); break;
      case MarkerKind::edited:
      case MarkerKind::transition: take_change(position, *marker); break;
      case MarkerKind::operation:
        if (marker->what == "session.paused" || marker->what == "session.resumed")
          paused_ = marker->what == "session.paused";
        break;
    }
    if (behind && marker->kind != MarkerKind::admitted)
      found("the marker at " + text(position) + " stands behind the state row, and is no admission", kRestore);
  }

  void take_admission(std::uint64_t position, const Marker& marker) {
    const auto& intent = marker.intent;
    if (marker.message != position)
      found("the admission at " + text(position) + " says that it is of " + text(marker.message), kRestore);
    if (intent.seq != seq_ + 1)
      found("message " + intent.id + " has seq " + text(intent.seq) + " behind " + text(seq_), kRestore);
    seq_ = intent.seq;
    if (position > state_.last_position) {
      ++seq_wanted_;
      if (marker.row.state == MessageState::queued) ++queued_wanted_;
    }
    if (position_in(intent.id) != position) {
      const auto pointer = get(Family::journal, keys::message_id(id_, intent.id));
      if (!pointer || pointer_in(*pointer) != position)
        found("message " + intent.id + " cannot be found by its id: the row that leads to " + text(position) +
                  " is missing or leads elsewhere",
              kRestore);
    }
    take_message(position);
  }

  void take_change(std::uint64_t position, const Marker& marker) {
    const auto admission = marker_of(marker.message, marker.message);
    if (marker.message >= position || !admission || admission->kind != MarkerKind::admitted)
      return found("the marker at " + text(position) + " changes a message at " + text(marker.message) +
                       " that was not admitted there",
                   kRestore);
    const auto pointer = get(Family::journal, keys::delivery(id_, marker.message));
    if (!pointer || pointer_in(*pointer) < position)
      found("the latest marker of the message at " + text(marker.message) + " is " + text(position) +
                ", and its pointer leads to " + text(pointer ? pointer_in(*pointer) : 0),
            kRestore);
  }

  // Where a message stands now.
  void take_message(std::uint64_t position) {
    const Journal journal(reader_, id_);
    const auto m = journal.at(position);
    if (!m || journal.failed()) {
      return found("the message at " + text(position) + " cannot be read" +
                       (journal.failed() ? ": " + journal.error().detail : ""),
                   kRestore);
    }
    const auto name = "message " + m->intent.id;
    if (m->row.content != 0) {
      const auto content = marker_of(m->row.content, position);
      if (!content || content->kind != MarkerKind::edited)
        found(name + " has its content at " + text(m->row.content) + ", where no edit of it is", kRestore);
    }
    if (m->row.order != 0) {
      const auto order = marker_of(m->row.order, position);
      if (!order || order->row.order != m->row.order)
        found(name + " has its place from " + text(m->row.order) + ", where no redrive of it is", kRestore);
    }
    switch (m->row.state) {
      case MessageState::queued:
        ++queued_;
        if (m->order() < state_.low && !contains(state_.front, position))
          found(name + " is queued, and stands before the place from which the queue is read", kRestore);
        break;
      case MessageState::dispatched:
      case MessageState::running: {
        const bool known =
            state_.running && (state_.running->position == position || contains(state_.running->steered, position));
        if (!known)
          found(name + " is " + std::string(name_of(m->row.state)) + ", and the state row names another turn or none",
                kRestore);
        break;
      }
      case MessageState::failed:
        if (!has(Family::index, keys::dead_letter({id_, position})))
          found(name + " failed, and is not among the dead letters", kRebuild);
        break;
      case MessageState::merged:
        if (!journal.find(m->row.merged_into))
          found(name + " was merged into " + m->row.merged_into + ", which is not there", kRestore);
        break;
      default: break;
    }
  }

  static bool contains(const std::vector<std::uint64_t>& positions, std::uint64_t position) {
    return std::find(positions.begin(), positions.end(), position) != positions.end();
  }

  // ---- rows that lead into the journal ----
  void walk_ids() {
    const auto from = keys::message_id(id_, {});
    auto to = from;
    ++to.back();
    scan(Family::journal, {from, to}, [&](std::string_view key, std::string_view value) {
      const auto name = std::string(key.substr(from.size()));
      const auto admission = marker_of(pointer_in(value), pointer_in(value));
      if (!admission || admission->kind != MarkerKind::admitted || admission->intent.id != name)
        found("the id " + name + " leads to " + text(pointer_in(value)) + ", where no message of this id was admitted",
              kRestore);
    });
  }

  void walk_pointers() {
    scan(Family::journal, keys::deliveries(id_, 0, UINT64_MAX), [&](std::string_view key, std::string_view value) {
      const auto message = keys::position_of(key);
      const auto latest = marker_of(pointer_in(value), message);
      if (!latest || latest->kind == MarkerKind::admitted)
        found("the pointer of the message at " + text(message) + " leads to " + text(pointer_in(value)) +
                  ", where no change of it is",
              kRestore);
    });
  }

  template <class Each>
  void scan(Family family, const Range& range, const Each& each) {
    const auto scanned = reader_.scan(family, range, [&](std::string_view key, std::string_view value) {
      each(key, value);
      return Visit::next;
    });
    if (!scanned) found("its rows cannot be read: " + scanned.error().detail, kRestore);
  }

  // ---- the state row ----
  void verify_counts() {
    if (seq_ != seq_wanted_)
      found("the state row leads to seq " + text(seq_wanted_) + ", the journal to " + text(seq_), kRestore);
    if (queued_ != queued_wanted_)
      found("the state row leads to " + text(queued_wanted_) + " queued messages, the journal to " + text(queued_),
            kRestore);
    if (paused_ != state_.paused)
      found(std::string("the state row says that it is ") + (state_.paused ? "" : "not ") +
                "paused, the journal otherwise",
            kRestore);
  }

  void verify_front() {
    std::set<std::uint64_t> seen;
    const Journal journal(reader_, id_);
    for (const auto position : state_.front) {
      const auto m = journal.at(position);
      if (!m || m->row.state != MessageState::queued || !seen.insert(position).second)
        found("the front of its queue names the message at " + text(position) + ", which is not queued, or twice",
              kRestore);
    }
    for (const auto position : state_.steers) {
      if (!journal.at(position)) found("a steer at " + text(position) + " is not there", kRestore);
    }
  }

  void verify_running() {
    if (!state_.running) return;
    const auto& running = *state_.running;
    const Journal journal(reader_, id_);
    auto positions = running.steered;
    positions.push_back(running.position);
    for (const auto position : positions) {
      const auto row = journal.latest_row(position);
      if (!row || (row->state != MessageState::dispatched && row->state != MessageState::running))
        found("the state row says that the message at " + text(position) + " runs, and it does not", kRestore);
    }
    if (!running.runtime.empty() && !has(Family::index, keys::held_turn(running.runtime, id_)))
      found("runtime " + running.runtime + " has its turn, and the index of held turns does not say so", kRebuild);
  }

  void verify_index() {
    if (state_.ready) {
      const auto& mark = *state_.ready;
      const auto value = get(Family::index, keys::ready({mark.push, id_.project, mark.priority, mark.at, id_.name}));
      std::string terms;
      encode(terms, terms_of(document_));
      if (!value)
        found("it is ready, and the ready index does not have it: nobody is given its turns",
              "Messages are safe. Pause and resume it: that writes the row anew.");
      else if (*value != terms)
        found("its entry in the ready index has other labels or another target than its document", kRebuild);
    }
    if (state_.armed != 0 && !has(Family::index, keys::alarm({state_.armed, id_})))
      found("its alarm is set, and the index of alarms does not have it: leases, delays and expiries of it do not end",
            kRebuild);
  }

  // What must be in the index for the session to go on by itself.
  void verify_due() {
    auto entity = load(reader_, id_);
    if (!entity) return found("it cannot be loaded: " + entity.error().detail, kRestore);
    const Journal journal(reader_, id_);
    fill_window(*entity, journal, 1);
    const auto& items = entity->window.items;
    const bool may_run = !items.empty() && !state_.paused && !state_.running;
    if (state_.ready) {
      const bool push = document_.delivery && document_.delivery->mode == DeliveryMode::push;
      if (!may_run) found("it is in the ready index with nothing to hand out", kRebuild);
      else if (*state_.ready != ReadyMark{items.front().priority, items.front().admitted_at, push})
        found("it is in the ready index under another message than the next one", kRebuild);
    } else if (may_run && items.front().not_before == 0) {
      found("its next message can be handed out, and it is not in the ready index", kRebuild);
    }
    const auto need = [&](Time at, const char* what) {
      if (at != 0 && (state_.armed == 0 || state_.armed > at))
        found(std::string("no alarm is set in time for ") + what, kRebuild);
    };
    need(entity->state.expiry, "what expires in its queue");
    if (state_.running) need(state_.running->lease_expires_at, "the end of its lease");
    if (state_.running) need(state_.running->interrupt_until, "the end of its interrupt");
    if (may_run && !state_.ready) need(items.front().not_before, "its next message, which waits");
    if (document_.ttl_ms != 0 && entity->state.queued == 0 && !state_.running)
      need(entity->state.updated_at + document_.ttl_ms, "its ttl_ms");
  }

  const Reader& reader_;
  const ObjectId& id_;
  const Findings& findings_;
  Document document_;
  State state_;
  std::uint64_t found_ = 0;
  std::uint64_t seq_ = 0;
  std::uint64_t seq_wanted_ = 0;
  std::uint64_t queued_ = 0;
  std::uint64_t queued_wanted_ = 0;
  bool paused_ = false;
};

// Document and state of the session that an index row names.
struct Named {
  Document document;
  State state;
};
std::optional<Named> named(const Reader& reader, const ObjectId& id) {
  const auto document = reader.get(Family::objects, keys::document(id));
  if (!document || !*document) return std::nullopt;
  auto decoded = decode_document(**document);
  if (!decoded) return std::nullopt;
  Named session{std::move(*decoded), {}};
  if (session.document.deleted) return session;
  const auto state = reader.get(Family::objects, keys::state(id));
  auto row = state && *state ? decode_state(**state) : Result<State>(tl::unexpected(Error{}));
  if (!row) return std::nullopt;
  session.state = std::move(*row);
  return session;
}

void stray(const Findings& findings, const ObjectId& id, std::string_view what) {
  findings({"index", std::string(what) + " of session " + id.name + " is not wanted by it, or there is no such session",
            "No message is lost by it. `holdfast export` and `holdfast import` of the session leave it behind."});
}

}  // namespace

void verify(const Reader& reader, const ObjectId& id, const Findings& findings) {
  Verifier(reader, id, findings).run();
}

void verify_orphan(const Reader& reader, const ObjectId& id, const Findings& findings) {
  constexpr std::array kFamiliesOfRows{Family::objects, Family::journal, Family::streams, Family::vault};
  for (const auto family : kFamiliesOfRows) {
    std::uint64_t rows = 0;
    const auto scanned = reader.scan(family, keys::all_of(id), [&](std::string_view key, std::string_view) {
      if (key != keys::document(id)) ++rows;
      return Visit::next;
    });
    if (!scanned) findings({"session " + id.name, "its rows cannot be read: " + scanned.error().detail, kRestore});
    if (rows == 0) continue;
    const bool secret = family == Family::vault;
    findings({"session " + id.name,
              "it was deleted or never was, and " + text(rows) + " row(s) of it are in " + std::string(name_of(family)),
              secret ? "Secrets of it could still be opened: keep the store private, and tell us how it came to be."
                     : "Keep a copy of the store; if the session should be there, restore a backup."});
  }
}

bool verify_index_row(const Reader& reader, std::string_view key, std::string_view, const Findings& findings) {
  if (const auto ready = keys::parse_ready(key)) {
    const ObjectId id{ready->project, ready->name, {}};
    const auto session = named(reader, id);
    if (!session || session->state.ready != ReadyMark{ready->priority, ready->at, ready->push})
      stray(findings, id, "a ready entry");
    return true;
  }
  if (const auto alarm = keys::parse_alarm(key); alarm && alarm->owner.object_class.empty()) {
    const auto session = named(reader, alarm->owner);
    if (!session || std::max<Time>(session->state.armed, 0) != alarm->at || session->state.armed == 0)
      stray(findings, alarm->owner, "an alarm");
    return true;
  }
  if (const auto callback = keys::parse_callback(key)) {
    const auto session = named(reader, callback->session);
    const Journal journal(reader, callback->session);
    if (session && session->document.deleted) return true;  // dropped when it is due
    const auto m = session ? journal.at(callback->position) : std::nullopt;
    if (!m || !m->intent.callback) stray(findings, callback->session, "a callback");
    return true;
  }
  if (const auto letter = keys::parse_dead_letter(key)) {
    const auto m = Journal(reader, letter->session).at(letter->position);
    if (!m || m->row.state != MessageState::failed) stray(findings, letter->session, "a dead letter");
    return true;
  }
  if (const auto id = keys::session_of_held_turn(key)) {
    const auto session = named(reader, *id);
    if (!session || !session->state.running || keys::held_turn(session->state.running->runtime, *id) != key)
      stray(findings, *id, "a held turn");
    return true;
  }
  return false;
}

}  // namespace holdfast::session
