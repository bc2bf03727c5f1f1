// The session kernel against a store that takes every write at once.
#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <functional>
#include <sstream>

#include "actors/session/journal.hpp"
#include "actors/session/kernel.hpp"
#include "actors/session/merge.hpp"
#include "src/core/crypto.hpp"
#include "src/core/json.hpp"
#include "storage/keys.hpp"
#include "storage/memory_store.hpp"

namespace holdfast::session {
namespace {

class Bench {
 public:
  Bench() { crypto_start(); }

  Result<Reply> operator()(const Command& command) {
    const Context context{id, now, random_, limits, vault_, signer_, "str_test", Durability::synced, store_};
    auto step = apply(entity, command, context);
    if (!step.reply) CHECK(step.writes.empty());
    last = step.effects;
    auto batch = store_.make_batch();
    batch->append(step.writes);
    REQUIRE(store_.write(*batch, Durability::synced));
    writes = step.writes.ops.size();
    return std::move(step.reply);
  }

  template <class T>
  T ask(const Command& command) {
    auto reply = (*this)(command);
    if (!reply) FAIL(name_of(reply.error().code) << ": " << reply.error().detail);
    return std::get<T>(std::move(*reply));
  }

  ErrorCode refused(const Command& command) {
    auto reply = (*this)(command);
    REQUIRE_FALSE(reply);
    return reply.error().code;
  }

  Admitted admit(AdmitRequest request) { return ask<std::vector<Admitted>>(Admit{{std::move(request)}, {}}).front(); }
  Admitted admit(const std::string& name, std::optional<OnBusy> policy = {}, const std::string& author = {}) {
    auto request = AdmitRequest::prompt("text of " + name);
    request.id = name;
    request.on_busy = policy;
    request.author = author;
    return admit(std::move(request));
  }
  Delivery dispatch() { return ask<Handout>(Dispatch{"r1", 10'000}).delivery; }
  Lease lease(const Delivery& d) {
    auto parsed = parse_lease(d.lease);
    REQUIRE(parsed);
    parsed->delivery = d.delivery;
    return *parsed;
  }
  Message message(const std::string& name) { return ask<Message>(ReadMessage{name}); }
  Entity loaded() {
    auto entity_on_disk = load(store_, id);
    REQUIRE(entity_on_disk);
    return std::move(*entity_on_disk);
  }
  std::string everything() {
    std::string all;
    for (int f = 0; f < static_cast<int>(kFamilies); ++f)
      (void)store_.scan(static_cast<Family>(f), {}, [&](auto key, auto value) {
        all += std::string(key) + std::string(value);
        return Visit::next;
      });
    return all;
  }

  ObjectId id{"default", "s"};
  Time now = 1'700'000'000'000;
  Limits limits;
  Entity entity;
  Effects last;
  std::size_t writes = 0;

 private:
  MemoryStore store_;
  SeededRandom random_{7};
  Vault vault_{Key32{}};
  Signer signer_{Key32{}};
};

template <class T>
std::string encoded(const T& value) {
  std::string out;
  encode(out, value);
  return out;
}

}  // namespace

TEST_CASE("an admission behind another one is one record") {
  Bench s;
  s.admit(AdmitRequest::prompt("first"));
  CHECK(s.writes == 4);  // marker, document, state, ready index
  s.admit(AdmitRequest::prompt("second"));
  CHECK(s.writes == 1);
  s.admit("client-id");
  CHECK(s.writes == 2);  // and the index of its id
}

TEST_CASE("what is loaded is what was live, after any commands") {
  rc::check("load(store) == entity", [] {
    Bench s;
    s.limits.queue_window_messages = *rc::gen::inRange(1, 6);
    s.limits.queue_capacity = 20;
    std::vector<Lease> leases;
    int next = 0;
    const int steps = *rc::gen::inRange(1, 80);
    for (int i = 0; i < steps; ++i) {
      switch (*rc::gen::inRange(0, 14)) {
        case 0: (void)s(Queue{{QueueAction::pause, {}}, {}}); break;
        case 1: (void)s(Queue{{QueueAction::resume, {}}, {}}); break;
        case 2:
          (void)s(Queue{{QueueAction::reorder, {"m" + std::to_string(*rc::gen::inRange(0, next + 1))}}, {}});
          break;
        case 3: (void)s(Cancel{"m" + std::to_string(*rc::gen::inRange(0, next + 1)), {}}); break;
        case 4: {
          auto reply = s(Dispatch{"r", 1'000});
          if (reply && std::holds_alternative<Handout>(*reply))
            leases.push_back(s.lease(std::get<Handout>(*reply).delivery));
          break;
        }
        case 5:
          if (!leases.empty()) (void)s(Complete{leases.back(), {}});
          break;
        case 6:
          if (!leases.empty()) (void)s(Fail{leases.back(), {"x", true, 0, {}}});
          break;
        case 7:
          if (!leases.empty()) (void)s(Release{leases.back()});
          break;
        case 8:
          s.now += *rc::gen::inRange(0, 3'000);
          (void)s(Alarm{});
          break;
        default: {
          auto request = AdmitRequest::prompt("x");
          request.id = "m" + std::to_string(next++);
          request.on_busy = *rc::gen::element(OnBusy::enqueue, OnBusy::enqueue, OnBusy::merge, OnBusy::replace);
          if (*rc::gen::inRange(0, 5) == 0) request.expires_at = s.now + *rc::gen::inRange(1, 4'000);
          (void)s(Admit{{request}, {}});
        }
      }
      auto loaded = s.loaded();
      RC_ASSERT(encoded(loaded.document) == encoded(s.entity.document));
      auto live = s.entity.state;
      loaded.state.expiry = live.expiry;  // a bound that a checkpoint may hold more loosely
      RC_ASSERT(encoded(loaded.state) == encoded(live));
    }
  });
}

TEST_CASE("the same id answers the same, also on a full queue; another body is refused") {
  Bench s;
  s.limits.queue_capacity = 1;
  const auto first = s.admit("a");
  const auto again = s.admit("a");
  CHECK(again.replayed);
  CHECK(again.seq == first.seq);
  CHECK(s.writes == 0);
  CHECK(s.refused(Admit{{AdmitRequest::prompt("other")}, {}}) == ErrorCode::queue_full);
  auto other = AdmitRequest::prompt("another body");
  other.id = "a";
  CHECK(s.refused(Admit{{other}, {}}) == ErrorCode::idempotency_mismatch);
}

TEST_CASE("a minted id is found again without an index") {
  Bench s;
  for (int i = 0; i < 100; ++i) {
    const auto a = s.admit(AdmitRequest::prompt("n" + std::to_string(i)));
    CHECK(s.message(a.message).seq == a.seq);
    CHECK(s.writes == 0);
  }
  CHECK(s.refused(ReadMessage{mint_message_id(s.now, 5, *std::make_unique<SeededRandom>(1))}) == ErrorCode::not_found);
}

TEST_CASE("if_seq names what came since") {
  Bench s;
  s.admit("a");
  s.admit("b");
  auto request = AdmitRequest::prompt("c");
  request.if_seq = 1;
  auto reply = s(Admit{{request}, {}});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().code == ErrorCode::conflict);
  CHECK(reply.error().members.find("\"message\":\"b\"") != std::string::npos);
  CHECK(reply.error().members.find("\"message\":\"a\"") == std::string::npos);
  request.if_seq = 2;
  CHECK(s.admit(request).seq == 3);
}

TEST_CASE("overlap policies") {
  Bench s;
  s.admit("a", {}, "ann");
  CHECK(s.refused(Admit{{[] {
                          auto r = AdmitRequest::prompt("x");
                          r.on_busy = OnBusy::reject;
                          return r;
                        }()},
                        {}}) == ErrorCode::session_busy);

  SECTION("merge goes into the last queued message of the same author") {
    s.admit("b", {}, "bob");
    const auto merged = s.admit("c", OnBusy::merge, "ann");
    CHECK(merged.outcome == Outcome::merged);
    CHECK(merged.merged_into == "a");
    CHECK(s.message("c").state == MessageState::merged);
    CHECK(s.message("a").turn == R"({"content":"text of a\n\ntext of c","kind":"prompt"})");
    CHECK(s.entity.state.queued == 2);
    CHECK(s.admit("d", OnBusy::merge, "eve").outcome == Outcome::enqueued);
  }
  SECTION("replace ends what is queued and not what runs") {
    const auto d = s.dispatch();
    s.admit("b");
    s.admit("c");
    const auto replacing = s.admit("d", OnBusy::replace);
    CHECK(replacing.outcome == Outcome::replaced);
    CHECK(s.message("b").state == MessageState::replaced);
    CHECK(s.message("c").state == MessageState::replaced);
    CHECK(s.message(d.message.message).state == MessageState::dispatched);
    CHECK(s.message("d").position == 1);
  }
}

TEST_CASE("a batch is admitted whole or not at all") {
  Bench s;
  s.limits.queue_capacity = 2;
  const auto before = encoded(s.entity.state);
  CHECK(s.refused(Admit{{AdmitRequest::prompt("1"), AdmitRequest::prompt("2"), AdmitRequest::prompt("3")}, {}}) ==
        ErrorCode::queue_full);
  CHECK(encoded(s.entity.state) == before);
  CHECK_FALSE(s.entity.document.exists);
  auto twice = AdmitRequest::prompt("same");
  twice.id = "same";
  const auto both = s.ask<std::vector<Admitted>>(Admit{{twice, twice}, {}});
  CHECK(both[1].replayed);
  CHECK(both[0].seq == both[1].seq);
}

TEST_CASE("turns run one at a time, in order, each under its own lease") {
  Bench s;
  for (const auto* id : {"a", "b"}) s.admit(id);
  const auto first = s.dispatch();
  CHECK(first.message.message == "a");
  CHECK(std::holds_alternative<Nothing>(*s(Dispatch{"r2", 1'000})));
  s.ask<Nothing>(Accept{s.lease(first)});
  CHECK(s.message("a").state == MessageState::running);

  SECTION("a repeated complete is one transition") {
    s.ask<Nothing>(Complete{s.lease(first), {"1", {}}});
    const auto position = s.entity.state.last_position;
    s.ask<Nothing>(Complete{s.lease(first), {"2", {}}});
    CHECK(s.entity.state.last_position == position);
    CHECK(s.message("a").result == "1");
    CHECK(s.dispatch().message.message == "b");
  }
  SECTION("an expired lease is lost, and the same message comes again as the next attempt") {
    s.now += 10'000;
    CHECK(s.refused(Complete{s.lease(first), {}}) == ErrorCode::lease_lost);
    s.ask<Nothing>(Alarm{});
    const auto again = s.dispatch();
    CHECK(again.message.message == "a");
    CHECK(again.attempt == 2);
    CHECK(s.refused(Beat{s.lease(first)}) == ErrorCode::lease_lost);
  }
  SECTION("nothing that is said under an expired lease counts, however the message ended since") {
    s.now += 10'000;
    s.ask<Nothing>(Alarm{});
    const auto position = s.entity.state.last_position;
    SECTION("interrupted in the queue") {
      (void)s(Interrupt{InterruptScope::all});
      REQUIRE(s.message("a").state == MessageState::interrupted);
    }
    SECTION("given up") {
      s.limits.lease_expiries_max = 1;
      s.dispatch();
      s.now += 10'000;
      s.ask<Nothing>(Alarm{});
      REQUIRE(s.message("a").state == MessageState::failed);
    }
    CHECK(s.entity.state.last_position > position);
    CHECK(s.refused(Release{s.lease(first)}) == ErrorCode::lease_lost);
    CHECK(s.refused(Fail{s.lease(first), {"boom", true, 0, {}}}) == ErrorCode::lease_lost);
    CHECK(s.refused(Complete{s.lease(first), {}}) == ErrorCode::lease_lost);
  }
  SECTION("who gave up last is told so, too") {
    s.limits.lease_expiries_max = 0;
    s.now += 10'000;
    s.ask<Nothing>(Alarm{});
    REQUIRE(s.message("a").state == MessageState::failed);
    CHECK(s.refused(Fail{s.lease(first), {"boom", true, 0, {}}}) == ErrorCode::lease_lost);
  }
  SECTION("a release burns no attempt") {
    s.ask<Nothing>(Release{s.lease(first)});
    CHECK(s.dispatch().attempt == 1);
  }
  SECTION("failures retry on their schedule, and end when it is used up") {
    s.limits.retry_default_ms = {100, 200};
    auto delivery = first;
    for (const std::int64_t delay : {100, 200}) {
      s.ask<Nothing>(Fail{s.lease(delivery), {"boom", true, 0, {}}});
      CHECK(std::holds_alternative<Nothing>(*s(Dispatch{"r", 10'000})));
      CHECK(s.message("a").waiting_for->kind == "retry");
      s.now += delay;
      s.ask<Nothing>(Alarm{});
      delivery = s.dispatch();
    }
    s.ask<Nothing>(Fail{s.lease(delivery), {"boom", true, 0, {}}});
    const auto m = s.message("a");
    CHECK(m.state == MessageState::failed);
    CHECK(m.failure->reason == "exhausted");
    CHECK(m.failure->attempts == 3);
  }
}

TEST_CASE("a git token is sealed, versioned, and current at hand-out") {
  Bench s;
  const std::string canary = "ghp-canary-0123456789";
  SessionSpec spec;
  spec.repository.kind = RepositoryKind::git;
  s.ask<PutResult>(Put{spec, {}});
  auto request = AdmitRequest::prompt("one");
  request.id = "one";
  request.git_token = canary + "-old";
  CHECK(s.admit(request).credential == CredentialOutcome::stored);
  auto second = AdmitRequest::prompt("two");
  second.git_token = canary + "-new";
  s.admit(second);
  s.admit(request);  // a replay never restores its older token
  const auto d = s.dispatch();
  CHECK(d.message.message == "one");
  CHECK(d.credential->token == canary + "-new");
  CHECK(d.credential->version == 2);
  CHECK(s.everything().find(canary) == std::string::npos);
  s.ask<Nothing>(Remove{});
  CHECK(s.refused(Get{}) == ErrorCode::gone);
  CHECK(s.refused(Admit{{AdmitRequest::prompt("late")}, {}}) == ErrorCode::gone);
}

TEST_CASE("a queue deeper than its window is handed out whole, in order") {
  Bench s;
  s.limits.queue_window_messages = 4;
  for (int i = 0; i < 50; ++i) s.admit("m" + std::to_string(i));
  CHECK(s.entity.window.items.size() <= 4);
  CHECK(s.message("m49").position == 50);
  s.ask<Session>(Queue{{QueueAction::reorder, {"m30", "m10"}}, {}});
  std::vector<std::string> order;
  for (int i = 0; i < 50; ++i) {
    const auto d = s.dispatch();
    order.push_back(d.message.message);
    s.ask<Nothing>(Complete{s.lease(d), {}});
  }
  std::vector<std::string> expected{"m30", "m10"};
  for (int i = 0; i < 50; ++i)
    if (i != 30 && i != 10) expected.push_back("m" + std::to_string(i));
  CHECK(order == expected);
}

TEST_CASE("export and import round-trip") {
  Bench from;
  from.admit("a");
  const auto d = from.dispatch();
  from.ask<std::uint64_t>(AppendEvents{from.lease(d), {{"delta", "{\"t\":1}"}}});
  from.ask<Nothing>(Complete{from.lease(d), {"{\"r\":1}", {}}});
  from.admit("b");
  const auto file = from.ask<std::string>(Export{});
  Bench to;
  to.ask<Session>(Import{file});
  CHECK(to.ask<std::string>(Export{}) == file);
  CHECK(to.message("a").result == "{\"r\":1}");
  CHECK(to.dispatch().message.message == "b");
  Bench damaged;
  CHECK(damaged.refused(Import{file.substr(0, file.size() / 2)}) == ErrorCode::invalid_body);
  CHECK_FALSE(damaged.entity.document.exists);
}

namespace {

// An export of one completed, one failed and two queued messages, its state and its last record as a forger likes them.
std::string forged(const std::function<void(State&)>& state, const std::function<void(Marker&)>& marker) {
  Bench from;
  for (const auto* name : {"done", "dead", "next", "last"}) from.admit(name);
  from.ask<Nothing>(Complete{from.lease(from.dispatch()), {"1", {}}});
  from.ask<Nothing>(Fail{from.lease(from.dispatch()), {"no", false, 0, {}}});
  from.ask<Message>(Edit{"next", {}, {}});
  const auto file = from.ask<std::string>(Export{});
  std::istringstream in(file);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    json::Parser parser;
    const auto parsed = parser.parse(line);
    REQUIRE(parsed);
    const auto raw = [&](const char* name) {
      std::string_view text;
      REQUIRE(parsed->at_key(name).get(text) == simdjson::SUCCESS);
      return *from_base64url(text);
    };
    if (out.empty()) {
      auto decoded = decode_state(raw("state")).value();
      state(decoded);
      json::ObjectWriter(out)
          .number("holdfast_export", 1)
          .text("document", to_base64url(raw("document")))
          .text("state", to_base64url(encoded(decoded)))
          .end();
    } else {
      auto decoded = decode_marker(raw("record")).value();
      if (in.peek() == EOF) marker(decoded);
      std::uint64_t position = 0;
      REQUIRE(parsed->at_key("position").get(position) == simdjson::SUCCESS);
      json::ObjectWriter(out).number("position", position).text("record", to_base64url(encoded(decoded))).end();
    }
    out += '\n';
  }
  return out;
}

}  // namespace

TEST_CASE("an import that no session could have made is refused, and nothing is written") {
  const auto refused = [](const std::function<void(State&)>& state, const std::function<void(Marker&)>& marker) {
    Bench to;
    CHECK(to.refused(Import{forged(state, marker)}) == ErrorCode::invalid_body);
    CHECK_FALSE(to.entity.document.exists);
    CHECK(to.everything().empty());
  };
  const auto state = [&](const std::function<void(State&)>& change) { refused(change, [](Marker&) {}); };
  state([](State& s) { s.last_position = UINT64_MAX; });
  state([](State& s) { s.last_position += 1; });
  state([](State& s) { s.last_seq += 1; });
  state([](State& s) { s.front = {1}; });
  state([](State& s) { s.front = {3, 3}; });
  state([](State& s) { s.front = {99}; });
  state([](State& s) { s.steers = {1}; });
  state([](State& s) { s.floor = 0; });
  state([](State& s) { s.floor = 1'000; });
  state([](State& s) { s.updated_at = INT64_MAX; });
  state([](State& s) { s.running = Running{}, s.running->position = 1; });
  state([](State& s) { s.running = Running{}, s.running->position = 99; });
  // The last record is the edit of a queued message.
  const auto record = [&](const std::function<void(Marker&)>& change) { refused([](State&) {}, change); };
  record([](Marker& m) { m.intent.turn = "no json"; });
  record([](Marker& m) { m.intent.metadata = "{}{}"; });
  record([](Marker& m) { m.intent.author = "\xff"; });
  record([](Marker& m) { m.intent.priority = 10; });
  record([](Marker& m) { m.intent.expires_at = INT64_MAX; });
  record([](Marker& m) { m.intent.id = "another"; });
  record([](Marker& m) { m.intent.seq = 9; });
  record([](Marker& m) { m.row.state = MessageState::running; });
  record([](Marker& m) { m.row.content = 1; });
  record([](Marker& m) { m.row.order = 1; });
  record([](Marker& m) { m.row.retry_at = -1; });
  record([](Marker& m) { m.message = 99; });
  record([](Marker& m) { m.at = INT64_MIN; });
  record([](Marker& m) { m.kind = MarkerKind::admitted; });
  record([](Marker& m) {
    m.kind = MarkerKind::operation;
    m.what = "session.paused\nid: 1";
    m.data = "{}";
  });
}

TEST_CASE("what follows from the records of an import is counted anew") {
  Bench to;
  to.ask<Session>(Import{forged(
      [](State& s) {
        s.queued = 0;  // a cancel would take the count below nothing
        s.low = UINT64_MAX;
        s.expiry = 1;
      },
      [](Marker&) {})});
  CHECK(to.entity.state.queued == 2);
  CHECK(to.entity.state.expiry == 0);
  to.ask<Message>(Cancel{"next", {}});
  CHECK(to.dispatch().message.message == "last");
  CHECK(to.entity.state.queued == 0);
  // A failed message is a dead letter here too.
  CHECK(to.everything().find(keys::dead_letter({to.id, 2})) != std::string::npos);
  to.ask<Message>(Redrive{"dead"});
  CHECK(to.everything().find(keys::dead_letter({to.id, 2})) == std::string::npos);
}

TEST_CASE("a runtime's event has a type of one word") {
  Bench s;
  s.admit("a");
  const auto lease = s.lease(s.dispatch());
  for (const auto* type : {"", "two words", "a,b", "a\nid: 7", "a\r", "\xc3\xbc", "message.completed", "session.x"})
    CHECK(s.refused(AppendEvents{lease, {{type, "{}"}}}) == ErrorCode::invalid_body);
  s.ask<std::uint64_t>(AppendEvents{lease, {{"delta.text-1", "{}"}}});
}

TEST_CASE("the position of a seq is found among other markers") {
  Bench s;
  for (int i = 0; i < 30; ++i) {
    s.admit("m" + std::to_string(i));
    if (i % 3 == 0) {
      const auto d = s.dispatch();
      s.ask<Nothing>(Complete{s.lease(d), {}});
    }
  }
  for (std::uint64_t after = 0; after <= 30; ++after) {
    MessageQuery query;
    query.after_seq = after;
    const auto page = s.ask<Page<Message>>(ReadMessages{query});
    REQUIRE(page.items.size() == 30 - after);
    if (!page.items.empty()) CHECK(page.items.front().seq == after + 1);
  }
}

TEST_CASE("turns of other content merge into a list") {
  CHECK(*merge_turns(R"({"content":{"a":1},"kind":"prompt"})", R"({"content":"x","kind":"prompt"})", 1000) ==
        R"({"content":[{"a":1},"x"],"kind":"prompt"})");
  CHECK_FALSE(merge_turns(R"({"content":"a","kind":"prompt"})", R"({"content":"x","kind":"command"})", 1000));
  CHECK_FALSE(merge_turns(R"({"content":"aaaa","kind":"prompt"})", R"({"content":"bbbb","kind":"prompt"})", 8));
}

}  // namespace holdfast::session
