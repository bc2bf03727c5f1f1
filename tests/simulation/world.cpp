#include "tests/simulation/world.hpp"

#include <catch2/catch.hpp>

#include "actors/session/journal.hpp"
#include "actors/session/views.hpp"
#include "src/core/crypto.hpp"

namespace holdfast::simulation {
namespace {

Limits limits() {
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

constexpr std::string_view kTurns = "https://runtime.example/turns";
constexpr std::string_view kHook = "https://caller.example/hook";
constexpr std::string_view kPushed = "s3";  // the session whose turns are pushed

// Counts, throws and sets alarms as it is asked to. What it holds in memory must be what is stored.
class Counter final : public Object {
 public:
  Task<> on_activate(Context& ctx) override {
    n_ = stored(ctx);
    return {};
  }
  Task<Reply> on_request(Context& ctx, const Request& request) override {
    const auto on_disk = stored(ctx);  // may throw: a read fault
    REQUIRE(n_ == on_disk);
    ctx.storage().put("n", ++n_);
    if (request.path == "/throw") throw std::runtime_error("as asked");
    if (request.path == "/alarm") ctx.set_alarm(ctx.now() + 50);
    ctx.emit("incremented", std::to_string(n_));
    return Reply::text(std::to_string(n_));
  }
  Task<> on_alarm(Context& ctx) override {
    const auto on_disk = stored(ctx);  // may throw: a read fault
    REQUIRE(n_ == on_disk);
    ctx.storage().put("n", ++n_);
    ctx.emit("rung", std::to_string(n_));
    return {};
  }

 private:
  static std::int64_t stored(Context& ctx) { return ctx.storage().get<std::int64_t>("n").value_or(0); }
  std::int64_t n_ = 0;
};

constexpr std::string_view kLedger = "ledger";  // a session that is paused for ever
constexpr int kAccounts = 4;                    // and one that takes nothing
ObjectName account(std::uint64_t n) { return {"account", "a" + std::to_string(n)}; }

// Sends payments to others of its kind, asks them, naps and works elsewhere, and throws now and then. Whatever happens,
// what all accounts have together stays 0, but for payments that were given up.
class Account final : public Object {
 public:
  Task<> on_activate(Context& ctx) override {
    balance_ = stored(ctx);
    return {};
  }

  Task<Reply> on_request(Context& ctx, const Request& request) override {
    check(ctx);
    if (request.path == "/balance") co_return Reply::text(std::to_string(balance_));
    if (request.path == "/pay") {
      put(ctx, balance_ - 1);
      ctx.enqueue(account(std::stoull(request.body)), "1");
    } else if (request.path == "/write") {
      ctx.storage().put("letters", ctx.storage().get<std::int64_t>("letters").value_or(0) + 1);
      ctx.enqueue(std::string(kLedger), AdmitRequest::prompt(request.body));
    } else if (request.path == "/ask") {
      const auto reply = co_await ctx.call(account(std::stoull(request.body)), {"GET", "/balance"});
      if (!reply) throw ObjectError(reply.error());
      count(ctx, "asked");
    } else if (request.path == "/nap") {
      put(ctx, balance_ - 1);
      ctx.enqueue(account(0), "1");
      co_await ctx.sleep(50);
      count(ctx, "naps");
    } else if (request.path == "/work") {
      co_await ctx.block_while(ctx.run([] {}));
      check(ctx);
    }
    throw_now_and_then(ctx);
    co_return Reply::text("done");
  }

  Task<> on_message(Context& ctx, const Inbound& mail) override {
    check(ctx);
    if (ctx.name() == account(kAccounts).name) throw ObjectError(ErrorCode::forbidden, "closed");
    const auto key = "got/" + mail.from.name + "/" + std::to_string(mail.seq);
    REQUIRE(!ctx.storage().get(key));  // never twice
    ctx.storage().put(key, "");
    put(ctx, balance_ + 1);
    throw_now_and_then(ctx);
    return {};
  }

 private:
  static std::int64_t stored(Context& ctx) { return ctx.storage().get<std::int64_t>("balance").value_or(0); }
  static void count(Context& ctx, std::string_view what) {
    ctx.storage().put(what, ctx.storage().get<std::int64_t>(what).value_or(0) + 1);
  }
  static void throw_now_and_then(Context& ctx) {
    if (ctx.now() % 5 == 0) throw std::runtime_error("now and then");
  }
  void check(Context& ctx) {
    const auto on_disk = stored(ctx);  // may throw: a read fault
    REQUIRE(balance_ == on_disk);
  }
  void put(Context& ctx, std::int64_t balance) { ctx.storage().put("balance", balance_ = balance); }
  std::int64_t balance_ = 0;
};

// The first string member of that name.
std::string text_in(const std::string& body, std::string_view name) {
  const auto begin = body.find("\"" + std::string(name) + "\":\"") + name.size() + 4;
  return body.substr(begin, body.find('"', begin) - begin);
}

// Replies of commands in the simulation come through here; `then` sees those of the living process only.
template <class T>
std::function<void(Result<session::Reply>&&)> on_reply(const std::uint64_t& generation,
                                                       std::function<void(Result<T>)> then) {
  return [&generation, asked = generation, then = std::move(then)](Result<session::Reply>&& reply) {
    if (asked != generation) return;
    if (!reply) return then(tl::unexpected(std::move(reply.error())));
    then(std::move(std::get<T>(*reply)));
  };
}

}  // namespace

World::World(std::uint64_t seed, Coverage& coverage) : random_(seed), seed_(seed), coverage_(coverage) {
  open();
  SessionSpec spec;
  spec.delivery = DeliveryRoute{DeliveryMode::push, std::string(kTurns), {}};
  bool made = false;
  engine_->command(std::string(kPushed), session::Put{std::move(spec), {}}, 0,
                   on_reply<PutResult>(generation_, [&made](auto put) { made = put.has_value(); }));
  settle();
  REQUIRE(made);
  engine_->command(std::string(kLedger), session::Put{{}, {}}, 0, on_reply<PutResult>(generation_, [](auto) {}));
  engine_->command(std::string(kLedger), session::Queue{{QueueAction::pause, {}}, {}}, 0,
                   on_reply<Session>(generation_, [&made](auto paused) { made = paused.has_value(); }));
  made = false;
  settle();
  REQUIRE(made);
}

World::~World() {
  ++generation_;
  engine_->abandon();
}

void World::open() {
  EngineParts parts;
  parts.options.limits = limits();
  parts.logger = make_logger(LogLevel::off, LogFormat::text);
  parts.clock = std::make_unique<SimulatedClock>(now_);
  parts.random = std::make_unique<SeededRandom>(random_.next());
  auto store = store_ == nullptr ? std::make_unique<MemoryStore>() : store_->crash(random_);
  store_ = store.get();
  parts.store = std::move(store);
  parts.options.register_class<Counter>("counter");
  parts.options.register_class<Account>("account");
  parts.outbound = std::make_unique<Receivers>(calls_, [this](const auto& call) { arrived(call); });
  parts.identity.id = "str_simulation";
  parts.master_key = master_;
  parts.drive = EngineParts::Drive::stepped;
  auto engine = Engine::Impl::make(std::move(parts));
  REQUIRE(engine);
  if (engine_) engine_->abandon();
  engine_ = std::move(*engine);
}

void World::crash() {
  ++coverage_.crashes;
  coverage_.evictions += engine_->stats().evictions;
  coverage_.epochs += engine_->stats().commit.refusals;
  ++generation_;
  held_.clear();
  calls_.clear();
  open();
}

void World::drain_actors() {
  auto& jobs = scheduler().jobs;
  while (!jobs.empty()) {
    std::rotate(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(pick(jobs.size())), jobs.end());
    scheduler().try_run_once();
  }
}

void World::settle() {
  do drain_actors();
  while (engine_->pipeline().commit_once() || engine_->offload().run_one() || !scheduler().jobs.empty());
}

void World::run(int steps) {
  INFO("seed " << seed_ << "; again with: HOLDFAST_SIM_SEED=" << seed_ << " bin/simulation_tests");
  for (int i = 0; i < steps; ++i) {
    step();
    if (engine_->health() == Health::broken) {  // a process whose store failed ends, and a new one recovers
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
}

void World::drain() {
  store_->inject(MemoryStore::Fault::none);
  store_->set_free_bytes(UINT64_MAX);
  const auto all_ended = [&] {
    for (const auto& [session, sent] : sessions_) {
      const auto entity = session::load(*store_, {std::string(kDefaultProject), session});
      REQUIRE(entity);
      if (entity->state.queued != 0 || entity->state.running) return false;
    }
    return true;
  };
  for (int round = 0; round < 200 && !all_ended(); ++round) {
    for (const auto& [session, sent] : sessions_)
      engine_->command(session, session::Queue{{QueueAction::resume, {}}, {}}, 0,
                       on_reply<Session>(generation_, [](auto) {}));
    settle();
    now_ += 1'000;
    engine_->timers().run_due();
    settle();
    ClaimRequest request;
    request.max = 4;
    request.lease_ms = 1'000;
    engine_->claim(request, [this](Result<std::vector<Delivery>> deliveries) {
      if (!deliveries) return;
      for (const auto& d : *deliveries) held_.push_back({d.session.session, d.message.message, {d.delivery, d.lease}});
    });
    settle();
    for (const auto& held : std::exchange(held_, {}))
      engine_->delivery(held.lease, session::Complete{{}, {"{}", {}}}, 0,
                        on_reply<session::Nothing>(generation_, [](auto) {}));
    settle();
    answer_calls_well();
  }
  REQUIRE(all_ended());
  for (int round = 0; round < 300; ++round) {  // what is still on its way between accounts
    now_ += 1'001;
    engine_->timers().run_due();
    settle();
  }
  verify_accounts();
  for (int round = 0; round < 20; ++round) {  // what is still due to be called back
    now_ += 1'000;
    engine_->timers().run_due();
    settle();
    answer_calls_well();
  }
  verify_outbox();
}

// What reaches the world outside is durable, and only what somebody asked for goes out.
void World::arrived(const Receivers::Call& call) {
  store_->inject(MemoryStore::Fault::none);  // a read fault is not an absence
  const auto& body = call.request.body;
  const auto id = call.header("webhook-id");
  REQUIRE(!call.header("webhook-signature").empty());
  if (call.request.url == kTurns) {
    ++coverage_.pushes;
    REQUIRE(durable(std::string(kPushed), id));
    return;
  }
  REQUIRE(call.request.url == kHook);
  const auto session = text_in(body, "session");
  const auto sent = sessions_[session].find(id);
  REQUIRE(sent != sessions_[session].end());
  REQUIRE(sent->second.request.callback);
  ++sent->second.called;
  ++coverage_.callbacks;
  const auto state = message_state(std::string_view(text_in(body, "type")).substr(8));
  REQUIRE(state);
  REQUIRE(terminal(*state));
  REQUIRE(durable(session, id));
}

void World::answer_call() {
  if (calls_.empty()) return;
  const auto one = calls_.begin() + static_cast<std::ptrdiff_t>(pick(calls_.size()));
  auto call = std::move(*one);
  calls_.erase(one);
  const bool push = call.request.url == kTurns;
  constexpr int kStatuses[] = {200, 200, 202, 500, 503, 429, 404, 410, 0};
  const int status = kStatuses[pick(9)];
  if (push && status == 202) {
    ++coverage_.accepted;
    const auto& body = call.request.body;
    held_.push_back(
        {std::string(kPushed), call.header("webhook-id"), {text_in(body, "delivery"), text_in(body, "lease")}});
  }
  if (status == 0) call.done(tl::unexpected(egress::Failure{egress::Fault::unreachable, "no route"}));
  else call.done(egress::Answer{status, 0, push ? R"({"result":{"pushed":true}})" : ""});
}

void World::answer_calls_well() {
  while (!calls_.empty()) {
    auto call = std::move(calls_.back());
    calls_.pop_back();
    call.done(egress::Answer{200, 0, {}});
    settle();
  }
}

// Every terminal message that asked for it was called back or given up on, and nothing waits any more.
void World::verify_outbox() {
  std::uint64_t left = 0;
  REQUIRE(store_->scan(Family::index, keys::all_callbacks(), [&](auto, auto) {
    ++left;
    return Visit::next;
  }));
  REQUIRE(left == 0);
  for (const auto& [session, sent] : sessions_) {
    const ObjectId id{std::string(kDefaultProject), session};
    std::set<std::string> given_up;
    const auto entity = session::load(*store_, id);
    EventQuery query;
    query.limit = SIZE_MAX;
    query.bytes_max = SIZE_MAX;
    query.types = {"session.callback_failed"};
    const auto page = session::read_events(*store_, id, query, entity->state.floor, entity->state.last_position);
    REQUIRE(page);
    for (const auto& event : page->items) given_up.insert(text_in(event.data, "message"));
    coverage_.callbacks_given_up += given_up.size();
    for (const auto& [name, s] : sent) {
      INFO("session " << session << " message " << name);
      // A receiver that is left alone may cost a callback all its attempts.
      if (s.request.callback && durable(session, name)) REQUIRE((s.called > 0 || given_up.contains(name)));
    }
  }
}

void World::step() {
  switch (pick(34)) {
    case 30: (void)engine_->offload().run_one(); break;
    case 31:
    case 32:
    case 33: use_account(); break;
    case 28:
    case 29: increment(); break;
    case 26:
    case 27: answer_call(); break;
    case 24: interrupt(); break;
    case 25: redrive(); break;
    case 0:
    case 1:
    case 2:
    case 3: admit(); break;
    case 4: admit_batch(); break;
    case 5: retry(); break;
    case 6:
    case 7: claim(); break;
    case 8:
    case 9:
    case 10: work_on_lease(); break;
    case 11: change_queue(); break;
    case 12:
    case 13:
    case 14: engine_->pipeline().commit_once(); break;
    case 15: drain_actors(); break;
    case 16:
    case 17:
    case 18:
    case 19: {
      auto& jobs = scheduler().jobs;
      if (jobs.empty()) break;
      std::rotate(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(pick(jobs.size())), jobs.end());
      scheduler().try_run_once();
      break;
    }
    case 20:
      now_ += static_cast<Time>(pick(400));
      engine_->timers().run_due();
      break;
    case 21: engine_->router().sweep(now_, static_cast<Time>(pick(2)) * 100); break;
    case 22:
      if (pick(6) == 0) {
        ++coverage_.faults;
        store_->inject(static_cast<MemoryStore::Fault>(1 + pick(4)));
      }
      if (pick(6) == 0) {
        ++coverage_.full_disks;
        constexpr std::uint64_t kLeft[] = {0, 32 << 20, UINT64_MAX};  // nothing, the reserve, plenty
        store_->set_free_bytes(kLeft[pick(3)]);
      }
      break;
    case 23:
      if (pick(5) == 0) {
        crash();
        verify();
      }
      break;
  }
}

bool World::durable(const std::string& session, const std::string& message) const {
  const auto& reader = *store_;
  const ObjectId id{std::string(kDefaultProject), session};
  return session::Journal(reader, id).find(message).has_value();
}

void World::answered(const std::string& session, const Admitted& admitted) {
  auto& sent = sessions_[session].at(admitted.message);
  // The gate: nobody is told of a message that a crash could still take away. A read fault is not an absence.
  store_->inject(MemoryStore::Fault::none);
  REQUIRE(durable(session, admitted.message));
  REQUIRE(admitted.body_hash == session::show_hash(session::body_hash_of(sent.request)));
  if (sent.seq != 0) {
    REQUIRE(sent.seq == admitted.seq);  // a replay repeats the answer
    REQUIRE(admitted.replayed);
  }
  sent.seq = admitted.seq;
  if (admitted.replayed) ++coverage_.replays;
  if (admitted.outcome == Outcome::merged) ++coverage_.merged;
  if (admitted.outcome == Outcome::replaced) ++coverage_.replaced;
  if (admitted.outcome == Outcome::interrupting) ++coverage_.interrupts;
}

namespace {
bool nothing_written(const Error& error) { return error.code != ErrorCode::commit_unknown; }
}  // namespace

void World::admit() {
  const auto session = any_session();
  AdmitRequest request = AdmitRequest::prompt("m" + std::to_string(next_id_));
  request.id = "c" + std::to_string(next_id_++);
  request.author = pick(2) == 0 ? "ann" : "bob";
  constexpr OnBusy kPolicies[] = {OnBusy::enqueue, OnBusy::enqueue, OnBusy::enqueue,   OnBusy::reject,
                                  OnBusy::replace, OnBusy::merge,   OnBusy::interrupt, OnBusy::steer};
  request.on_busy = kPolicies[pick(8)];
  if (pick(8) == 0) request.expires_at = now_ + static_cast<Time>(pick(600)) + 1;
  if (pick(4) == 0) request.callback = Callback{std::string(kHook), {}, {{"x-owner", "me"}}};
  if (pick(8) == 0) request.not_before = now_ + static_cast<Time>(pick(300));
  sessions_[session][request.id] = Sent{request};
  const auto id = request.id;
  session::Admit command;
  command.messages.push_back(std::move(request));
  engine_->command(session, std::move(command), 0,
                   on_reply<std::vector<Admitted>>(generation_, [this, session, id](auto reply) {
                     if (reply) return answered(session, reply->front());
                     auto& sent = sessions_[session].at(id);
                     if (nothing_written(reply.error())) ++sent.refused, ++coverage_.refusals;
                   }));
}

void World::admit_batch() {
  const auto session = any_session();
  const auto batch = ++next_batch_;
  session::Admit command;
  std::vector<std::string> ids;
  for (std::uint64_t n = 2 + pick(3); n > 0; --n) {
    AdmitRequest request = AdmitRequest::command("b" + std::to_string(next_id_));
    request.id = "c" + std::to_string(next_id_++);
    Sent sent{request};
    sent.batch = batch;
    sessions_[session][request.id] = sent;
    ids.push_back(request.id);
    command.messages.push_back(std::move(request));
  }
  ++coverage_.batches;
  engine_->command(session, std::move(command), 0,
                   on_reply<std::vector<Admitted>>(generation_, [this, session, ids](auto reply) {
                     if (reply) {
                       for (const auto& one : *reply) answered(session, one);
                     } else if (nothing_written(reply.error())) {
                       for (const auto& id : ids) ++sessions_[session].at(id).refused;
                     }
                   }));
}

void World::retry() {
  const auto session = any_session();
  auto& all = sessions_[session];
  if (all.empty()) return;
  auto one = all.begin();
  std::advance(one, static_cast<std::ptrdiff_t>(pick(all.size())));
  if (one->second.batch != 0) return;
  session::Admit command;
  command.messages.push_back(one->second.request);
  ++one->second.asked;
  engine_->command(session, std::move(command), 0,
                   on_reply<std::vector<Admitted>>(generation_, [this, session, id = one->first](auto reply) {
                     if (reply) return answered(session, reply->front());
                     if (nothing_written(reply.error())) ++sessions_[session].at(id).refused;
                   }));
}

void World::claim() {
  ClaimRequest request;
  request.max = 1 + pick(2);
  request.wait_ms = static_cast<std::int64_t>(pick(2)) * 200;
  request.lease_ms = 1'000 + static_cast<std::int64_t>(pick(2)) * 5'000;
  engine_->claim(request, [this, asked = generation_](Result<std::vector<Delivery>> deliveries) {
    if (asked != generation_ || !deliveries) return;
    for (const auto& d : *deliveries) {
      ++coverage_.deliveries;
      held_.push_back({d.session.session, d.message.message, {d.delivery, d.lease}});
      // One turn of a session at a time: of two leases that are held, the earlier one must have expired.
    }
  });
}

void World::work_on_lease() {
  if (held_.empty()) return;
  const auto held = held_[pick(held_.size())];
  const auto ignore = on_reply<session::Nothing>(generation_, [](auto) {});
  switch (pick(8)) {
    case 6:
    case 7:
      engine_->delivery(held.lease, session::Beat{}, 0, on_reply<Heartbeat>(generation_, [this](auto beat) {
                          if (!beat) return;
                          coverage_.steers += beat->steer.size();
                        }));
      break;
    case 0: engine_->delivery(held.lease, session::Accept{}, 0, ignore); break;
    case 1:
      engine_->delivery(held.lease, session::AppendEvents{{}, {{"delta", "{\"n\":1}"}, {"delta", "{\"n\":2}"}}}, 0,
                        on_reply<std::uint64_t>(generation_, [](auto) {}));
      break;
    case 2: engine_->delivery(held.lease, session::Fail{{}, {"boom", pick(3) != 0, 0, {}}}, 0, ignore); break;
    case 3: engine_->delivery(held.lease, session::Release{}, 0, ignore); break;
    default:
      engine_->delivery(held.lease, session::Complete{{}, {"{\"ok\":true}", {}}}, 0,
                        on_reply<session::Nothing>(generation_, [this, held](auto reply) {
                          if (!reply) return;
                          const auto sent = sessions_[held.session].find(held.message);
                          REQUIRE(sent != sessions_[held.session].end());
                          sent->second.completed = true;
                        }));
  }
}

void World::increment() {
  const auto name = "o" + std::to_string(pick(3));
  auto& counted = counted_[name];
  const auto how = pick(8);
  const std::string path = how == 0 ? "/throw" : how == 1 ? "/alarm" : "/increment";
  if (how != 0) ++counted.asked;
  if (how == 1) ++counted.alarms;
  ++coverage_.increments;
  engine_->call("counter", name, {"POST", path, ""}, nullptr,
                [this, name, how, asked = generation_](Result<Reply> reply) {
                  if (asked != generation_) return;
                  if (how == 0) {
                    REQUIRE(!reply);
                    ++coverage_.thrown;
                    return;
                  }
                  if (!reply) return;
                  auto& told = counted_[name].answered;
                  told = std::max(told, static_cast<std::int64_t>(std::stoll(reply->body)));
                });
}

void World::use_account() {
  constexpr std::string_view kWays[] = {"/pay", "/pay", "/ask", "/nap", "/work", "/write"};
  const auto way = kWays[pick(6)];
  engine_->call("account", account(pick(kAccounts)).name,
                {"POST", std::string(way), std::to_string(pick(kAccounts + 1))}, nullptr, [](const Result<Reply>&) {});
}

// After a healthy end: each payment arrived once or was given up, each letter to the ledger is there once, and nothing
// is on its way.
void World::verify_accounts() {
  std::int64_t together = 0;
  std::int64_t given_up = 0;
  std::uint64_t letters = 0;
  const auto number = [&](const ObjectId& id, std::string_view key) {
    const auto stored = store_->get(Family::objects, keys::object_value(id, key));
    REQUIRE(stored);
    return *stored ? Codec<std::int64_t>::decode(**stored).value() : 0;
  };
  for (int n = 0; n < kAccounts; ++n) {
    const ObjectId id{std::string(kDefaultProject), account(static_cast<std::uint64_t>(n)).name, "account"};
    together += number(id, "balance");
    coverage_.asked += static_cast<std::uint64_t>(number(id, "asked"));
    coverage_.naps += static_cast<std::uint64_t>(number(id, "naps"));
    letters += static_cast<std::uint64_t>(number(id, "letters"));
    REQUIRE(store_->scan(Family::objects, keys::object_values(id, "got/"), [&](auto, auto) {
      ++coverage_.payments;
      return Visit::next;
    }));
    EventQuery query;
    query.limit = SIZE_MAX;
    query.bytes_max = SIZE_MAX;
    const auto events = object::read_events(*store_, id, query);
    REQUIRE(events);
    for (const auto& event : events->items) {
      REQUIRE(event.type == "object.message_failed");
      ++given_up;
    }
  }
  REQUIRE(together + given_up == 0);
  coverage_.payments_given_up += static_cast<std::uint64_t>(given_up);
  const auto ledger = session::load(*store_, {std::string(kDefaultProject), std::string(kLedger)});
  REQUIRE(ledger);
  REQUIRE(ledger->state.queued == letters);
  coverage_.letters += letters;
  REQUIRE(store_->scan(Family::index, keys::all_mail(), [](auto, auto) -> Visit {
    FAIL("mail is still on its way");
    return Visit::stop;
  }));
}

// Nobody was told of an increment that is gone, none happened twice, and each left one event.
void World::verify_counters() {
  for (const auto& [name, counted] : counted_) {
    INFO("counter " << name);
    const ObjectId id{std::string(kDefaultProject), name, "counter"};
    const auto stored = store_->get(Family::objects, keys::object_value(id, "n"));
    REQUIRE(stored);
    const auto n = *stored ? Codec<std::int64_t>::decode(**stored).value() : 0;
    REQUIRE(n >= counted.answered);
    REQUIRE(n <= counted.asked + counted.alarms);
    EventQuery query;
    query.limit = SIZE_MAX;
    query.bytes_max = SIZE_MAX;
    const auto events = object::read_events(*store_, id, query);
    REQUIRE(events);
    REQUIRE(events->items.size() == static_cast<std::size_t>(n));
    for (const auto& event : events->items) {
      REQUIRE(event.data == std::to_string(event.id));
      if (event.type == "rung") ++coverage_.rings;
    }
  }
}

void World::change_queue() {
  const auto session = any_session();
  const auto& all = sessions_[session];
  switch (pick(5)) {
    case 0:
    case 1:
      engine_->command(session, session::Queue{{pick(3) == 0 ? QueueAction::pause : QueueAction::resume, {}}, {}}, 0,
                       on_reply<Session>(generation_, [](auto) {}));
      break;
    case 2: {
      if (all.empty()) return;
      auto one = all.begin();
      std::advance(one, static_cast<std::ptrdiff_t>(pick(all.size())));
      engine_->command(session, session::Queue{{QueueAction::reorder, {one->first}}, {}}, 0,
                       on_reply<Session>(generation_, [](auto) {}));
      break;
    }
    case 3: {
      if (all.empty()) return;
      auto one = all.begin();
      std::advance(one, static_cast<std::ptrdiff_t>(pick(all.size())));
      engine_->command(session, session::Cancel{one->first, {}}, 0,
                       on_reply<Message>(generation_, [this, session, id = one->first](auto reply) {
                         if (reply) sessions_[session].at(id).cancelled = true;
                       }));
      break;
    }
    default:
      if (pick(6) == 0)
        engine_->command(session, session::Queue{{QueueAction::clear, {}}, {}}, 0,
                         on_reply<Session>(generation_, [](auto) {}));
  }
}

void World::interrupt() {
  if (pick(3) != 0) return;
  const auto scope = pick(2) == 0 ? InterruptScope::running : InterruptScope::all;
  engine_->command(any_session(), session::Interrupt{scope}, 0, on_reply<Interrupted>(generation_, [this](auto reply) {
                     if (reply && reply->messages != 0) ++coverage_.interrupts;
                   }));
}

void World::redrive() {
  const auto session = any_session();
  const auto& all = sessions_[session];
  for (const auto& [id, sent] : all) {
    if (pick(4) != 0) continue;
    engine_->command(session, session::Redrive{id}, 0, on_reply<Message>(generation_, [this](auto reply) {
                       if (reply) ++coverage_.redrives;
                     }));
  }
}

void World::verify() {
  store_->inject(MemoryStore::Fault::none);
  verify_counters();
  for (const auto& [session, sent] : sessions_) verify_session(session, sent);
}

void World::verify_session(const std::string& session, const std::map<std::string, Sent>& sent) {
  INFO("session " << session);
  const auto& reader = *store_;
  const ObjectId id{std::string(kDefaultProject), session};
  const auto entity = session::load(reader, id);
  REQUIRE(entity);
  const session::Journal journal(reader, id);

  // Messages: dense seq, everything acknowledged is there under its seq, and what was refused is not.
  std::map<std::string, session::Found> found;
  std::uint64_t seq = 0;
  std::uint64_t queued = 0;
  journal.each_message(1, entity->state.last_position + 1, [&](session::Found&& m) {
    REQUIRE(m.intent.seq == ++seq);
    if (m.row.state == MessageState::queued) ++queued;
    if (m.row.state == MessageState::expired) ++coverage_.expiries;
    const auto name = m.intent.id;
    REQUIRE(found.emplace(name, std::move(m)).second);  // no id twice
    return Visit::next;
  });
  REQUIRE(!journal.failed());
  REQUIRE(entity->state.last_seq == seq);
  REQUIRE(entity->state.queued == queued);
  std::map<std::uint64_t, std::pair<int, int>> batches;  // there, not there
  for (const auto& [name, s] : sent) {
    INFO("message " << name);
    const auto m = found.find(name);
    const bool there = m != found.end();
    if (s.seq != 0) REQUIRE((there && m->second.intent.seq == s.seq));
    if (s.refused == s.asked) REQUIRE(!there);
    if (s.completed) REQUIRE(m->second.row.state == MessageState::completed);
    if (s.cancelled) REQUIRE(m->second.row.state == MessageState::cancelled);
    if (there) REQUIRE(m->second.intent.body_hash == session::body_hash_of(s.request));
    if (s.batch != 0) ++(there ? batches[s.batch].first : batches[s.batch].second);
  }
  for (const auto& [batch, count] : batches) REQUIRE((count.first == 0 || count.second == 0));
  for (const auto& [name, m] : found) REQUIRE(sent.contains(name));

  // Events: dense, one terminal state a message, turns never overlap.
  EventQuery query;
  query.limit = SIZE_MAX;
  query.bytes_max = SIZE_MAX;
  const auto page = session::read_events(reader, id, query, entity->state.floor, entity->state.last_position);
  REQUIRE(page);
  std::uint64_t position = 0;
  std::set<std::string> ended;
  std::set<std::string> failed;
  std::string running;
  for (const auto& event : page->items) {
    REQUIRE(event.id == ++position);
    if (!event.type.starts_with("message.")) continue;
    const auto begin = event.data.find("\"message\":\"") + 11;
    const auto message = event.data.substr(begin, event.data.find('"', begin) - begin);
    const auto state = message_state(std::string_view(event.type).substr(8));
    if (!state) continue;                                                                  // message.edited
    if (*state == MessageState::queued && failed.contains(message)) ended.erase(message);  // redriven
    REQUIRE(!ended.contains(message));                                                     // a terminal state is final
    const bool steered = event.data.find("\"steered_into\":") != std::string::npos;
    if (*state == MessageState::dispatched && !steered) {
      REQUIRE(running.empty());
      running = message;
    } else if (running == message && *state != MessageState::running) {
      running.clear();
    }
    if (terminal(*state)) ended.insert(message);
    if (*state == MessageState::failed) failed.insert(message);
  }
  REQUIRE(position == entity->state.last_position);
  const auto& l = engine_->limits();
  for (const auto& [name, m] : found) {
    REQUIRE(terminal(m.row.state) == ended.contains(name));
    const auto& failures = m.row.failures;
    REQUIRE(failures[0] <= l.retry_default_ms.size());
    REQUIRE(failures[static_cast<std::size_t>(session::FailureClass::lease_expired)] <= l.lease_expiries_max + 1);
  }
}

}  // namespace holdfast::simulation
