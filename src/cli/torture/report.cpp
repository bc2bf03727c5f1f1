#include "src/cli/torture/report.hpp"

#include <algorithm>
#include <cstdio>
#include <map>

#include "src/cli/terminal.hpp"
#include "src/core/json.hpp"

namespace holdfast::cli::torture {
namespace {

struct Tally {
  std::array<std::array<std::uint64_t, 3>, kKinds> operations{};  // by kind and outcome
  std::map<std::string_view, std::uint64_t> faults;
  std::map<std::string, std::uint64_t> states;
  std::uint64_t turns = 0;
  std::vector<double> recoveries_s;  // rising
};

Tally tally(const Report& report) {
  Tally t;
  for (const auto& o : report.history.operations)
    ++t.operations[static_cast<std::size_t>(o.kind)][static_cast<std::size_t>(o.outcome)];
  for (const auto& d : report.done) ++t.faults[name_of(d.harm)];
  for (const auto& m : report.history.messages) ++t.states[m.state];
  for (const auto& e : report.history.events) t.turns += e.type == "message.dispatched" ? 1 : 0;
  for (const auto& r : report.restarts) t.recoveries_s.push_back(static_cast<double>(r.ready_us - r.down_us) / 1e6);
  std::sort(t.recoveries_s.begin(), t.recoveries_s.end());
  return t;
}

unsigned long long whole(std::uint64_t n) { return n; }

template <class Counts>
std::string list_of(const Counts& counts) {
  std::string text;
  for (const auto& [name, count] : counts)
    text += (text.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(count);
  return text.empty() ? "none" : text;
}

template <class Counts>
std::string object_of(const Counts& counts) {
  std::string text;
  json::ObjectWriter object(text);
  for (const auto& [name, count] : counts) object.number(name, count);
  object.end();
  return text;
}

}  // namespace

void print_summary(const Report& report) {
  const auto t = tally(report);
  std::printf("%-12s %llu operations in %.1f s\n", "load", whole(report.history.operations.size()), report.seconds);
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    const auto& [ok, refused, unknown] = t.operations[kind];
    if (ok + refused + unknown == 0) continue;
    std::printf("  %-10s %8llu ok %7llu refused %7llu unknown\n", std::string(name_of(static_cast<Kind>(kind))).c_str(),
                whole(ok), whole(refused), whole(unknown));
  }
  std::printf("%-12s %s\n", "faults", list_of(t.faults).c_str());
  std::printf("%-12s %zu", "restarts", t.recoveries_s.size());
  if (!t.recoveries_s.empty())
    std::printf(", ready after %.2f s in the middle, %.2f s at most", t.recoveries_s[t.recoveries_s.size() / 2],
                t.recoveries_s.back());
  std::printf("\n%-12s %llu messages admitted: %s\n", "in the end", whole(report.history.messages.size()),
              list_of(t.states).c_str());
  std::printf("%-12s %llu turns, %llu events\n", "", whole(t.turns), whole(report.history.events.size()));
  std::printf("checks\n");
  for (std::size_t rule = 0; rule < kRules; ++rule) {
    const auto broken = report.verdict.has(static_cast<Rule>(rule));
    std::printf(
        "  %-16s %9llu  %s\n", std::string(name_of(static_cast<Rule>(rule))).c_str(), whole(report.verdict.facts[rule]),
        broken ? paint(Colour::red, "violated").c_str() : std::string(meaning_of(static_cast<Rule>(rule))).c_str());
  }
}

std::string to_json(const Report& report) {
  const auto t = tally(report);
  std::string operations;
  json::ObjectWriter kinds(operations);
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    std::string counts;
    json::ObjectWriter outcomes(counts);
    for (const auto outcome : {Outcome::ok, Outcome::refused, Outcome::unknown})
      outcomes.number(name_of(outcome), t.operations[kind][static_cast<std::size_t>(outcome)]);
    outcomes.end();
    kinds.raw(name_of(static_cast<Kind>(kind)), counts);
  }
  kinds.end();
  std::map<std::string_view, std::uint64_t> facts;
  for (std::size_t rule = 0; rule < kRules; ++rule)
    facts[name_of(static_cast<Rule>(rule))] = report.verdict.facts[rule];
  std::string violations = "[";
  for (const auto& v : report.verdict.violations) {
    std::string one;
    json::ObjectWriter(one).text("rule", name_of(v.rule)).text("sentence", v.sentence).end();
    violations += (violations.size() > 1 ? "," : "") + one;
  }
  std::string recoveries = "[";
  for (const auto& r : report.restarts)
    recoveries += (recoveries.size() > 1 ? "," : "") + std::to_string((r.ready_us - r.down_us) / 1'000);
  std::string faults = "[";
  for (const auto& d : report.done) {
    std::string one;
    json::ObjectWriter(one)
        .text("fault", name_of(d.harm))
        .number("begin_ms", static_cast<std::uint64_t>(d.begin_us / 1'000))
        .number("end_ms", static_cast<std::uint64_t>(d.end_us / 1'000))
        .text("what", d.what)
        .end();
    faults += (faults.size() > 1 ? "," : "") + one;
  }
  std::string out;
  json::ObjectWriter(out)
      .number("seed", report.seed)
      .text("command", report.command)
      .number("duration_ms", static_cast<std::uint64_t>(report.seconds * 1'000))
      .raw("operations", operations)
      .raw("faults", faults + "]")
      .raw("recovery_ms", recoveries + "]")
      .raw("messages", object_of(t.states))
      .number("turns", t.turns)
      .number("events", report.history.events.size())
      .raw("facts", object_of(facts))
      .raw("violations", violations + "]")
      .end();
  return out + "\n";
}

}  // namespace holdfast::cli::torture
