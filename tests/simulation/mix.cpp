#include "tests/simulation/mix.hpp"

#include <numeric>
#include <string_view>

namespace holdfast::simulation {
namespace {

struct Face {
  Op op;
  std::string_view name;
  std::uint32_t weight;  // in the ordinary mix
  enum class Swarm : std::uint8_t {
    drawn,   // a seed may do without it
    always,  // without it nothing moves
  } swarm = Swarm::drawn;
};

constexpr std::array<Face, kOps> kFaces{{
    {Op::admit, "admit", 120, Face::Swarm::always},
    {Op::admit_batch, "admit_batch", 30},
    {Op::retry, "retry", 30},
    {Op::mismatch, "mismatch", 5},
    {Op::edit, "edit", 15},
    {Op::look, "look", 15},
    {Op::read_events, "read_events", 10},
    {Op::change_queue, "change_queue", 30},
    {Op::interrupt, "interrupt", 10},
    {Op::redrive, "redrive", 30},
    {Op::remove, "remove", 2},
    {Op::claim, "claim", 60, Face::Swarm::always},
    {Op::work, "work", 90},
    {Op::answer_call, "answer_call", 60},
    {Op::increment, "increment", 60},
    {Op::use_account, "use_account", 90},
    {Op::offload, "offload", 30},
    {Op::commit, "commit", 90, Face::Swarm::always},
    {Op::answers, "answers", 90, Face::Swarm::always},
    {Op::one_actor, "one_actor", 120, Face::Swarm::always},
    {Op::all_actors, "all_actors", 30},
    {Op::clock, "clock", 30, Face::Swarm::always},
    {Op::jump, "jump", 3},
    {Op::sweep, "sweep", 30},
    {Op::fault, "fault", 5},
    {Op::crash, "crash", 6},
    {Op::crash_unheard, "crash_unheard", 3},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kOps; ++i)
    if (kFaces[i].op != static_cast<Op>(i)) return false;
  return true;
}
static_assert(in_order());

using Fault = MemoryStore::Fault;
constexpr Fault kFaults[] = {Fault::full, Fault::unknown_kept, Fault::unknown_lost, Fault::read_error};
constexpr OnBusy kPolicies[] = {OnBusy::enqueue, OnBusy::enqueue, OnBusy::enqueue,   OnBusy::reject,
                                OnBusy::replace, OnBusy::merge,   OnBusy::interrupt, OnBusy::steer};

Limits ordinary_limits() {
  Limits l;
  l.queue_window_messages = 3;  // so that queues are deeper than what memory holds
  l.live_objects_max = 2;
  l.idle_evict_ms = 500;
  l.retry_default_ms = {50, 200};
  l.retry_unreachable_ms = {50, 100};
  l.callback_retry_ms = {100, 300};
  l.push_timeout_ms = 500;
  l.push_lease_ms = 1'000;
  l.target_concurrency = 2;
  l.target_failures_max = 4;
  l.target_rest_ms = 150;
  return l;
}

class Draw {
 public:
  explicit Draw(Random& random) : random_(random) {}
  [[nodiscard]] std::uint64_t below(std::uint64_t n) { return random_.next() % n; }
  [[nodiscard]] bool one_in(std::uint64_t n) { return below(n) == 0; }
  template <class T, std::size_t N>
  [[nodiscard]] T of(const T (&choices)[N]) {
    return choices[below(N)];
  }

 private:
  Random& random_;
};

void draw_limits(Draw& draw, Limits& l) {
  l.queue_window_messages = draw.of<std::uint64_t>({1, 2, 3, 64});
  l.live_objects_max = draw.of<std::uint64_t>({1, 2, 5, 1'000});
  l.queue_capacity = draw.of<std::uint64_t>({1, 2, 5, 1'000, 1'000, 1'000});
  l.lease_expiries_max = draw.of<std::uint64_t>({0, 1, 20, 20});
  l.interrupt_grace_ms = draw.of<std::uint64_t>({0, 300, 10'000});
  l.events_retain_count = draw.of<std::uint64_t>({0, 0, 0, 5, 50});
  l.target_concurrency = draw.of<std::uint64_t>({1, 2, 32});
  l.target_failures_max = draw.of<std::uint64_t>({1, 4, 100});
  l.object_call_ms = draw.of<std::uint64_t>({30, 30'000});
  l.idle_evict_ms = draw.of<std::uint64_t>({1, 500, 60'000});
  if (draw.one_in(6)) l.in_flight_max = 1 + draw.below(4);
  if (draw.one_in(4)) l.retry_default_ms = {};
  if (draw.one_in(4)) l.callback_retry_ms = {100};
}

// One session takes message after message, and hardly anything else happens to it.
void flood(Mix& mix) {
  mix.weights[static_cast<std::size_t>(Op::admit)] *= 20;
  for (const auto op : {Op::admit_batch, Op::edit, Op::change_queue, Op::interrupt, Op::remove, Op::work})
    mix.weights[static_cast<std::size_t>(op)] = 0;
  mix.policies = {OnBusy::enqueue};
  mix.limits.queue_capacity = 1'000;
  mix.sessions = 1;
  mix.expiring = mix.delayed = 0;
}

}  // namespace

Op Mix::draw(Random& random) const {
  auto left = random.next() % std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  std::size_t op = 0;
  while (left >= weights[op]) left -= weights[op++];
  return static_cast<Op>(op);
}

std::string Mix::text() const {
  std::string out = std::to_string(sessions) + " sessions" + (pushed ? ", one pushed" : "") +
                    (disk_fills ? ", a disk that fills" : "");
  for (std::size_t i = 0; i < kOps; ++i)
    if (weights[i] != 0) out += ", " + std::string(kFaces[i].name) + " " + std::to_string(weights[i]);
  const Limits usual;
  for (const auto& field : limit_fields())
    if (limits.*field.field != usual.*field.field)
      out += ", " + std::string(field.name) + "=" + std::to_string(limits.*field.field);
  return out;
}

Mix draw_mix(Random& random) {
  Draw draw(random);
  Mix mix;
  mix.limits = ordinary_limits();
  mix.faults.assign(std::begin(kFaults), std::end(kFaults));
  mix.policies.assign(std::begin(kPolicies), std::end(kPolicies));
  for (std::size_t i = 0; i < kOps; ++i) mix.weights[i] = kFaces[i].weight;
  if (draw.one_in(4)) return mix;

  for (std::size_t i = 0; i < kOps; ++i) {
    const auto lot = draw.below(4);
    if (lot == 0 && kFaces[i].swarm == Face::Swarm::drawn) mix.weights[i] = 0;
    if (lot == 1) mix.weights[i] *= 5;
  }
  std::erase_if(mix.faults, [&](Fault) { return draw.one_in(2); });
  if (mix.faults.empty()) mix.weights[static_cast<std::size_t>(Op::fault)] = 0;
  std::erase_if(mix.policies, [&](OnBusy) { return draw.one_in(2); });
  if (mix.policies.empty()) mix.policies = {OnBusy::enqueue};
  draw_limits(draw, mix.limits);
  mix.sessions = draw.of<std::uint64_t>({1, 2, 4, 16});
  mix.expiring = draw.of<std::uint64_t>({0, 2, 8});
  mix.delayed = draw.of<std::uint64_t>({0, 2, 8});
  mix.called = draw.of<std::uint64_t>({0, 1, 4});
  mix.pushed = draw.one_in(2);
  mix.disk_fills = draw.one_in(2);
  mix.tick_ms = draw.of<std::int64_t>({20, 400, 3'000});
  mix.jump_ms = draw.of<std::int64_t>({2'000, 10'000, 100'000});
  if (draw.one_in(16)) flood(mix);
  return mix;
}

}  // namespace holdfast::simulation
