// `holdfast check --deep`, without files: a healthy store has no finding, whatever its sessions went through, and each
// kind of damage that is planted is found.
#include <rapidcheck.h>

#include <catch2/catch.hpp>

#include "actors/object/mail.hpp"
#include "actors/object/object.hpp"
#include "actors/session/journal.hpp"
#include "actors/session/kernel.hpp"
#include "src/engine/verify_store.hpp"
#include "storage/codec.hpp"
#include "storage/keys.hpp"
#include "storage/memory_store.hpp"

namespace holdfast {
namespace {

using session::Lease;

std::string varint(std::uint64_t value) {
  std::string out;
  Encoder(out).varint(value);
  return out;
}

template <class T>
std::string encoded(const T& value) {
  std::string out;
  encode(out, value);
  return out;
}

// One store with one session, commanded as an actor would, and hands that may break in.
class Bench {
 public:
  Bench() { crypto_start(); }

  Result<session::Reply> operator()(const session::Command& command) {
    const session::Context context{id, now, random_, limits, vault_, signer_, "str_test", Durability::synced, store};
    auto step = session::apply(entity, command, context);
    write(step.writes);
    return std::move(step.reply);
  }
  void write(const WriteSet& writes) {
    auto batch = store.make_batch();
    batch->append(writes);
    REQUIRE(store.write(*batch, Durability::synced));
  }
  void put(Family family, std::string key, std::string value) {
    WriteSet writes;
    writes.put(family, std::move(key), std::move(value));
    write(writes);
  }
  void erase(Family family, std::string key) {
    WriteSet writes;
    writes.erase(family, std::move(key));
    write(writes);
  }
  std::string row(Family family, const std::string& key) {
    auto value = store.get(family, key);
    REQUIRE(value);
    REQUIRE(value->has_value());
    return **value;
  }
  std::optional<Lease> dispatch() {
    auto reply = (*this)(session::Dispatch{"r", 10'000, false});
    if (!reply || !std::holds_alternative<session::Handout>(*reply)) return std::nullopt;
    const auto& delivery = std::get<session::Handout>(*reply).delivery;
    auto lease = session::parse_lease(delivery.lease);
    REQUIRE(lease);
    lease->delivery = delivery.delivery;
    return *lease;
  }
  void admit(const std::string& name, std::optional<OnBusy> on_busy = {}, Time not_before = 0) {
    auto request = AdmitRequest::prompt("text of " + name);
    request.id = name;
    request.on_busy = on_busy;
    request.not_before = not_before;
    request.callback = Callback{"https://example.org/called", {}, {}};
    REQUIRE((*this)(session::Admit{{request}, {}}));
  }
  std::uint64_t position(const std::string& message) {
    const auto m = session::Journal(store, id).find(message);
    REQUIRE(m);
    return m->position;
  }
  std::vector<std::string> findings() {
    std::vector<std::string> all;
    const auto seen = verify_store(store, [&](Finding&& f) { all.push_back(f.where + ": " + f.what); }, {});
    CHECK(seen.findings == all.size());
    return all;
  }
  session::State state() { return session::decode_state(row(Family::objects, keys::state(id))).value(); }
  void put_state(const session::State& s) { put(Family::objects, keys::state(id), encoded(s)); }

  ObjectId id{"default", "s", {}};
  Time now = 1'700'000'000'000;
  Limits limits;
  session::Entity entity;
  MemoryStore store;

 private:
  SeededRandom random_{7};
  Vault vault_{Key32{}};
  Signer signer_{Key32{}};
};

// A session that has been through a lot: completed, failed, merged, edited, cancelled and queued messages, a turn that
// runs with a steer, events of its runtime, a secret.
void live_through(Bench& s) {
  SessionSpec spec;
  spec.repository = {RepositoryKind::git, "https://example.org/r.git", "token"};
  REQUIRE(s(session::Put{spec, {}}));
  for (const auto* name : {"done", "failed", "again", "cancelled", "kept"}) s.admit(name);
  auto lease = s.dispatch();
  REQUIRE(lease);
  REQUIRE(s(session::AppendEvents{*lease, {{"output", "1"}, {"output", "2"}}}));
  REQUIRE(s(session::Complete{*lease, {}}));
  lease = s.dispatch();
  REQUIRE(s(session::Fail{*lease, {"x", false, 0, {}}}));
  lease = s.dispatch();
  REQUIRE(s(session::Fail{*lease, {"x", false, 0, {}}}));
  REQUIRE(s(session::Redrive{"again"}));
  REQUIRE(s(session::Cancel{"cancelled", {}}));
  MessageEdit edit;
  edit.turn = R"({"content":"edited","kind":"prompt"})";
  REQUIRE(s(session::Edit{"kept", edit, {}}));
  s.admit("merged", OnBusy::merge);
  REQUIRE(s.dispatch());
  s.admit("steered", OnBusy::steer);
  s.admit("tail");
}

std::string all_of(const std::vector<std::string>& findings) {
  std::string text;
  for (const auto& finding : findings) text += finding + "\n";
  return text;
}

void expect(Bench& s, const std::string& what) {
  const auto findings = all_of(s.findings());
  INFO(findings);
  CHECK(findings.find(what) != std::string::npos);
}

}  // namespace

TEST_CASE("verify: a session that has been through a lot has no finding") {
  Bench s;
  live_through(s);
  CHECK(all_of(s.findings()).empty());
  REQUIRE(s(session::Remove{{}}));
  CHECK(all_of(s.findings()).empty());
}

TEST_CASE("verify: no command leaves a finding behind") {
  rc::check("verify(store) is empty", [] {
    Bench s;
    s.limits.queue_window_messages = *rc::gen::inRange(1, 6);
    s.limits.queue_capacity = 20;
    s.limits.lease_expiries_max = 2;
    s.limits.retry_default_ms = {500};
    s.limits.interrupt_grace_ms = *rc::gen::element<std::uint64_t>(0, 1'000);
    s.limits.events_retain_count = *rc::gen::element<std::uint64_t>(0, 10);
    std::vector<Lease> leases;
    int next = 0;
    const auto some = [&] { return "m" + std::to_string(*rc::gen::inRange(0, next + 1)); };
    const int steps = *rc::gen::inRange(1, 100);
    for (int i = 0; i < steps; ++i) {
      s.now += *rc::gen::inRange(0, 300);
      switch (*rc::gen::inRange(0, 22)) {
        case 0: (void)s(session::Queue{{QueueAction::pause, {}}, {}}); break;
        case 1: (void)s(session::Queue{{QueueAction::resume, {}}, {}}); break;
        case 2: (void)s(session::Queue{{QueueAction::reorder, {some()}}, {}}); break;
        case 3: (void)s(session::Cancel{some(), {}}); break;
        case 4:
        case 5:
          if (const auto lease = s.dispatch()) leases.push_back(*lease);
          break;
        case 6:
          if (!leases.empty()) (void)s(session::Complete{leases.back(), {}});
          break;
        case 7:
          if (!leases.empty()) (void)s(session::Fail{leases.back(), {"x", *rc::gen::arbitrary<bool>(), 0, {}}});
          break;
        case 8:
          if (!leases.empty()) (void)s(session::Release{leases.back()});
          break;
        case 9:
          s.now += *rc::gen::inRange(0, 12'000);
          (void)s(session::Alarm{});
          break;
        case 10: (void)s(session::Redrive{some()}); break;
        case 11:
          if (!leases.empty()) (void)s(session::Beat{leases.back()});
          break;
        case 12:
          if (!leases.empty()) (void)s(session::AppendEvents{leases.back(), {{"output", "1"}, {"output", "2"}}});
          break;
        case 13: (void)s(session::Interrupt{*rc::gen::element(InterruptScope::running, InterruptScope::all)}); break;
        case 14: {
          MessageEdit edit;
          edit.priority = static_cast<std::uint8_t>(*rc::gen::inRange(0, 10));
          if (*rc::gen::arbitrary<bool>()) edit.not_before = s.now + *rc::gen::inRange(0, 2'000);
          (void)s(session::Edit{some(), edit, {}});
          break;
        }
        case 15: (void)s(session::Patch{R"({"labels":{"a":"b"}})", {}}); break;
        case 16: (void)s(session::Queue{{QueueAction::clear, {}}, {}}); break;
        default: {
          auto request = AdmitRequest::prompt("x");
          if (*rc::gen::inRange(0, 4) != 0) request.id = "m" + std::to_string(next++);
          request.on_busy = *rc::gen::element(OnBusy::enqueue, OnBusy::enqueue, OnBusy::merge, OnBusy::replace,
                                              OnBusy::steer, OnBusy::interrupt);
          if (*rc::gen::inRange(0, 5) == 0) request.expires_at = s.now + *rc::gen::inRange(1, 4'000);
          if (*rc::gen::inRange(0, 5) == 0) request.not_before = s.now + *rc::gen::inRange(1, 4'000);
          (void)s(session::Admit{{request}, {}});
        }
      }
    }
    const auto findings = all_of(s.findings());
    RC_LOG() << findings;
    RC_ASSERT(findings.empty());
  });
}

TEST_CASE("verify: a session carried to another name has no finding there either") {
  Bench s;
  live_through(s);
  const auto file = std::get<std::string>(s(session::Export{}).value());
  s.id.name = "copy";
  s.entity = {};
  SECTION("whole") {
    REQUIRE(s(session::Import{file}));
    CHECK(all_of(s.findings()).empty());
  }
  SECTION("a file with a hole, or without its end, is refused") {
    const auto line = file.find('\n', file.size() / 2) + 1;
    auto hole = file;
    hole.erase(line, file.find('\n', line) + 1 - line);
    const auto refused = s(session::Import{hole});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().detail.find("lines that are missing") != std::string::npos);
    const auto cut = s(session::Import{file.substr(0, line)});
    REQUIRE_FALSE(cut);
    CHECK(cut.error().detail.find("cut off") != std::string::npos);
    s.id.name = "s";
    CHECK(all_of(s.findings()).empty());
  }
}

TEST_CASE("verify: damage in the journal of a session is found") {
  Bench s;
  live_through(s);
  const auto journal = [&](std::uint64_t at) { return keys::marker(s.id, at); };
  SECTION("a marker is missing") {
    s.erase(Family::journal, journal(3));
    expect(s, "positions 3 to 3 are missing");
  }
  SECTION("an event is missing") {
    std::string key;
    (void)s.store.scan(Family::streams, {}, [&](auto found, auto) {
      key = found;
      return Visit::stop;
    });
    const auto at = std::to_string(keys::position_of(key));
    s.erase(Family::streams, key);
    expect(s, "positions " + at + " to " + at + " are missing");
  }
  SECTION("the last admission is missing, which no state row counts") {
    s.erase(Family::journal, journal(s.position("tail")));
    expect(s, "the id tail leads to");
  }
  SECTION("a marker cannot be decoded") {
    s.put(Family::journal, journal(2), "?");
    expect(s, "the marker at 2 cannot be decoded");
  }
  SECTION("an event cannot be decoded") {
    std::string key;
    (void)s.store.scan(Family::streams, {}, [&](auto found, auto) {
      key = found;
      return Visit::stop;
    });
    s.put(Family::streams, key, "?");
    expect(s, "cannot be decoded");
  }
  SECTION("a position is there as marker and as event") {
    s.put(Family::streams, keys::event(s.id, 2), encoded(session::StreamEvent{"output", s.now, "1"}));
    expect(s, "position 2 is there twice");
  }
  SECTION("a seq is not dense") {
    auto marker = session::decode_marker(s.row(Family::journal, journal(2))).value();
    marker.intent.seq = 7;
    s.put(Family::journal, journal(2), encoded(marker));
    expect(s, "has seq 7 behind 1");
  }
  SECTION("an admission says that it is of another place") {
    auto marker = session::decode_marker(s.row(Family::journal, journal(2))).value();
    marker.message = 1;
    s.put(Family::journal, journal(2), encoded(marker));
    expect(s, "the admission at 2 says that it is of 1");
  }
  SECTION("a message cannot be found by its id") {
    s.erase(Family::journal, keys::message_id(s.id, "kept"));
    expect(s, "message kept cannot be found by its id");
  }
  SECTION("an id leads to another message") {
    s.put(Family::journal, keys::message_id(s.id, "kept"), varint(1));
    expect(s, "the id kept leads to 1");
  }
  SECTION("an id of no message") {
    s.put(Family::journal, keys::message_id(s.id, "ghost"), varint(4'000));
    expect(s, "the id ghost leads to 4000");
  }
  SECTION("a pointer to the latest marker is missing") {
    s.erase(Family::journal, keys::delivery(s.id, s.position("done")));
    expect(s, "and its pointer leads to 0");
  }
  SECTION("a pointer leads to a marker before the latest") {
    const auto done = s.position("done");
    const auto latest = Decoder(s.row(Family::journal, keys::delivery(s.id, done))).varint();
    std::uint64_t before = 0;
    session::Journal(s.store, s.id).each_marker(1, latest, Range::Order::ascending, [&](auto at, auto&& m) {
      if (m.message == done && m.kind == session::MarkerKind::transition) before = at;
      return Visit::next;
    });
    REQUIRE(before != 0);
    s.put(Family::journal, keys::delivery(s.id, done), varint(before));
    expect(s, "the latest marker of the message at " + std::to_string(done));
  }
  SECTION("a pointer leads to a marker of another message") {
    s.put(Family::journal, keys::delivery(s.id, s.position("done")), varint(s.position("tail")));
    expect(s, "where no change of it is");
  }
  SECTION("a merged message has lost what it was merged into") {
    session::Journal journal_of(s.store, s.id);
    auto marker = journal_of.marker(s.position("merged")).value();
    marker.row.merged_into = "nobody";
    s.put(Family::journal, journal(s.position("merged")), encoded(marker));
    expect(s, "was merged into nobody, which is not there");
  }
  SECTION("something other than an admission stands behind the state row") {
    session::Marker marker;
    marker.kind = session::MarkerKind::operation;
    marker.what = "session.updated";
    marker.data = "{}";
    s.put(Family::journal, journal(s.entity.state.last_position + 1), encoded(marker));
    expect(s, "stands behind the state row, and is no admission");
  }
}

TEST_CASE("verify: a state row that is not the fold of its markers is found") {
  Bench s;
  live_through(s);
  auto state = s.state();
  SECTION("missing") {
    s.erase(Family::objects, keys::state(s.id));
    expect(s, "it has a document and no state row");
  }
  SECTION("unreadable") {
    s.put(Family::objects, keys::state(s.id), "?");
    expect(s, "its state row cannot be decoded");
  }
  SECTION("document unreadable") {
    s.put(Family::objects, keys::document(s.id), "?");
    expect(s, "its document cannot be decoded");
  }
  SECTION("queued") {
    ++state.queued;
    s.put_state(state);
    expect(s, "queued messages, the journal to");
  }
  SECTION("last seq") {
    ++state.last_seq;
    s.put_state(state);
    expect(s, "the state row leads to seq");
  }
  SECTION("last position") {
    state.last_position += 5;
    s.put_state(state);
    expect(s, "are missing");
  }
  SECTION("paused") {
    state.paused = true;
    s.put_state(state);
    expect(s, "the state row says that it is paused");
  }
  SECTION("nobody runs") {
    state.running.reset();
    s.put_state(state);
    expect(s, "and the state row names another turn or none");
  }
  SECTION("another runs") {
    state.running->position = s.position("done");
    s.put_state(state);
    expect(s, "runs, and it does not");
  }
  SECTION("the front of the queue") {
    state.front.push_back(s.position("done"));
    s.put_state(state);
    expect(s, "the front of its queue names");
  }
  SECTION("where the queue begins") {
    state.low = state.last_position + 1;
    s.put_state(state);
    expect(s, "stands before the place from which the queue is read");
  }
  SECTION("no alarm ends the lease") {
    s.erase(Family::index, keys::alarm({state.armed, s.id}));
    state.armed = 0;
    s.put_state(state);
    expect(s, "no alarm is set in time for the end of its lease");
  }
}

TEST_CASE("verify: an index that does not fit its session is found, in both directions") {
  Bench s;
  live_through(s);
  const ObjectId idle{"default", "idle", {}};
  SECTION("a dead letter is missing") {
    s.erase(Family::index, keys::dead_letter({s.id, s.position("failed")}));
    expect(s, "message failed failed, and is not among the dead letters");
  }
  SECTION("a dead letter of a message that did not fail") {
    s.put(Family::index, keys::dead_letter({s.id, s.position("done")}), {});
    expect(s, "a dead letter of session s");
  }
  SECTION("the held turn is missing") {
    s.erase(Family::index, keys::held_turn("r", s.id));
    expect(s, "runtime r has its turn");
  }
  SECTION("a held turn that nobody holds") {
    s.put(Family::index, keys::held_turn("other", s.id), {});
    expect(s, "a held turn of session s");
  }
  SECTION("the alarm is missing") {
    s.erase(Family::index, keys::alarm({s.state().armed, s.id}));
    expect(s, "its alarm is set, and the index of alarms does not have it");
  }
  SECTION("an alarm that is not set") {
    s.put(Family::index, keys::alarm({17, s.id}), {});
    expect(s, "an alarm of session s");
  }
  SECTION("an alarm of no session") {
    s.put(Family::index, keys::alarm({17, idle}), {});
    expect(s, "an alarm of session idle");
  }
  SECTION("a ready entry of a session that runs") {
    s.put(Family::index, keys::ready({false, "default", 0, s.now, "s"}), {});
    expect(s, "a ready entry of session s");
  }
  SECTION("a callback of no message") {
    s.put(Family::index, keys::callback({s.now, s.id, 4'000}), {});
    expect(s, "a callback of session s");
  }
  SECTION("a row of an unknown kind") {
    s.put(Family::index, "Z", {});
    expect(s, "a row of an unknown kind");
  }
  SECTION("a ready session without its entry") {
    REQUIRE(s(session::Queue{{QueueAction::pause, {}}, {}}));
    REQUIRE(s(session::Interrupt{InterruptScope::running}));
    s.now += 20'000;
    REQUIRE(s(session::Alarm{}));
    REQUIRE(s(session::Queue{{QueueAction::resume, {}}, {}}));
    const auto mark = s.state().ready;
    REQUIRE(mark);
    REQUIRE(all_of(s.findings()).empty());
    const auto key = keys::ready({mark->push, "default", mark->priority, mark->at, "s"});
    SECTION("it is gone") {
      s.erase(Family::index, key);
      expect(s, "it is ready, and the ready index does not have it");
    }
    SECTION("it has other labels") {
      s.put(Family::index, key, encoded(session::Terms{{{"gpu", "yes"}}, {}}));
      expect(s, "has other labels");
    }
    SECTION("the state does not know it") {
      auto state = s.state();
      state.ready.reset();
      s.put_state(state);
      expect(s, "a ready entry of session s");
      s.erase(Family::index, key);
      expect(s, "its next message can be handed out, and it is not in the ready index");
    }
  }
}

TEST_CASE("verify: rows of sessions that are not there, and secrets without a key, are found") {
  Bench s;
  live_through(s);
  SECTION("a deleted session has left a secret") {
    const auto key = Vault::value_key(s.id, "git_token");
    const auto sealed = s.row(Family::vault, key);
    const auto own = s.row(Family::vault, Vault::session_key_key(s.id));
    REQUIRE(s(session::Remove{{}}));
    s.put(Family::vault, key, sealed);
    s.put(Family::vault, Vault::session_key_key(s.id), own);
    expect(s, "2 row(s) of it are in vault");
  }
  SECTION("a document is gone") {
    s.erase(Family::objects, keys::document(s.id));
    expect(s, "row(s) of it are in journal");
  }
  SECTION("document and state are gone") {
    s.erase(Family::objects, keys::document(s.id));
    s.erase(Family::objects, keys::state(s.id));
    expect(s, "row(s) of it are in journal");
  }
  SECTION("a session's key is gone") {
    s.erase(Family::vault, Vault::session_key_key(s.id));
    expect(s, "secrets of s are there without their key");
  }
}

TEST_CASE("verify: what does not fit together in an object is found") {
  Bench s;
  const ObjectId id{"default", "a", "counter"};
  const ObjectId other{"default", "b", "counter"};
  {
    // What a handler leaves that set an alarm, emitted twice and enqueued a message.
    WriteSet writes;
    Encoder e(writes.ops.emplace_back(WriteOp{WriteOp::Kind::put, Family::objects, keys::object_meta(id), {}}).value);
    e.u8(1);
    e.varint(5'000);
    e.varint(0);
    e.varint(2);
    e.varint(1);
    writes.put(Family::index, keys::alarm({5'000, id}), {});
    for (std::uint64_t at : {1, 2})
      writes.put(Family::streams, keys::object_event(id, at), encoded(session::StreamEvent{"tick", s.now, "1"}));
    writes.put(Family::objects, keys::object_mail(id, 1), encoded(object::Letter{other, std::string("hello")}));
    writes.put(Family::index, keys::mail({0, id, 1}), {});
    writes.put(Family::objects, keys::object_inbox(id, other), object::Inbox().encoded());
    writes.put(Family::objects, keys::object_value(id, "k"), "v");
    s.write(writes);
  }
  REQUIRE(all_of(s.findings()).empty());
  SECTION("its alarm is missing") {
    s.erase(Family::index, keys::alarm({5'000, id}));
    expect(s, "its alarm is set, and the index of alarms does not have it");
  }
  SECTION("an alarm that it did not set") {
    s.put(Family::index, keys::alarm({6'000, id}), {});
    expect(s, "an alarm of object counter/a is not wanted");
  }
  SECTION("an event is missing") {
    s.erase(Family::streams, keys::object_event(id, 1));
    expect(s, "its events 1 to 1 are missing");
  }
  SECTION("its last event is missing") {
    s.erase(Family::streams, keys::object_event(id, 2));
    expect(s, "it counts 2 events");
  }
  SECTION("a message is not due") {
    s.erase(Family::index, keys::mail({0, id, 1}));
    expect(s, "its message 1 is not in the index of what is due");
  }
  SECTION("a message is due twice") {
    s.put(Family::index, keys::mail({9, id, 1}), varint(1));
    expect(s, "its message 1 is due more than once");
  }
  SECTION("what is due is not in the outbox") {
    s.erase(Family::objects, keys::object_mail(id, 1));
    expect(s, "message 1 of object counter/a is due, and not in its outbox");
  }
  SECTION("a message cannot be decoded") {
    s.put(Family::objects, keys::object_mail(id, 1), "?");
    expect(s, "its message 1 cannot be decoded");
  }
  SECTION("an inbox cannot be decoded") {
    s.put(Family::objects, keys::object_inbox(id, other), "?");
    expect(s, "what it took of a sender cannot be decoded");
  }
  SECTION("its own row cannot be decoded") {
    s.put(Family::objects, keys::object_meta(id), "?");
    expect(s, "its own row cannot be read");
  }
  SECTION("a runtime's row cannot be decoded") {
    s.put(Family::objects, keys::runtime("default", "gpu"), "?");
    expect(s, "a runtime's row cannot be decoded");
  }
}

}  // namespace holdfast
