#include "src/engine/impl.hpp"

#include <algorithm>
#include <charconv>

#include "actors/session/views.hpp"
#include "actors/shell/lane.hpp"
#include "src/core/json.hpp"
#include "storage/keys.hpp"

namespace holdfast {
namespace {

constexpr Time kHousekeepingMs = 1'000;
constexpr Time kShredAgainMs = 60'000;  // after one that failed

std::atomic<std::uint64_t> g_engines{0};  // tells the lanes of one thread's engines apart

caf::actor_system_config& configure(caf::actor_system_config& config, const EngineParts& parts) {
  if (parts.drive == EngineParts::Drive::stepped) {
    config.set("scheduler.policy", caf::atom("testing"));
  } else {
    // Workers block on a condition variable when there is nothing to do: an idle engine uses no processor time.
    config.set("scheduler.policy", caf::atom("sharing"));
    config.set("scheduler.max-threads", std::max(1U, parts.options.worker_threads));
  }
  config.set("logger.verbosity", caf::atom("quiet"));
  return config;
}

shell::Router::Execution execution_of(const EngineParts& parts) {
  return parts.drive == EngineParts::Drive::stepped ? shell::Router::Execution::scheduler
                                                    : shell::Router::Execution::inline_lane;
}

}  // namespace

Engine::Impl::Impl(EngineParts parts)
    : parts_(std::move(parts)),
      number_(++g_engines),
      vault_(derive_key(parts_.master_key, 1, "hf-vault")),
      signer_(derive_key(parts_.master_key, 2, "hf-sign_")),
      permits_(limits().in_flight_max, limits().in_flight_bytes_max),
      pipeline_(
          *parts_.store, parts_.options.durability, limits().commit_batch_bytes_max,
          {static_cast<std::int64_t>(limits().sync_slow_ms), static_cast<std::int64_t>(limits().overload_delay_ms)}),
      timers_(*parts_.clock),
      offload_(parts_.drive == EngineParts::Drive::stepped ? 0 : std::max(1U, parts_.options.offload_threads)),
      system_(std::make_unique<caf::actor_system>(configure(config_, parts_))),
      services_{number_,
                *parts_.store,
                pipeline_,
                *parts_.clock,
                *parts_.random,
                limits(),
                parts_.options.classes,
                vault_,
                signer_,
                parts_.identity.id,
                parts_.options.durability,
                hub_,
                timers_,
                offload_,
                sockets_,
                counters_,
                nullptr,
                {},
                {},
                {},
                {},
                {},
                {}},
      webhook_keys_(services_),
      mailer_(services_),
      disk_watch_(limits().sync_slow_ms),
      backups_(*parts_.store, parts_.identity.id, *parts_.clock, *parts_.logger, key_file_of(parts_.options)) {
  router_ = std::make_unique<shell::Router>(*system_, services_, execution_of(parts_));
  services_.router = router_.get();
  alarms_ = std::make_unique<shell::DueIndex>(
      *parts_.store, keys::all_alarms(), *parts_.clock, timers_, [this](std::string_view key) {
        auto alarm = keys::parse_alarm(key);
        if (!alarm) return true;
        auto& owner = alarm->owner;
        if (owner.object_class.empty())
          router_->send(std::make_shared<shell::SessionCommand>(std::move(owner), session::Alarm{}));
        else if (class_of(owner.object_class) != nullptr)  // others ring in a process that has their class
          router_->send(std::make_shared<shell::ObjectEvent>(std::move(owner), shell::OnAlarm{}));
        return true;
      });
  mail_ = std::make_unique<shell::DueIndex>(*parts_.store, keys::all_mail(), *parts_.clock, timers_,
                                            [this](std::string_view key) { return mailer_.ring(key); });
  courier_ = std::make_unique<shell::Courier>(services_, *parts_.outbound, [this] { return webhook_keys_.secrets(); });
  callbacks_ = std::make_unique<shell::DueIndex>(*parts_.store, keys::all_callbacks(), *parts_.clock, timers_,
                                                 [this](std::string_view key) { return courier_->ring(key); });
  pusher_ = std::make_unique<shell::Pusher>(services_, timers_, *parts_.outbound,
                                            [this](shell::PendingClaimPtr claim) { submit_claim(std::move(claim)); });
  turns_ = std::make_unique<TurnPool>(*this, parts_.options.turn_threads);
}

Result<std::unique_ptr<Engine::Impl>> Engine::Impl::make(EngineParts parts) {
  std::unique_ptr<Impl> impl(new Impl(std::move(parts)));
  if (auto ok = impl->start(); !ok) return tl::unexpected(std::move(ok.error()));
  return impl;
}

Result<void> Engine::Impl::start() {
  using News = shell::DispatcherNews::element_type;
  services_.on_ready = [this](const ObjectId& session, const std::optional<session::ReadyMark>& mark,
                              const session::Terms& terms) {
    using Kind = shell::ReadyInbox::News::Kind;
    const auto at = mark.value_or(session::ReadyMark{});
    if (ready_inbox_.put({{at.priority, at.at, session, terms}, mark ? Kind::ready : Kind::unready}))
      shell::tell(dispatcher_, std::make_shared<News>(shell::InboxFilled{}), nullptr);
  };
  services_.on_alarm = [this](const ObjectId& session, Time at) { alarms_->set(keys::alarm({at, session})); };
  services_.on_callback = [this](const keys::Callback& callback) { callbacks_->set(keys::callback(callback)); };
  services_.on_mail = [this](const keys::Mail& mail) { mail_->set(keys::mail(mail)); };
  services_.on_push = [this](const std::string& target) { pusher_->wake(target); };
  services_.on_shredded = [this](const ObjectId&) { shred_later(kHousekeepingMs); };
  pipeline_.on_broken([this](const Error& error) {
    std::vector<std::function<void(const Error&)>> hooks;
    {
      const std::lock_guard lock(hooks_mutex_);
      broken_ = error;
      hooks = broken_hooks_;
    }
    health_.store(Health::broken, std::memory_order_release);
    parts_.logger->error("the store is broken, every write is refused from now on: {}", error.detail);
    for (const auto& hook : hooks) hook(error);
  });
  pipeline_.on_refused([this](const Error& error) {
    if (!refusing_.exchange(true)) parts_.logger->error("nothing can be written: {}", error.detail);
  });
  pipeline_.on_batch_end([this] {
    const std::lock_guard lock(hooks_mutex_);
    for (const auto& hook : batch_hooks_) hook();
  });
  if (auto ok = webhook_keys_.load(); !ok) return ok;
  dispatcher_ = system_->spawn<shell::Dispatcher, caf::hidden>(services_, timers_, ready_inbox_, dispatcher_stats_);
  auto known = shell::Registry::load(*parts_.store, kDefaultProject);
  if (!known) return tl::unexpected(std::move(known.error()));
  registry_ = system_->spawn<shell::Registry, caf::hidden>(
      services_, runtimes_,
      [this](const std::string& runtime) {
        timers_.at(0, [this, runtime] { (void)fence(runtime); });  // the reconciler looks again at what this misses
      },
      std::move(*known));
  if (auto ok = alarms_->start(); !ok) return ok;
  if (auto ok = callbacks_->start(); !ok) return ok;
  if (auto ok = mail_->start(); !ok) return ok;
  if (parts_.drive == EngineParts::Drive::threads) {
    pipeline_.start();
    timers_.start();
  }
  watch_disk();
  timers_.at(clock().now() + kHousekeepingMs, [this] { housekeeping(); });
  if (!parts_.identity.clean) shred_later(kHousekeepingMs);  // the rewriting that a crash may have kept from happening
  timers_.at(clock().now(), [this] { reconcile(static_cast<Time>(limits().reconcile_interval_ms)); });
  health_.store(Health::ready, std::memory_order_release);
  // No handler of an earlier process is at work any more.
  return fence(std::string(kInProcess));
}

Engine::Impl::~Impl() {
  if (!abandoned_) close();
  const std::weak_ptr<shell::Services*> callers = std::exchange(services_.alive, nullptr);
  while (!callers.expired()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  offload_.stop();
  pusher_->stop();
  courier_->stop();
  timers_.stop();
  // The drain goes deaf, the actors go, then what they still had in the pipeline: each uses what is taken down after
  // it.
  services_.on_ready = [](const ObjectId&, const std::optional<session::ReadyMark>&, const session::Terms&) {};
  services_.on_alarm = [](const ObjectId&, Time) {};
  services_.on_callback = [](const keys::Callback&) {};
  services_.on_mail = [](const keys::Mail&) {};
  services_.on_push = [](const std::string&) {};
  services_.on_shredded = [](const ObjectId&) {};
  for (auto* actor : {&dispatcher_, &registry_}) {
    if (*actor) caf::anon_send_exit(*actor, caf::exit_reason::kill);  // none: the start failed before
    *actor = nullptr;
  }
  router_->close();
  system_.reset();
  pipeline_.stop();
}

void Engine::Impl::watch_disk() {
  if (!services_.disk_used_up()) refusing_ = false;
  if (services_.disk_full() == disk_full_) return;
  disk_full_ = !disk_full_;
  const auto free = parts_.store->free_bytes();
  if (disk_full_)
    parts_.logger->error(
        "the disk is full: {} bytes are left, less than disk_reserve_bytes ({}). Until space is free again only what "
        "ends or deletes is written; what is new is answered insufficient_storage",
        free, limits().disk_reserve_bytes);
  else parts_.logger->info("the disk has space again: {} bytes are left, and everything is written", free);
}

void Engine::Impl::housekeeping() {
  parts_.store->tend();
  watch_disk();
  router_->sweep(clock().now(), static_cast<Time>(limits().idle_evict_ms));
  if (const auto slow = disk_watch_.look(pipeline_.stats(), clock().now())) parts_.logger->warn(*slow);
  timers_.at(clock().now() + kHousekeepingMs, [this] { housekeeping(); });
}

void Engine::Impl::reconcile(Time delay) {
  constexpr Time kDelayMax = 600'000;
  if (health() == Health::ready) {
    auto look = std::make_shared<shell::RegistryEnvelope>();
    look->command = runtime::Look{};
    shell::tell(registry_, std::move(look), nullptr);
    Result<void> all;
    std::string after;
    do {
      const auto page = runtimes_.list(after, 100);
      for (const auto& runtime : page.items) {
        const bool gone = runtime.state == RuntimeState::offline || runtime.state == RuntimeState::removed;
        if (auto ok = gone ? fence(runtime.runtime) : Result<void>(); !ok) all = std::move(ok);
      }
      after = page.next;
    } while (!after.empty());
    const auto interval = static_cast<Time>(limits().reconcile_interval_ms);
    delay = all ? interval : std::min(std::max(delay, interval) * 2, kDelayMax);
    if (!all) parts_.logger->warn("the reconciler could not read what runtimes hold: {}", all.error().detail);
    (all ? reconciles_ : reconcile_failures_).fetch_add(1, std::memory_order_relaxed);
    if (all) reconciled_at_.store(static_cast<std::uint64_t>(clock().now()), std::memory_order_relaxed);
  }
  timers_.at(clock().now() + delay, [this, delay] { reconcile(delay); });
}

Result<void> Engine::Impl::fence(const std::string& runtime) {
  // Read whole before anything is sent: an inventory that fails midway changes nothing.
  std::vector<ObjectId> held;
  auto scanned = parts_.store->scan(Family::index, keys::held_turns(kDefaultProject, runtime),
                                    [&](std::string_view key, std::string_view) {
                                      if (auto session = keys::session_of_held_turn(key))
                                        held.push_back(std::move(*session));
                                      return Visit::next;
                                    });
  if (!scanned) return scanned;
  for (auto& session : held)
    router_->send(std::make_shared<shell::SessionCommand>(std::move(session), session::Fence{runtime}));
  return {};
}

void Engine::Impl::registry(std::string runtime, runtime::Command command, Done<Registration> done) {
  if (auto closed = closed_door()) return done(tl::unexpected(std::move(*closed)));
  if (!valid_name(runtime))
    return done(holdfast::fail(ErrorCode::invalid_name, "a runtime's name is [A-Za-z0-9][A-Za-z0-9._~:-]{0,127}"));
  auto envelope = std::make_shared<shell::RegistryEnvelope>();
  envelope->runtime = std::move(runtime);
  envelope->command = std::move(command);
  envelope->done = [done = std::move(done)](Result<Registration>&& result) { done(std::move(result)); };
  auto* lane = parts_.drive == EngineParts::Drive::threads ? shell::Lane::current(*system_, number_) : nullptr;
  shell::tell(registry_, std::move(envelope), lane);
  if (lane != nullptr) lane->drain();
}

void Engine::Impl::shred_later(Time delay) {
  shred_owed_ = true;
  if (parts_.drive == EngineParts::Drive::stepped || shredding_.exchange(true)) return;
  timers_.at(clock().now() + delay, [this] {
    offload_.post([this] {
      const bool done = shred().has_value();
      if (shred_owed_) shred_later(done ? kHousekeepingMs : kShredAgainMs);
    });
  });
}

Result<void> Engine::Impl::shred() {
  shred_owed_ = false;
  auto done = parts_.store->compact(Family::vault, {});
  if (!done) shred_owed_ = true;
  shredding_ = false;
  if (done) return done;
  parts_.logger->warn("the vault could not be rewritten after a deletion, it is tried again: {}", done.error().detail);
  return done;
}

std::optional<Error> Engine::Impl::closed_door() const {
  switch (health()) {
    case Health::ready: return std::nullopt;
    case Health::broken:
      return Error{
          ErrorCode::commit_unknown, "the store failed; retry with the same id after the server restarted", {}, 0, {}};
    case Health::recovering:
    case Health::draining: break;
  }
  return Error{ErrorCode::shutting_down, "the server is starting or stopping; retry in a moment", {}, 0, {}};
}

void Engine::Impl::command(const std::string& session, session::Command command, std::uint64_t bytes, Answer done) {
  auto id = ObjectId::parse(std::string(kDefaultProject), session);
  if (!id) return done(tl::unexpected(std::move(id.error())));
  this->command(std::move(*id), std::move(command), bytes, std::move(done));
}

void Engine::Impl::command(ObjectId session, session::Command command, std::uint64_t bytes, Answer done) {
  auto permit = permits_.take(bytes + 256);
  if (auto closed = closed_door()) return done(tl::unexpected(std::move(*closed)));
  if (!permit)
    return done(holdfast::fail(ErrorCode::overloaded, "too much is in flight; nothing was written, retry in a moment"));
  auto envelope = std::make_shared<shell::SessionCommand>(std::move(session), std::move(command), std::move(done));
  envelope->permit = std::move(permit);
  router_->send(std::move(envelope));
}

void Engine::Impl::claim(ClaimRequest request, Done<std::vector<Delivery>> done) {
  if (auto closed = closed_door()) return done(tl::unexpected(std::move(*closed)));
  const auto& l = limits();
  const auto out_of = [](std::string_view what, std::uint64_t low, std::uint64_t high) {
    return holdfast::fail(ErrorCode::invalid_body,
                          std::string(what) + " must be from " + std::to_string(low) + " to " + std::to_string(high),
                          "/" + std::string(what));
  };
  if (request.max < 1 || request.max > l.claim_deliveries_max) return done(out_of("max", 1, l.claim_deliveries_max));
  if (request.wait_ms < 0 || request.wait_ms > static_cast<std::int64_t>(l.claim_wait_ms_max))
    return done(out_of("wait_ms", 0, l.claim_wait_ms_max));
  if (request.lease_ms < static_cast<std::int64_t>(l.lease_ms_min) ||
      request.lease_ms > static_cast<std::int64_t>(l.lease_ms_max))
    return done(out_of("lease_ms", l.lease_ms_min, l.lease_ms_max));
  auto claim = std::make_shared<shell::PendingClaim>();
  claim->project = kDefaultProject;
  claim->deadline = clock().now() + request.wait_ms;
  claim->request = std::move(request);
  claim->done = [done = std::move(done)](std::vector<session::Handout> turns) {
    std::vector<Delivery> deliveries;
    for (auto& turn : turns) deliveries.push_back(std::move(turn.delivery));
    done(std::move(deliveries));
  };
  submit_claim(std::move(claim));
}

void Engine::Impl::submit_claim(shell::PendingClaimPtr claim) {
  auto* lane = parts_.drive == EngineParts::Drive::threads ? shell::Lane::current(*system_, number_) : nullptr;
  shell::tell(dispatcher_, std::make_shared<shell::DispatcherNews::element_type>(shell::ClaimMade{std::move(claim)}),
              lane);
  if (lane != nullptr) lane->drain();
}

void Engine::Impl::events(const std::string& session, const EventQuery& query, Done<EventPage> done) {
  auto id = ObjectId::parse(std::string(kDefaultProject), session);
  if (!id) return done(tl::unexpected(std::move(id.error())));
  // Events are read from the store, not from the actor: what is there is durable, and a reader never holds up a writer.
  // All from one moment: state, journal and runtime events must fit together while the session goes on.
  const auto snapshot = parts_.store->snapshot();
  const auto& reader = *snapshot;
  auto entity = session::load(reader, *id);
  if (!entity) return done(tl::unexpected(std::move(entity.error())));
  if (entity->document.deleted) return done(holdfast::fail(ErrorCode::gone, "session " + session + " was deleted"));
  if (!entity->document.exists) return done(holdfast::fail(ErrorCode::not_found, "there is no session " + session));
  if (query.after > entity->state.last_position)
    return done(
        holdfast::fail(ErrorCode::invalid_cursor, "the session has no event " + std::to_string(query.after) + " yet"));
  done(session::read_events(reader, *id, query, entity->state.floor, entity->state.last_position));
}

void Engine::Impl::list(const SessionQuery& query, Done<Page<Session>> done) {
  // A page looks at a bounded number of sessions, so a status that is rare answers short pages, never slowly.
  constexpr std::size_t kLookMax = 10'000;
  const auto snapshot = parts_.store->snapshot();
  const auto& reader = *snapshot;
  std::string after = query.cursor;
  if (!after.empty() && !valid_name(after))
    return done(holdfast::fail(ErrorCode::invalid_cursor, "this cursor is not one of ours; start without one"));
  Page<Session> page;
  std::size_t looked = 0;
  std::optional<Error> error;
  for (std::size_t length = std::max<std::size_t>(after.size(), std::max<std::size_t>(query.prefix.size(), 1));
       length <= 128 && page.next.empty() && !error; ++length) {
    const auto range =
        keys::documents(kDefaultProject, length, query.prefix, after.size() == length ? after : std::string());
    std::string last;
    auto scanned = reader.scan(Family::objects, range, [&](std::string_view key, std::string_view) {
      auto id = keys::session_of_document(key);
      if (!id) return Visit::next;
      if (page.items.size() >= query.limit || looked >= kLookMax) {
        page.next = last.empty() ? after : last;
        return Visit::stop;
      }
      ++looked;
      last = id->name;
      after = id->name;
      auto entity = session::load(reader, *id);
      if (!entity) {
        error = std::move(entity.error());
        return Visit::stop;
      }
      if (entity->document.deleted || !entity->document.exists) return Visit::next;
      if (query.status && *query.status != session::status_of(entity->state)) return Visit::next;
      const session::Journal journal(reader, *id);
      session::fill_window(*entity, journal, 1);
      page.items.push_back(session::session_view(*id, *entity, journal, limits()));
      return Visit::next;
    });
    if (!scanned) error = std::move(scanned.error());
  }
  if (error) return done(tl::unexpected(std::move(*error)));
  done(std::move(page));
}

void Engine::Impl::dead_letters(const DeadLetterQuery& query, Done<Page<Message>> done) {
  auto range = keys::dead_letters(kDefaultProject);
  if (!query.cursor.empty()) {  // <session>/<position> of the last one seen
    const auto slash = query.cursor.find('/');
    std::uint64_t position = 0;
    const auto* end = query.cursor.data() + query.cursor.size();
    const auto* number = query.cursor.data() + std::min(slash, query.cursor.size() - 1) + 1;
    const auto parsed = std::from_chars(number, end, position);
    const auto name = query.cursor.substr(0, slash);
    if (slash == std::string::npos || parsed.ec != std::errc{} || parsed.ptr != end || !valid_name(name))
      return done(holdfast::fail(ErrorCode::invalid_cursor, "this cursor is not one of ours; start without one"));
    range.from = keys::dead_letter({{std::string(kDefaultProject), name}, position + 1});
  }
  const auto snapshot = parts_.store->snapshot();
  const auto& reader = *snapshot;
  Page<Message> page;
  std::string last;
  auto scanned = reader.scan(Family::index, range, [&](std::string_view key, std::string_view) {
    const auto entry = keys::parse_dead_letter(key);
    if (!entry) return Visit::next;
    if (page.items.size() >= query.limit) {
      page.next = last;
      return Visit::stop;
    }
    last = entry->session.name + "/" + std::to_string(entry->position);
    if (const auto m = session::Journal(reader, entry->session).at(entry->position))
      page.items.push_back(session::message_view(entry->session, m->intent, m->row));
    return Visit::next;
  });
  if (!scanned) return done(tl::unexpected(std::move(scanned.error())));
  done(std::move(page));
}

Result<Nothing> Engine::Impl::on_turn(std::string handler_class, TurnHandler handler, TurnOptions options) {
  if (!valid_name(handler_class))
    return holdfast::fail(ErrorCode::invalid_name,
                          "a handler's class is a name: letters, digits and ._~:- , at most 128");
  turns_->add(std::move(handler_class), std::move(handler), std::move(options));
  return Nothing{};
}

void Engine::Impl::rotate_webhook_secret(Done<std::string> done) {
  auto permit = std::make_shared<shell::Permits::Permit>(permits_.take(0));
  if (auto closed = closed_door()) return done(tl::unexpected(std::move(*closed)));
  webhook_keys_.rotate([permit, done = std::move(done)](Result<std::string> secret) { done(std::move(secret)); });
}

std::string Engine::Impl::mint(std::string_view prefix) { return mint_id(prefix, clock().now(), *parts_.random); }

std::unique_ptr<Subscription> Engine::Impl::watch(const std::string& session, std::function<void()> wake) {
  return hub_.watch(ObjectId{std::string(kDefaultProject), session}, std::move(wake));
}

void Engine::Impl::on_batch_end(std::function<void()> hook) {
  const std::lock_guard lock(hooks_mutex_);
  batch_hooks_.push_back(std::move(hook));
}

void Engine::Impl::on_broken(std::function<void(const Error&)> hook) {
  std::optional<Error> already;
  {
    const std::lock_guard lock(hooks_mutex_);
    already = broken_;
    if (!already) broken_hooks_.push_back(hook);
  }
  if (already) hook(*already);
}

void Engine::Impl::close() {
  std::call_once(closed_, [this] {
    backups_.stop();
    turns_->stop();  // handlers are told to end, and report while reports are still taken
    auto ready = Health::ready;
    const bool served = health_.compare_exchange_strong(ready, Health::draining);
    services_.closing = true;
    router_->cancel();
    offload_.stop();
    pusher_->stop();
    courier_->stop();
    parts_.outbound->close();
    using News = shell::DispatcherNews::element_type;
    if (dispatcher_) shell::tell(dispatcher_, std::make_shared<News>(shell::DrainStopped{}), nullptr);
    if (parts_.drive == EngineParts::Drive::stepped) return;
    timers_.stop();
    // What has a permit is answered; what is in the pipeline is committed. Whoever takes a permit looks afterwards
    // whether the engine is open: it is seen here, or sees the door closed.
    constexpr int kWaitMs = 10'000;
    for (int waited = 0; permits_.in_flight() != 0 && waited < kWaitMs; ++waited)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    pipeline_.stop();
    // Without the mark the next start takes up what this process owes.
    if (!served || pipeline_.broken() || (shred_owed_ && !shred())) return;
    if (auto ok = mark_clean(*parts_.store); !ok)
      parts_.logger->error("the clean shutdown could not be marked: {}", ok.error().detail);
  });
}

}  // namespace holdfast
