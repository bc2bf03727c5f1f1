#include "tests/simulation/world.hpp"

#include <catch2/catch.hpp>

#include "src/core/crypto.hpp"

namespace holdfast::simulation {

World::World(std::uint64_t seed, int steps, Tally& tally)
    : random_(seed), seed_(seed), steps_(steps), mix_(draw_mix(random_)), tally_(tally), witness_(tally) {}

World::~World() {
  ++generation_;
  witness_.dying = true;
  if (engine_) engine_->abandon();
  engine_.reset();
}

void World::set_up() {
  bool made = false;
  const auto put = [&](std::string_view name, SessionSpec spec) {
    engine_->command(std::string(name), session::Put{std::move(spec), {}}, 0,
                     on_reply<PutResult>([&made](auto reply) { made = reply.has_value(); }));
    settle();
    REQUIRE(std::exchange(made, false));
  };
  SessionSpec pushed;
  pushed.delivery = DeliveryRoute{DeliveryMode::push, std::string(kTurns), {}};
  if (mix_.pushed) put(kPushed, std::move(pushed));
  put(kLedger, {});
  engine_->command(std::string(kLedger), session::Queue{{QueueAction::pause, {}}, {}}, 0,
                   on_reply<Session>([&made](auto reply) { made = reply.has_value(); }));
  settle();
  REQUIRE(made);
}

void World::open() {
  EngineParts parts;
  parts.options.limits = mix_.limits;
  parts.logger = make_logger(LogLevel::off, LogFormat::text);
  parts.clock = std::make_unique<SimulatedClock>(now_);
  parts.random = std::make_unique<SeededRandom>(random_.next());
  auto store = store_ == nullptr ? std::make_unique<MemoryStore>() : store_->crash(random_);
  store_ = store.get();
  parts.store = std::move(store);
  register_hosts(parts.options, witness_);
  parts.outbound = std::make_unique<Receivers>(calls_, [this](const auto& call) { arrived(call); });
  parts.identity.id = "str_simulation";
  parts.master_key = master_;
  parts.drive = EngineParts::Drive::stepped;
  auto engine = Engine::Impl::make(std::move(parts));
  REQUIRE(engine);
  if (engine_) engine_->abandon();
  witness_.dying = true;
  engine_ = std::move(*engine);
  answers_ = engine_->pipeline().queue([] {});
  witness_.dying = false;
}

void World::crash() {
  tally_crash();
  ++generation_;
  if (answers_->run()) saw(Rare::crash_unanswered);  // nobody hears them
  calls_.clear();
  open();
  judge_unanswered();
}

// The process dies when a commit is on disk and nobody was told of it yet.
void World::crash_unheard() {
  ++generation_;
  engine_->abandon();
  if (engine_->pipeline().commit_once()) saw(Rare::crash_unheard);
  crash();
}

void World::tally_crash() {
  const Calm calm(*store_);
  const auto stats = engine_->stats();
  saw(Rare::crash);
  saw(Rare::evicted, stats.evictions);
  saw(Rare::write_refused, stats.commit.refusals);
  if (stats.waiting_claims != 0) saw(Rare::crash_with_claim);
  if (stats.push_targets_broken != 0) saw(Rare::push_rests);
  if (!calls_.empty()) saw(Rare::crash_with_call);
  saw(Rare::crash_with_mail_taken, mail_taken_and_not_struck());
  for (const auto& [session, sent] : sessions_) {
    const auto running = entity_of(session).state.running;
    if (running) saw(running->interrupt_until != 0 ? Rare::crash_captured : Rare::crash_with_lease);
  }
}

// What clients never got an answer to: from here on it is there or not.
void World::judge_unanswered() {
  using Unknown = Sent::Unknown;
  for (auto& [session, all] : sessions_) {
    for (auto& [id, sent] : all) {
      if (sent.seq != 0 || sent.generation < judged_ || sent.refused == sent.asked) continue;
      const bool there = durable(session, id);
      if (sent.unknown == Unknown::asked) saw(there ? Rare::unknown_there : Rare::unknown_absent);
      else saw(there ? Rare::crash_left_admission : Rare::crash_took_admission);
      if (sent.unknown == Unknown::asked) sent.unknown = there ? Unknown::there : Unknown::absent;
    }
  }
  judged_ = generation_;
}

void World::run() {
  INFO("seed " << seed_ << ", " << steps_ << " steps; again with: HOLDFAST_SIM_SEED=" << seed_
               << " HOLDFAST_SIM_STEPS=" << steps_ << " build/release/bin/simulation_tests");
  INFO("its mix: " << mix_.text());
  open();
  set_up();
  for (int i = 0; i < steps_; ++i) {
    step();
    if (engine_->health() == Health::broken) {  // a process whose store failed ends, and a new one recovers
      using Fault = MemoryStore::Fault;
      saw(injected_ == Fault::unknown_kept ? Rare::write_kept : Rare::write_lost);
      settle();
      crash();
      verify();
    }
  }
  settle();
  verify();
  crash();
  verify();
  drain();
  verify();
  verify_rows();
  look_back();
  tally_.end_seed();
}

void World::drain_actors() {
  while (!scheduler().jobs.empty()) step_actor();
}

void World::step_actor() {
  auto& jobs = scheduler().jobs;
  if (jobs.empty()) return;
  std::rotate(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(pick(jobs.size())), jobs.end());
  // On an event loop, or on a thread that has none.
  const bool loop = one_in(2);
  if (loop) engine_->pipeline().begin_lending(0, answers_.get());
  scheduler().try_run_once();
  if (loop) engine_->pipeline().end_lending();
}

void World::settle() {
  do drain_actors();
  while (engine_->pipeline().commit_once() || answers_->run() || engine_->offload().run_one() ||
         !scheduler().jobs.empty());
}

void World::pass(int rounds, Time ms) {
  for (int round = 0; round < rounds; ++round) {
    now_ += ms;
    engine_->timers().run_due();
    settle();
  }
}

bool World::all_ended() const {
  for (const auto& [session, sent] : sessions_) {
    const auto state = entity_of(session).state;
    if (state.queued != 0 || state.running) return false;
  }
  return true;
}

void World::drain() {
  store_->inject(MemoryStore::Fault::none);
  store_->set_free_bytes(UINT64_MAX);
  // A clock that was set back makes leases and retries wait as much longer, and each step may have set it back.
  const std::size_t patience = 200 + static_cast<std::size_t>(steps_ * mix_.jump_ms / 1'000);
  auto rounds = patience;
  for (const auto& [session, sent] : sessions_) rounds += 2 * sent.size();
  for (; rounds > 0 && !all_ended(); --rounds) drain_once();
  REQUIRE(all_ended());
  pass(300, 1'001);  // what is still on its way between accounts
  for (rounds = patience; rounds > 0 && mail_on_its_way(); --rounds) pass(1, 1'001);
  verify_accounts();
  for (int round = 0; round < 20; ++round) {  // what is still due to be called back
    pass(1, 1'000);
    answer_calls_well();
  }
  verify_outbox();
}

void World::drain_once() {
  for (const auto& [session, sent] : sessions_) {
    if (!entity_of(session).state.paused) continue;
    engine_->command(session, session::Queue{{QueueAction::resume, {}}, {}}, 0, on_reply<Session>([](auto) {}));
    settle();
  }
  pass(1, 1'000);
  held_.clear();
  ClaimRequest request;
  request.max = 4;
  request.lease_ms = 1'000;
  engine_->claim(request, [this](Result<std::vector<Delivery>> deliveries) {
    if (deliveries) hand_out(*deliveries);
  });
  settle();
  for (const auto& held : std::exchange(held_, {})) {
    engine_->delivery(held.lease, session::Complete{{}, {"{}", {}}}, 0, on_reply<session::Nothing>([](auto) {}));
    settle();
  }
  answer_calls_well();
}

void World::jump() {
  if (one_in(3)) {
    now_ -= static_cast<Time>(pick(static_cast<std::uint64_t>(mix_.jump_ms)));
    saw(Rare::clock_back);
  } else {
    const auto before = now_;
    now_ += static_cast<Time>(pick(static_cast<std::uint64_t>(mix_.jump_ms)));
    for (const auto& held : held_)
      if (before < held.until && held.until <= now_) saw(Rare::lease_jumped);
  }
  engine_->timers().run_due();
}

void World::sweep() {
  const bool in_flight = engine_->stats().in_flight != 0;
  engine_->router().sweep(now_, static_cast<Time>(pick(2)) * 100);
  if (!in_flight || !one_in(2)) return;
  drain_actors();
  if (engine_->router().live() != 0 && engine_->stats().in_flight != 0) saw(Rare::eviction_waits);
}

void World::inject() {
  const auto fault = mix_.faults[pick(mix_.faults.size())];
  store_->inject(fault);
  if (fault == MemoryStore::Fault::unknown_kept || fault == MemoryStore::Fault::unknown_lost) injected_ = fault;
  constexpr std::uint64_t kLeft[] = {0, 32 << 20, UINT64_MAX};  // nothing, the reserve, plenty
  if (mix_.disk_fills && one_in(3)) store_->set_free_bytes(kLeft[pick(3)]);
}

void World::step() {
  switch (mix_.draw(random_)) {
    case Op::admit: return admit();
    case Op::admit_batch: return admit_batch();
    case Op::retry: return retry();
    case Op::mismatch: return mismatch();
    case Op::edit: return edit();
    case Op::look: return look();
    case Op::read_events: return read_events();
    case Op::change_queue: return change_queue();
    case Op::interrupt: return interrupt();
    case Op::redrive: return redrive();
    case Op::remove: return remove();
    case Op::claim: return claim();
    case Op::work: return work_on_lease();
    case Op::answer_call: return answer_call();
    case Op::increment: return increment();
    case Op::use_account: return use_account();
    case Op::offload: return static_cast<void>(engine_->offload().run_one());
    case Op::commit: return static_cast<void>(engine_->pipeline().commit_once());
    case Op::answers: return static_cast<void>(answers_->run());
    case Op::one_actor: return step_actor();
    case Op::all_actors: return drain_actors();
    case Op::clock:
      now_ += static_cast<Time>(pick(static_cast<std::uint64_t>(mix_.tick_ms)));
      engine_->timers().run_due();
      return;
    case Op::jump: return jump();
    case Op::sweep: return sweep();
    case Op::fault: return inject();
    case Op::crash:
      crash();
      verify();
      if (!one_in(4)) return;
      saw(Rare::crash_in_recovery);
      crash();
      return verify();
    case Op::crash_unheard: crash_unheard(); return verify();
    case Op::count_: break;
  }
}

}  // namespace holdfast::simulation
