// What workers were told and what they reported, against the spans of the session's log.
#include <algorithm>
#include <limits>
#include <set>

#include "src/cli/torture/turn_log.hpp"

namespace holdfast::cli::torture {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

// All that one worker was told and reported under one delivery.
struct DeliveryHistory {
  std::vector<const Operation*> operations;
  const Operation* hand_out = nullptr;
  const Span* span = nullptr;
  Time lease_until = 0;

  [[nodiscard]] std::vector<const Operation*> of(Kind kind) const {
    std::vector<const Operation*> out;
    for (const auto* o : operations)
      if (o->kind == kind) out.push_back(o);
    return out;
  }
  [[nodiscard]] bool any(Kind kind, Outcome outcome) const {
    return std::any_of(operations.begin(), operations.end(),
                       [&](const auto* o) { return o->kind == kind && o->outcome == outcome; });
  }
  // It was reported, or may have been.
  [[nodiscard]] bool may(Kind kind) const { return any(kind, Outcome::ok) || any(kind, Outcome::unknown); }
};

class TurnsCheck {
 public:
  TurnsCheck(const SessionHistory& session, const Admissions& admissions, Findings& findings)
      : session_(session), admissions_(admissions), findings_(findings), log_(session, findings) {}

  void run() {
    check_fates();
    if (!log_.whole()) return;
    gather();
    for (const auto& [name, delivery] : deliveries_) {
      if (delivery.span == nullptr) continue;
      check_lease(name, delivery);
      check_reports(name, delivery);
    }
    check_spans();
    check_emitted();
    check_order();
  }

 private:
  void check_fates() {
    for (const auto* row : session_.messages) {
      const auto fate = log_.fates().find(row->message);
      const bool there = fate != log_.fates().end();
      if (!log_.whole()) continue;
      if (!findings_.expect(there, Rule::survives, [&] { return row->message + " has no event"; }, {row->message}))
        continue;
      findings_.expect(
          fate->second.state == row->state && fate->second.seq == row->seq, Rule::one_end,
          [&] { return row->message + " is " + row->state + ", and its last event says " + fate->second.state; },
          {row->message});
      findings_.expect(final_state(row->state), Rule::one_end,
                       [&] { return row->message + " is " + row->state + " after everything was drained"; },
                       {row->message});
    }
    for (const auto& [id, fate] : log_.fates()) {
      const auto a = admissions_.find(id);
      findings_.expect(a != admissions_.end() && a->second.row != nullptr, Rule::survives,
                       [&, &message = id] { return message + " has events, and is not there"; }, {id});
    }
  }

  void gather() {
    // A turn that was released may go out again as the same attempt in the same millisecond: those in the log's order.
    std::map<std::tuple<std::string, std::uint64_t, Time>, std::vector<const Span*>> by_begin;
    for (const auto& span : log_.spans()) by_begin[{span.message, span.attempt, span.begin_at}].push_back(&span);
    std::map<const Span*, std::string> holders;
    // In the order of their ends: the turn that was released had been handed out before it went out again.
    auto operations = session_.operations;
    std::stable_sort(operations.begin(), operations.end(),
                     [](const auto* a, const auto* b) { return a->end_us < b->end_us; });
    for (const auto* o : operations) {
      if (o->delivery.empty()) continue;
      auto& delivery = deliveries_[o->delivery];
      delivery.operations.push_back(o);
      // As last told: a heartbeat after the clock was set back makes a lease end earlier, and perhaps nobody heard of
      // it.
      if (o->outcome == Outcome::ok && o->lease_until != 0) delivery.lease_until = o->lease_until;
      if (o->outcome == Outcome::unknown && o->kind == Kind::heartbeat) delivery.lease_until = 0;
      if (o->kind != Kind::hand_out) continue;
      delivery.hand_out = o;
      const auto found = by_begin.find({o->message, o->attempt, o->handed_out_at});
      if (!findings_.expect(found != by_begin.end(), Rule::survives,
                            [&] {
                              return "attempt " + std::to_string(o->attempt) + " of " + o->message +
                                     " was handed out, and the log does not have it";
                            },
                            {o->message}))
        continue;
      const auto& spans = found->second;
      const auto mine = std::find_if(spans.begin(), spans.end(), [&](const Span* span) {
        const auto holder = holders.find(span);
        return holder == holders.end() || holder->second == o->delivery;
      });
      delivery.span = mine == spans.end() ? spans.back() : *mine;
      const auto& first = holders.emplace(delivery.span, o->delivery).first->second;
      findings_.expect(first == o->delivery, Rule::no_overlap,
                       [&] {
                         return "attempt " + std::to_string(o->attempt) + " of " + o->message + " was handed out as " +
                                first + " and as " + o->delivery;
                       },
                       {o->message}, {delivery.span->begin});
    }
  }

  void check_lease(const std::string& name, const DeliveryHistory& d) {
    const auto& span = *d.span;
    const bool taken = span.how == Span::End::returned || span.how == Span::End::failed;
    if (!taken || d.may(Kind::fail)) return;
    findings_.expect(span.end_at >= d.lease_until, Rule::lease,
                     [&] {
                       return span.message + " was taken from " + name + " at event " + std::to_string(span.end) +
                              ", " + std::to_string(d.lease_until - span.end_at) + " ms before its lease ended";
                     },
                     {span.message}, {span.begin, span.end});
  }

  // How the span of a delivery may have ended when its worker was told that a report of it counts.
  void check_acknowledged(const std::string& name, const DeliveryHistory& d, Kind kind,
                          const std::vector<Span::End>& ends) {
    if (!d.any(kind, Outcome::ok)) return;
    const auto& span = *d.span;
    findings_.expect(std::find(ends.begin(), ends.end(), span.how) != ends.end(), Rule::fencing,
                     [&] {
                       return name + " was told that its " + std::string(name_of(kind)) + " of " + span.message +
                              " counts, and that turn is " + std::string(name_of(span.how));
                     },
                     {span.message}, {span.begin, span.end});
  }

  void check_reports(const std::string& name, const DeliveryHistory& d) {
    const auto& span = *d.span;
    using End = Span::End;
    check_acknowledged(name, d, Kind::complete, {End::completed});
    check_acknowledged(name, d, Kind::fail, {End::returned, End::failed, End::interrupted});
    check_acknowledged(name, d, Kind::release, {End::released, End::interrupted});
    if (span.how == End::completed) {
      findings_.expect(span.by_delivery == name, Rule::result,
                       [&] {
                         return "the turn of " + name + " completed " + span.message + " with the result of " +
                                span.by_delivery;
                       },
                       {span.message}, {span.begin, span.end});
      findings_.expect(
          d.may(Kind::complete), Rule::fencing,
          [&] {
            return span.message + " is completed by " + name + ", which " +
                   (d.any(Kind::complete, Outcome::refused) ? "was told that it does not count" : "never said so");
          },
          {span.message}, {span.begin, span.end});
    }
    if (span.how == End::released)
      findings_.expect(d.may(Kind::release), Rule::nothing_made_up,
                       [&] { return span.message + " was released by " + name + ", which never said so"; },
                       {span.message}, {span.begin, span.end});
    for (const auto* emit : d.of(Kind::emit)) check_emit(name, span, *emit);
  }

  void check_emit(const std::string& name, const Span& span, const Operation& emit) {
    std::vector<std::uint64_t> ids;
    for (const auto* event : log_.emitted())
      if (event->delivery == name && event->number == emit.number) ids.push_back(event->id);
    const auto what = "emit " + std::to_string(emit.number) + " of " + name;
    if (emit.outcome == Outcome::refused) {
      findings_.expect(
          ids.empty(), Rule::fencing, [&] { return what + " was refused, and its events are there"; }, {span.message},
          ids);
      return;
    }
    findings_.expect(
        ids.size() % emit.count == 0 && ids.size() <= emit.count * emit.sends, Rule::once,
        [&] { return what + " has " + std::to_string(ids.size()) + " events of " + std::to_string(emit.count); },
        {span.message}, ids);
    if (emit.outcome != Outcome::ok) return;
    bool there = emit.last_event > span.begin && (span.how == Span::End::open || emit.last_event < span.end);
    for (std::uint64_t id = emit.last_event + 1 - emit.count; id <= emit.last_event; ++id)
      there = there && std::find(ids.begin(), ids.end(), id) != ids.end();
    findings_.expect(there, Rule::survives,
                     [&] {
                       return what + " was acknowledged up to event " + std::to_string(emit.last_event) +
                              ", and is not there";
                     },
                     {span.message}, {emit.last_event, span.begin, span.end});
  }

  void check_spans() {
    for (const auto& span : log_.spans()) {
      findings_.expect(span.how != Span::End::open, Rule::one_end,
                       [&] { return span.message + " is still with a worker after everything was drained"; },
                       {span.message}, {span.begin});
      if (span.how != Span::End::completed) continue;
      const auto by = deliveries_.find(span.by_delivery);
      findings_.expect(by != deliveries_.end() && by->second.span == &span, Rule::result,
                       [&] {
                         return "attempt " + std::to_string(span.attempt) + " of " + span.message +
                                " completed with the result of " +
                                (span.by_delivery.empty() ? "nobody" : span.by_delivery) + ", which had another turn";
                       },
                       {span.message}, {span.begin, span.end});
    }
  }

  void check_emitted() {
    for (const auto* event : log_.emitted()) {
      const auto by = deliveries_.find(event->delivery);
      const auto known = by != deliveries_.end() && by->second.span != nullptr;
      if (!findings_.expect(
              known && std::any_of(by->second.operations.begin(), by->second.operations.end(),
                                   [&](const auto* o) { return o->kind == Kind::emit && o->number == event->number; }),
              Rule::nothing_made_up, [&] { return "event " + std::to_string(event->id) + " was sent by nobody"; }, {},
              {event->id}))
        continue;
      const auto& span = *by->second.span;
      findings_.expect(
          event->id > span.begin && (event->id < span.end || span.how == Span::End::open), Rule::fencing,
          [&] { return "event " + std::to_string(event->id) + " of " + event->delivery + " stands outside its turn"; },
          {span.message}, {event->id, span.begin, span.end});
    }
  }

  // One order of everything that the log has.
  void check_order() {
    std::vector<Effect> effects;
    for (const auto& [id, fate] : log_.fates()) {
      const auto a = admissions_.find(id);
      if (a == admissions_.end() || a->second.tries.empty()) continue;
      effects.push_back({a->second.first_begin_us, a->second.first_ok_end_us, fate.admitted, "admitting " + id, id});
    }
    for (const auto& [name, d] : deliveries_) {
      if (d.span == nullptr) continue;
      effects.push_back(
          {d.hand_out->begin_us, d.hand_out->end_us, d.span->begin, "handing out " + name, d.span->message});
      if (d.span->how == Span::End::completed) add_report(effects, name, d, Kind::complete);
      if (d.span->how == Span::End::released) add_report(effects, name, d, Kind::release);
      for (const auto* emit : d.of(Kind::emit))
        if (emit->outcome == Outcome::ok && emit->sends == 1)
          effects.push_back({emit->begin_us, emit->end_us, emit->last_event,
                             "emit " + std::to_string(emit->number) + " of " + name, d.span->message});
    }
    check_real_time(std::move(effects), findings_);
  }

  static void add_report(std::vector<Effect>& effects, const std::string& name, const DeliveryHistory& d, Kind kind) {
    Effect effect{kNever, kNever, d.span->end, std::string(name_of(kind)) + " of " + name, d.span->message};
    for (const auto* o : d.of(kind)) {
      if (o->outcome == Outcome::refused) continue;
      effect.begin_us = std::min(effect.begin_us, o->begin_us);
      if (o->outcome == Outcome::ok) effect.end_us = std::min(effect.end_us, o->end_us);
    }
    if (effect.begin_us != kNever) effects.push_back(std::move(effect));
  }

  const SessionHistory& session_;
  const Admissions& admissions_;
  Findings& findings_;
  const TurnLog log_;
  std::map<std::string, DeliveryHistory> deliveries_;
};

}  // namespace

void check_turns(const SessionHistory& session, const Admissions& admissions, Findings& findings) {
  TurnsCheck(session, admissions, findings).run();
}

}  // namespace holdfast::cli::torture
