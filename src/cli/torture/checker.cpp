#include "src/cli/torture/checker.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <set>

#include "src/cli/torture/checker_parts.hpp"

namespace holdfast::cli::torture {
namespace {

struct Text {
  std::string_view name;
  std::string_view meaning;
};

constexpr std::array<Text, kRules> kTexts{{
    {"survives", "what was acknowledged or shown is there, as it was said"},
    {"once", "an id is admitted once; replays answer the original"},
    {"dense", "seq and event ids count without a gap"},
    {"real_time", "what ended before something else began stands before it"},
    {"batch", "a batch is there whole and in a row, or not at all"},
    {"refused_absent", "what was refused is not there"},
    {"nothing_made_up", "what is there was sent by somebody"},
    {"queue_order", "turns are handed out in the order of the queue"},
    {"no_overlap", "turns of a session do not overlap"},
    {"attempts", "attempts count up; a release burns none"},
    {"lease", "a turn stays with its worker while the lease lives"},
    {"fencing", "a worker's report counts while it holds the turn, and only then"},
    {"one_end", "every message ends once, for good"},
    {"result", "a result is that of the attempt that completed"},
    {"readers", "every reader sees every event once, in order"},
    {"available", "the server starts, answers and drains"},
}};

std::map<std::string, SessionHistory> by_session(const History& history) {
  std::map<std::string, SessionHistory> sessions;
  for (const auto& o : history.operations) sessions[o.session].operations.push_back(&o);
  for (const auto& m : history.messages) sessions[m.session].messages.push_back(&m);
  for (const auto& e : history.events) sessions[e.session].events.push_back(&e);
  for (auto& [name, session] : sessions) {
    session.name = name;
    std::stable_sort(session.operations.begin(), session.operations.end(),
                     [](const auto* a, const auto* b) { return a->begin_us < b->begin_us; });
    std::stable_sort(session.messages.begin(), session.messages.end(),
                     [](const auto* a, const auto* b) { return a->seq < b->seq; });
    std::stable_sort(session.events.begin(), session.events.end(),
                     [](const auto* a, const auto* b) { return a->id < b->id; });
  }
  return sessions;
}

bool shows(const History& history, const Violation& violation) {
  const auto verdict = check(history);
  return std::any_of(verdict.violations.begin(), verdict.violations.end(),
                     [&](const auto& v) { return v.rule == violation.rule && v.sentence == violation.sentence; });
}

// Leaves out as many of `units` as it can while `shows_without` holds for what is left out: halves first, then smaller
// parts (delta debugging: Zeller, Hildebrandt, 2002).
template <class T>
std::set<T> needless(const std::vector<T>& units, const std::function<bool(const std::set<T>&)>& shows_without) {
  std::set<T> out;
  for (std::size_t part = std::max<std::size_t>(1, units.size() / 2);; part /= 2) {
    for (std::size_t at = 0; at < units.size(); at += part) {
      auto more = out;
      for (std::size_t i = at; i < std::min(units.size(), at + part); ++i) more.insert(units[i]);
      if (more.size() > out.size() && shows_without(more)) out = std::move(more);
    }
    if (part == 1) return out;
  }
}

template <class T, class Keep>
std::vector<T> only(const std::vector<T>& all, const Keep& keep) {
  std::vector<T> out;
  std::copy_if(all.begin(), all.end(), std::back_inserter(out), keep);
  return out;
}

History without_messages(const History& h, const std::set<std::string>& ids) {
  const auto keep = [&](const auto& x) { return x.message.empty() || !ids.contains(x.message); };
  return {only(h.operations, keep), only(h.messages, keep), only(h.events, keep)};
}

History without_operations(const History& h, const std::set<std::size_t>& numbers) {
  History out{{}, h.messages, h.events};
  for (std::size_t i = 0; i < h.operations.size(); ++i)
    if (!numbers.contains(i)) out.operations.push_back(h.operations[i]);
  return out;
}

History without_events(const History& h, const std::set<std::uint64_t>& ids) {
  return {h.operations, h.messages, only(h.events, [&](const auto& e) { return !ids.contains(e.id); })};
}

}  // namespace

std::string_view name_of(Rule rule) noexcept { return kTexts[static_cast<std::size_t>(rule)].name; }
std::string_view meaning_of(Rule rule) noexcept { return kTexts[static_cast<std::size_t>(rule)].meaning; }

bool Verdict::has(Rule rule) const noexcept {
  return std::any_of(violations.begin(), violations.end(), [&](const auto& v) { return v.rule == rule; });
}

bool final_state(std::string_view state) noexcept {
  return state == "completed" || state == "failed" || state == "interrupted" || state == "cancelled" ||
         state == "expired" || state == "replaced" || state == "merged";
}

void check_real_time(std::vector<Effect> effects, Findings& findings) {
  std::stable_sort(effects.begin(), effects.end(),
                   [](const auto& a, const auto& b) { return a.position < b.position; });
  const Effect* latest = nullptr;  // of those that stand before: the one that began last
  for (const auto& effect : effects) {
    findings.fact(Rule::real_time);
    if (latest != nullptr && latest->position < effect.position && latest->begin_us > effect.end_us) {
      findings.violation(Rule::real_time,
                         effect.what + " had ended when " + latest->what + " began, and stands behind it",
                         {effect.message, latest->message});
    }
    if (latest == nullptr || effect.begin_us > latest->begin_us) latest = &effect;
  }
}

void check_readers(const SessionHistory& session, Findings& findings) {
  std::map<std::uint64_t, const EndEvent*> log;
  for (const auto* event : session.events) log[event->id] = event;
  for (const auto* o : session.operations) {
    if (o->kind != Kind::read) continue;
    const auto reader = "reader " + std::to_string(o->actor);
    std::uint64_t last = o->after;
    for (const auto& seen : o->seen) {
      const auto id = std::to_string(seen.id);
      if (!findings.expect(seen.id == last + 1, Rule::readers,
                           [&] { return reader + " saw event " + id + " behind event " + std::to_string(last); }, {},
                           {last, seen.id}))
        break;
      last = seen.id;
      const auto found = log.find(seen.id);
      if (!findings.expect(found != log.end(), Rule::survives,
                           [&] { return reader + " saw event " + id + ", which is not there"; }, {}, {seen.id}))
        continue;
      findings.expect(found->second->digest == seen.digest, Rule::readers,
                      [&] { return reader + " saw event " + id + " with other content than is there"; }, {}, {seen.id});
    }
    if (o->to_the_end && !log.empty())
      findings.expect(
          last >= log.rbegin()->first, Rule::readers,
          [&] { return reader + " got nothing behind event " + std::to_string(last) + ", and there is more"; }, {},
          {last});
  }
}

Verdict check(const History& history) {
  Verdict verdict;
  for (const auto& [name, session] : by_session(history)) {
    Findings findings(verdict, name);
    const auto admissions = admissions_of(session);
    check_messages(session, admissions, findings);
    check_turns(session, admissions, findings);
    check_readers(session, findings);
  }
  return verdict;
}

History shrink(const History& history, const Violation& violation) {
  const auto here = [&](const auto& x) { return x.session == violation.session; };
  History smallest{only(history.operations, here), only(history.messages, here), only(history.events, here)};
  if (!shows(smallest, violation)) return smallest;

  std::set<std::string> ids;
  for (const auto& o : smallest.operations) ids.insert(o.message);
  for (const auto& m : smallest.messages) ids.insert(m.message);
  for (const auto& e : smallest.events) ids.insert(e.message);
  ids.erase("");
  smallest = without_messages(smallest, needless<std::string>({ids.begin(), ids.end()}, [&](const auto& out) {
                                return shows(without_messages(smallest, out), violation);
                              }));
  std::vector<std::size_t> numbers(smallest.operations.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
  smallest = without_operations(smallest, needless<std::size_t>(numbers, [&](const auto& out) {
                                  return shows(without_operations(smallest, out), violation);
                                }));
  std::vector<std::uint64_t> events;
  for (const auto& e : smallest.events) events.push_back(e.id);
  smallest = without_events(smallest, needless<std::uint64_t>(events, [&](const auto& out) {
                              return shows(without_events(smallest, out), violation);
                            }));
  return smallest;
}

}  // namespace holdfast::cli::torture
