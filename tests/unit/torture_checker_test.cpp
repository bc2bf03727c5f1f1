// The checker of `holdfast torture`: an honest history passes, and each planted violation is found, as what it is.
#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>

#include "src/cli/torture/checker.hpp"

namespace holdfast::cli::torture {
namespace {

constexpr Time kLeaseMs = 100;

// Writes what an honest server and its clients would have: one step after the other, each 10 us and 1 ms long.
class Script {
 public:
  History history;
  Time operation_ms = 1;

  Operation& operation(Kind kind, const std::string& message) {
    Operation o;
    o.kind = kind;
    o.outcome = Outcome::ok;
    o.session = "s";
    o.message = message;
    o.begin_us = now_us_;
    o.end_us = now_us_ + 5;
    now_us_ += 10;
    at_ += operation_ms;
    return history.operations.emplace_back(o);
  }
  EndEvent& event(const std::string& type, const std::string& message, std::uint64_t attempt) {
    EndEvent e;
    e.session = "s";
    e.id = history.events.size() + 1;
    e.digest = e.id * 77;
    e.type = type;
    e.at = at_;
    e.message = message;
    e.attempt = attempt;
    e.seq = message.empty() ? 0 : seq_of(message);
    return history.events.emplace_back(e);
  }
  void admit(const std::string& id, std::uint64_t batch = 0) {
    const auto seq = history.messages.size() + 1;
    auto& o = operation(Kind::admit, id);
    o.sent_hash = o.body_hash = "hash of " + id;
    o.seq = seq;
    o.batch = batch;
    history.messages.push_back({"s", id, seq, o.body_hash, o.body_hash, "queued", 0, {}});
    event("message.queued", id, 0);
  }
  void hand_out(const std::string& id, std::uint64_t attempt, const std::string& delivery) {
    auto& o = operation(Kind::hand_out, id);
    o.attempt = attempt;
    o.delivery = delivery;
    o.handed_out_at = at_;
    o.lease_until = at_ + kLeaseMs;
    event("message.dispatched", id, attempt);
  }
  Operation& report(Kind kind, const std::string& id, std::uint64_t attempt, const std::string& delivery) {
    auto& o = operation(kind, id);
    o.attempt = attempt;
    o.delivery = delivery;
    return o;
  }
  void emit(const std::string& id, std::uint64_t attempt, const std::string& delivery) {
    auto& o = report(Kind::emit, id, attempt, delivery);
    o.number = 1;
    o.count = 2;
    for (int i = 0; i < 2; ++i) {
      auto& e = event("output", "", 0);
      e.delivery = delivery;
      e.number = 1;
    }
    o.last_event = history.events.back().id;
  }
  void lease_over(const std::string& id, std::uint64_t attempt) {
    at_ += kLeaseMs;
    event("message.queued", id, attempt);
  }
  void complete(const std::string& id, std::uint64_t attempt, const std::string& delivery) {
    report(Kind::complete, id, attempt, delivery);
    event("message.completed", id, attempt).delivery = delivery;
    end(id, "completed", attempt);
    row(id).by_delivery = delivery;
  }
  void end(const std::string& id, const std::string& state, std::uint64_t attempt) {
    row(id).state = state;
    row(id).attempt = attempt;
  }
  void read_all(unsigned reader) {
    std::uint64_t after = 0;
    for (const std::size_t size : {5U, 100U}) {
      auto& o = operation(Kind::read, "");
      o.actor = reader;
      o.after = after;
      for (const auto& e : history.events)
        if (e.id > after && o.seen.size() < size) o.seen.push_back({e.id, e.digest});
      after = o.seen.back().id;
      o.to_the_end = size == 100;
    }
  }
  EndMessage& row(const std::string& id) {
    return *std::find_if(history.messages.begin(), history.messages.end(), [&](auto& m) { return m.message == id; });
  }

 private:
  [[nodiscard]] std::uint64_t seq_of(const std::string& id) { return row(id).seq; }
  std::int64_t now_us_ = 10;
  Time at_ = 1'000;
};

History honest() {
  Script s;
  s.admit("m1");
  s.admit("m2");
  s.hand_out("m1", 1, "d1");  // its lease runs out
  s.emit("m1", 1, "d1");
  s.lease_over("m1", 1);
  s.admit("m3", 9);
  s.admit("m4", 9);
  s.hand_out("m1", 2, "d2");
  s.emit("m1", 2, "d2");
  auto& late = s.report(Kind::complete, "m1", 1, "d1");  // by who lost it
  late.outcome = Outcome::refused;
  s.complete("m1", 2, "d2");
  s.hand_out("m2", 1, "d3");
  s.report(Kind::release, "m2", 1, "d3");
  s.event("message.queued", "m2", 0);
  s.hand_out("m2", 1, "d4");
  s.complete("m2", 1, "d4");
  s.operation(Kind::cancel, "m3");
  s.event("message.cancelled", "m3", 0);
  s.end("m3", "cancelled", 0);
  s.hand_out("m4", 1, "d5");
  s.operation(Kind::interrupt, "m4");
  s.event("session.interrupted", "m4", 0);
  s.event("message.interrupted", "m4", 1);
  s.end("m4", "interrupted", 1);
  auto& look = s.operation(Kind::look, "m1");
  look.state = "completed";
  look.seq = 1;
  look.body_hash = "hash of m1";
  auto& refused = s.operation(Kind::admit, "m5");
  refused.outcome = Outcome::refused;
  refused.sent_hash = "hash of m5";
  s.read_all(1);
  s.read_all(2);
  return s.history;
}

Operation& find(History& h, Kind kind, const std::string& message, std::size_t which = 0) {
  for (auto& o : h.operations)
    if (o.kind == kind && o.message == message && which-- == 0) return o;
  FAIL("no such operation");
  return h.operations.front();
}

EndMessage& row(History& h, std::size_t seq) { return h.messages[seq - 1]; }
EndEvent& event(History& h, const std::string& type, const std::string& message, std::size_t which = 0) {
  for (auto& e : h.events)
    if (e.type == type && e.message == message && which-- == 0) return e;
  FAIL("no such event");
  return h.events.front();
}

struct Plant {
  const char* what;
  Rule rule;
  std::function<void(History&)> plant;
};

const std::vector<Plant>& plants() {
  static const std::vector<Plant> all{
      {"an acknowledged message is lost", Rule::survives, [](History& h) { h.messages.pop_back(); }},
      {"an acknowledged message that is sent again is refused for a full queue", Rule::once,
       [](History& h) {
         auto again = find(h, Kind::admit, "m2");
         again.outcome = Outcome::refused;
         again.code = "queue_full";
         again.begin_us = again.end_us + 1;
         again.end_us = again.begin_us + 5;
         h.operations.push_back(again);
       }},
      {"an acknowledged message has another seq", Rule::survives,
       [](History& h) { find(h, Kind::admit, "m2").seq = 7; }},
      {"an acknowledged message has another body", Rule::survives,
       [](History& h) { row(h, 2).body_hash = row(h, 2).content_hash = "hash of m1"; }},
      {"the content is not what the hash says", Rule::survives, [](History& h) { row(h, 2).content_hash = "other"; }},
      {"an acknowledged message is not found by a read", Rule::survives,
       [](History& h) { find(h, Kind::look, "m1").state = "absent"; }},
      {"a reader saw what is not there", Rule::survives,
       [](History& h) {
         h.operations.back().to_the_end = false;
         h.operations.back().seen.push_back({h.events.back().id + 1, 5});
       }},
      {"an acknowledged emit is lost", Rule::survives, [](History& h) { find(h, Kind::emit, "m1").last_event += 1; }},
      {"a hand-out is not in the log", Rule::survives,
       [](History& h) { find(h, Kind::hand_out, "m1").handed_out_at += 1; }},
      {"an id is there twice", Rule::once, [](History& h) { row(h, 4).message = "m3"; }},
      {"a replay answers another seq", Rule::once,
       [](History& h) {
         auto again = find(h, Kind::admit, "m1");
         again.begin_us += 1'000;
         again.end_us += 1'000;
         again.replayed = true;
         again.seq = 5;
         h.operations.push_back(again);
       }},
      {"an id is admitted anew", Rule::once,
       [](History& h) {
         auto again = find(h, Kind::admit, "m1");
         again.begin_us += 1'000;
         again.end_us += 1'000;
         h.operations.push_back(again);
       }},
      {"an answer is a replay of nothing", Rule::once, [](History& h) { find(h, Kind::admit, "m1").replayed = true; }},
      {"another body is taken for the same id", Rule::once,
       [](History& h) { find(h, Kind::admit, "m1").sent_hash = "hash of something else"; }},
      {"an emit is there twice", Rule::once,
       [](History& h) {
         auto& e = event(h, "output", "", 2);
         e.delivery = "d1";
       }},
      {"seq has a gap", Rule::dense,
       [](History& h) {
         row(h, 4).seq = 5;
         find(h, Kind::admit, "m4").seq = 5;
       }},
      {"event ids have a gap", Rule::dense, [](History& h) { h.events.back().id += 1; }},
      {"seq does not follow the order of admissions", Rule::real_time,
       [](History& h) {
         auto& first = find(h, Kind::admit, "m1");
         first.begin_us = 51;
         first.end_us = 55;
       }},
      {"a turn is handed out before its message is sent", Rule::real_time,
       [](History& h) {
         auto& o = find(h, Kind::hand_out, "m2");
         o.begin_us = 1;
         o.end_us = 2;
       }},
      {"a batch is torn", Rule::batch, [](History& h) { h.messages.pop_back(); }},
      {"a refused message is there", Rule::refused_absent,
       [](History& h) {
         h.messages.push_back({"s", "m5", 5, "hash of m5", "hash of m5", "completed", 1, {}});
       }},
      {"a message was sent by nobody", Rule::nothing_made_up,
       [](History& h) {
         h.messages.push_back({"s", "m6", 5, "hash of m6", "hash of m6", "completed", 1, {}});
       }},
      {"an event was sent by nobody", Rule::nothing_made_up, [](History& h) { event(h, "output", "").number = 3; }},
      {"a turn is released by nobody", Rule::nothing_made_up,
       [](History& h) { find(h, Kind::release, "m2").outcome = Outcome::refused; }},
      {"a turn jumps the queue", Rule::queue_order,
       [](History& h) { event(h, "message.dispatched", "m1").message = "m2"; }},
      {"a turn is handed out while the session is paused", Rule::queue_order,
       [](History& h) {
         auto& e = event(h, "output", "");
         e.type = "session.paused";
       }},
      {"two turns overlap", Rule::no_overlap,
       [](History& h) {
         auto& e = event(h, "message.queued", "m1", 1);
         e.type = "session.resumed";
         e.message = "";
       }},
      {"one turn is handed out to two", Rule::no_overlap,
       [](History& h) {
         auto twice = find(h, Kind::hand_out, "m4");
         twice.delivery = "d6";
         h.operations.push_back(twice);
       }},
      {"an attempt is skipped", Rule::attempts, [](History& h) { event(h, "message.dispatched", "m4").attempt = 2; }},
      {"a lease is taken away early", Rule::lease,
       [](History& h) { find(h, Kind::hand_out, "m1").lease_until += kLeaseMs; }},
      {"a report of a lost lease counts", Rule::fencing,
       [](History& h) { find(h, Kind::complete, "m1").outcome = Outcome::ok; }},
      {"a report is refused, and counts", Rule::fencing,
       [](History& h) { find(h, Kind::complete, "m2").outcome = Outcome::refused; }},
      {"events of a lost lease are taken", Rule::fencing,
       [](History& h) { find(h, Kind::emit, "m1").outcome = Outcome::refused; }},
      {"a message ends twice", Rule::one_end,
       [](History& h) {
         auto& e = event(h, "message.interrupted", "m4");
         e.type = "message.completed";
         e.message = "m2";
       }},
      {"a shown end changes", Rule::one_end, [](History& h) { find(h, Kind::look, "m1").state = "failed"; }},
      {"a cancelled message goes on", Rule::one_end, [](History& h) { find(h, Kind::cancel, "m3").message = "m2"; }},
      {"an interrupted turn completes", Rule::one_end,
       [](History& h) { find(h, Kind::interrupt, "m4").message = "m2"; }},
      {"a message is left over", Rule::one_end,
       [](History& h) {
         h.events.pop_back();
         row(h, 4).state = "dispatched";
         for (auto& o : h.operations)
           if (o.to_the_end) o.seen.pop_back();
       }},
      {"a result is of another attempt", Rule::result,
       [](History& h) { event(h, "message.completed", "m1").delivery = "d1"; }},
      {"a reader skips an event", Rule::readers,
       [](History& h) { h.operations.back().seen.erase(h.operations.back().seen.begin() + 1); }},
      {"a reader sees an event twice", Rule::readers,
       [](History& h) {
         h.operations.back().seen.insert(h.operations.back().seen.begin(), {5, 5 * 77});
       }},
      {"two readers see different events", Rule::readers, [](History& h) { h.operations.back().seen[3].digest = 4; }},
      {"a reader is told that there is no more", Rule::readers,
       [](History& h) { h.operations.back().seen.pop_back(); }},
  };
  return all;
}

}  // namespace

TEST_CASE("torture: an honest history passes, and every rule looked at something") {
  const auto verdict = check(honest());
  for (const auto& v : verdict.violations) UNSCOPED_INFO(name_of(v.rule) << ": " << v.sentence);
  REQUIRE(verdict.violations.empty());
  for (std::size_t rule = 0; rule < kRules; ++rule) {
    INFO(name_of(static_cast<Rule>(rule)));
    CHECK((verdict.facts[rule] > 0 || static_cast<Rule>(rule) == Rule::available));
  }
}

TEST_CASE("torture: each planted violation is found, and its smallest history shows it too") {
  for (const auto& plant : plants()) {
    INFO(plant.what);
    auto history = honest();
    plant.plant(history);
    const auto verdict = check(history);
    for (const auto& v : verdict.violations) UNSCOPED_INFO(name_of(v.rule) << ": " << v.sentence);
    REQUIRE(verdict.has(plant.rule));
    const auto violation = *std::find_if(verdict.violations.begin(), verdict.violations.end(),
                                         [&](const auto& v) { return v.rule == plant.rule; });
    const auto smallest = shrink(history, violation);
    INFO(to_ndjson(smallest));
    CHECK(check(smallest).has(plant.rule));
    CHECK(smallest.operations.size() <= 4);
    CHECK(smallest.operations.size() < history.operations.size());
  }
}

TEST_CASE("torture: a lease ends when its holder was last told, also earlier than before") {
  auto history = honest();
  find(history, Kind::hand_out, "m1").lease_until += kLeaseMs;  // then the clock was set back
  auto beat = find(history, Kind::hand_out, "m1");
  beat.kind = Kind::heartbeat;
  beat.lease_until -= kLeaseMs;
  SECTION("as he heard") {}
  SECTION("as he may not have heard") {
    beat.outcome = Outcome::unknown;
    beat.lease_until = 0;
  }
  const auto after =
      std::find_if(history.operations.begin(), history.operations.end(), [](auto& o) { return o.kind == Kind::emit; });
  history.operations.insert(after, beat);
  const auto verdict = check(history);
  for (const auto& v : verdict.violations) UNSCOPED_INFO(name_of(v.rule) << ": " << v.sentence);
  CHECK(verdict.violations.empty());
}

TEST_CASE("torture: a turn that was released may go out again as the same attempt in the same millisecond") {
  Script s;
  s.operation_ms = 0;
  s.admit("m1");
  s.hand_out("m1", 1, "d1");
  s.report(Kind::release, "m1", 1, "d1");
  s.event("message.queued", "m1", 0);
  s.hand_out("m1", 1, "d2");
  s.complete("m1", 1, "d2");
  SECTION("by a claim that had waited for it since long before") {
    find(s.history, Kind::hand_out, "m1", 1).begin_us = 0;
  }
  const auto verdict = check(s.history);
  for (const auto& v : verdict.violations) UNSCOPED_INFO(name_of(v.rule) << ": " << v.sentence);
  CHECK(verdict.violations.empty());
}

TEST_CASE("torture: what nobody was told of may be there or not") {
  for (const bool there : {true, false}) {
    Script s;
    s.admit("m1");
    s.hand_out("m1", 1, "d1");
    s.complete("m1", 1, "d1");
    find(s.history, Kind::complete, "m1").outcome = Outcome::unknown;
    auto& lost = s.operation(Kind::admit, "m2");
    lost.outcome = Outcome::unknown;
    lost.sent_hash = "hash of m2";
    if (there) {
      s.history.messages.push_back({"s", "m2", 2, "hash of m2", "hash of m2", "cancelled", 0, {}});
      s.event("message.queued", "m2", 0);
      s.event("message.cancelled", "m2", 0);
    }
    const auto verdict = check(s.history);
    for (const auto& v : verdict.violations) UNSCOPED_INFO(name_of(v.rule) << ": " << v.sentence);
    CHECK(verdict.violations.empty());
  }
}

TEST_CASE("torture: a history is shown as one line of JSON each") {
  const auto text = to_ndjson(honest());
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  const auto history = honest();
  CHECK(lines == history.operations.size() + history.messages.size() + history.events.size());
  CHECK(text.starts_with(R"({"operation":"admit","outcome":"ok")"));
}

}  // namespace holdfast::cli::torture
