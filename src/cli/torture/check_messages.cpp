// Admissions, and what was told of single messages, against the end state.
#include <algorithm>
#include <limits>
#include <set>

#include "src/cli/torture/checker_parts.hpp"

namespace holdfast::cli::torture {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::string said(const Operation& o) { return o.message + " as seq " + std::to_string(o.seq); }

void check_rows(const SessionHistory& session, const Admissions& admissions, Findings& findings) {
  std::set<std::string> ids;
  std::uint64_t seq = 0;
  for (const auto* row : session.messages) {
    findings.expect(ids.insert(row->message).second, Rule::once, [&] { return row->message + " is there twice"; },
                    {row->message});
    findings.expect(row->seq == seq + 1, Rule::dense,
                    [&] { return "seq " + std::to_string(row->seq) + " follows seq " + std::to_string(seq); },
                    {row->message});
    seq = row->seq;
    const auto& tries = admissions.at(row->message).tries;
    if (!findings.expect(!tries.empty(), Rule::nothing_made_up,
                         [&] { return row->message + " is there, and nobody sent it"; }, {row->message}))
      continue;
    if (!findings.expect(admissions.at(row->message).possible(), Rule::refused_absent,
                         [&] { return row->message + " is there, and every try to admit it was refused"; },
                         {row->message}))
      continue;
    findings.expect(
        std::any_of(tries.begin(), tries.end(),
                    [&](const auto* t) { return t->outcome != Outcome::refused && t->sent_hash == row->body_hash; }),
        Rule::survives, [&] { return row->message + " is there with a body hash that nobody sent"; }, {row->message});
    findings.expect(row->content_hash.empty() || row->content_hash == row->body_hash, Rule::survives,
                    [&] { return row->message + " holds another content than its body hash says"; }, {row->message});
  }
}

// What was acknowledged and is sent again as it was gets the first answer, also on a full queue.
void check_denied(const std::string& id, const Operation& denied, const Admission& a, Findings& findings) {
  const bool was_there = std::any_of(a.tries.begin(), a.tries.end(), [&](const auto* other) {
    return other->outcome == Outcome::ok && other->end_us < denied.begin_us && other->sent_hash == denied.sent_hash;
  });
  if (!was_there) return;
  findings.expect(denied.code != "queue_full" && denied.code != "idempotency_mismatch", Rule::once,
                  [&] { return id + " was acknowledged, sent again as it was, and answered " + denied.code; }, {id});
}

void check_replays(const std::string& id, const Admission& a, Findings& findings) {
  const Operation* first_ok = nullptr;
  for (const auto* t : a.tries) {
    if (t->outcome == Outcome::refused) check_denied(id, *t, a, findings);
    if (t->outcome != Outcome::ok) continue;
    findings.expect(t->sent_hash == t->body_hash, Rule::once,
                    [&] { return id + " was answered with the hash of another body than was sent"; }, {id});
    if (first_ok == nullptr) first_ok = t;
    findings.expect(
        t->seq == first_ok->seq, Rule::once,
        [&] { return id + " was answered with seq " + std::to_string(first_ok->seq) + " and later " + said(*t); },
        {id});
    const auto earlier = [&](const auto* other) { return other != t && other->end_us < t->begin_us; };
    const bool was_there = std::any_of(a.tries.begin(), a.tries.end(), [&](const auto* other) {
      return earlier(other) && other->outcome == Outcome::ok;
    });
    findings.expect(!was_there || t->replayed, Rule::once,
                    [&] { return id + " was acknowledged, sent again, and answered as if it were new"; }, {id});
    const bool may_be_there = t->sends > 1 || std::any_of(a.tries.begin(), a.tries.end(), [&](const auto* other) {
                                return other != t && other->outcome != Outcome::refused && other->begin_us < t->end_us;
                              });
    findings.expect(!t->replayed || may_be_there, Rule::once,
                    [&] { return id + " was answered as a replay, and was sent only once"; }, {id});
  }
}

void check_acknowledged(const std::string& id, const Admission& a, Findings& findings) {
  const auto ok = std::find_if(a.tries.begin(), a.tries.end(), [](auto* t) { return t->outcome == Outcome::ok; });
  if (ok == a.tries.end()) return;
  const auto& answer = **ok;
  if (!findings.expect(a.row != nullptr, Rule::survives,
                       [&] { return said(answer) + " was acknowledged, and is not there"; }, {id}))
    return;
  findings.expect(a.row->seq == answer.seq, Rule::survives,
                  [&] { return said(answer) + " was acknowledged, and is there as seq " + std::to_string(a.row->seq); },
                  {id});
  findings.expect(a.row->body_hash == answer.body_hash, Rule::survives,
                  [&] { return said(answer) + " was acknowledged, and is there with another body"; }, {id});
}

void check_batches(const SessionHistory& session, const Admissions& admissions, Findings& findings) {
  std::map<std::uint64_t, std::vector<std::string>> batches;  // ids in their order
  for (const auto* o : session.operations) {
    if (o->kind != Kind::admit || o->batch == 0) continue;
    auto& ids = batches[o->batch];
    if (std::find(ids.begin(), ids.end(), o->message) == ids.end()) ids.push_back(o->message);
  }
  for (const auto& batch : batches) {
    const auto& ids = batch.second;
    std::uint64_t there = 0;
    bool in_a_row = true;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto* row = admissions.at(ids[i]).row;
      const auto* first = admissions.at(ids[0]).row;
      if (row == nullptr) continue;
      ++there;
      in_a_row = in_a_row && first != nullptr && row->seq == first->seq + i;
    }
    findings.expect(
        there == 0 || there == ids.size(), Rule::batch,
        [&] { return "of the batch that begins with " + ids[0] + " a part is there"; }, ids);
    findings.expect(
        in_a_row || there != ids.size(), Rule::batch,
        [&] { return "the batch that begins with " + ids[0] + " does not stand in a row"; }, ids);
  }
}

void check_look(const Operation& look, const Admissions& admissions, Findings& findings) {
  const auto& id = look.message;
  const auto& a = admissions.at(id);
  if (look.state == "absent") {
    findings.expect(!a.acknowledged() || look.begin_us < a.first_ok_end_us, Rule::survives,
                    [&] { return id + " was acknowledged, and a read after that did not find it"; }, {id});
    return;
  }
  if (!findings.expect(a.row != nullptr, Rule::survives,
                       [&] { return id + " was shown to a reader, and is not there"; }, {id}))
    return;
  findings.expect(
      a.row->seq == look.seq, Rule::survives,
      [&] { return said(look) + " was shown to a reader, and is there as seq " + std::to_string(a.row->seq); }, {id});
  findings.expect(a.row->body_hash == look.body_hash, Rule::survives,
                  [&] { return id + " was shown to a reader with another body than is there"; }, {id});
  if (final_state(look.state))
    findings.expect(a.row->state == look.state, Rule::one_end,
                    [&] { return id + " was shown as " + look.state + ", and is " + a.row->state + " now"; }, {id});
}

void check_ended_as(const Operation& o, std::string_view state, const Admissions& admissions, Findings& findings) {
  const auto* row = admissions.at(o.message).row;
  if (row == nullptr) return;
  findings.expect(row->state == state, Rule::one_end,
                  [&] {
                    return o.message + ": a client was told that it is to end " + std::string(state) + ", and it is " +
                           row->state;
                  },
                  {o.message});
}

}  // namespace

bool Admission::acknowledged() const noexcept { return first_ok_end_us != kNever; }

bool Admission::possible() const noexcept {
  return std::any_of(tries.begin(), tries.end(), [](const auto* t) { return t->outcome != Outcome::refused; });
}

Admissions admissions_of(const SessionHistory& session) {
  Admissions all;
  const auto of = [&](const std::string& id) -> Admission& {
    const auto [at, made] = all.try_emplace(id);
    if (made) at->second.first_begin_us = at->second.first_ok_end_us = kNever;
    return at->second;
  };
  for (const auto* o : session.operations) {
    auto& a = of(o->message);
    if (o->kind != Kind::admit) continue;
    a.tries.push_back(o);
    if (o->outcome != Outcome::refused) a.first_begin_us = std::min(a.first_begin_us, o->begin_us);
    if (o->outcome == Outcome::ok) a.first_ok_end_us = std::min(a.first_ok_end_us, o->end_us);
  }
  for (const auto* row : session.messages) of(row->message).row = row;
  return all;
}

void check_messages(const SessionHistory& session, const Admissions& admissions, Findings& findings) {
  check_rows(session, admissions, findings);
  std::vector<Effect> effects;
  for (const auto& [id, a] : admissions) {
    if (a.tries.empty()) continue;
    check_replays(id, a, findings);
    check_acknowledged(id, a, findings);
    if (!a.possible()) findings.fact(Rule::refused_absent);
    if (a.row != nullptr) effects.push_back({a.first_begin_us, a.first_ok_end_us, a.row->seq, "admitting " + id, id});
  }
  check_real_time(std::move(effects), findings);
  check_batches(session, admissions, findings);
  for (const auto* o : session.operations) {
    if (o->outcome != Outcome::ok) continue;
    if (o->kind == Kind::look) check_look(*o, admissions, findings);
    if (o->kind == Kind::cancel) check_ended_as(*o, "cancelled", admissions, findings);
    if (o->kind == Kind::interrupt && !o->message.empty()) check_ended_as(*o, "interrupted", admissions, findings);
  }
}

}  // namespace holdfast::cli::torture
