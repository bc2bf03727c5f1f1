// Engine::Impl: the wiring of one engine. Store, pipeline and actors, built in that order and taken down in reverse.
//
// Two openings share it: Engine::open on a data directory with threads, and a simulation, which brings its own store,
// clock and randomness and steps everything itself.
#pragma once

#include <caf/all.hpp>
#include <holdfast/engine.hpp>

#include "actors/object/object.hpp"
#include "actors/shell/courier.hpp"
#include "actors/shell/dispatcher.hpp"
#include "actors/shell/due_index.hpp"
#include "actors/shell/mailer.hpp"
#include "actors/shell/pusher.hpp"
#include "actors/shell/registry.hpp"
#include "actors/shell/router.hpp"
#include "actors/shell/services.hpp"
#include "actors/shell/webhook_keys.hpp"
#include "src/core/log.hpp"
#include "src/engine/backups.hpp"
#include "src/engine/disk_watch.hpp"
#include "src/engine/turn_pool.hpp"
#include "storage/backup.hpp"
#include "storage/fault_control.hpp"
#include "storage/open.hpp"

namespace holdfast {

// What an engine is made of. A simulation makes its own.
struct EngineParts {
  Options options;
  std::unique_ptr<FaultControl> faults;  // under clock and store, if somebody does harm
  std::unique_ptr<Clock> clock;
  std::unique_ptr<Random> random;
  std::shared_ptr<Logger> logger;
  std::unique_ptr<Store> store;
  std::unique_ptr<egress::Outbound> outbound;
  StoreIdentity identity;
  Key32 master_key{};
  enum class Drive : std::uint8_t {
    threads,
    stepped,  // no thread: the owner calls pipeline().commit_once(), run_actor() and timers().run_due()
  } drive = Drive::threads;
};

// Where the master key is.
[[nodiscard]] inline std::filesystem::path key_file_of(const Options& options) {
  return options.master_key_file.empty() ? options.data / kMasterKeyFile : options.master_key_file;
}

// Hidden by itself: a member class is otherwise as visible as Engine.
class __attribute__((visibility("hidden"))) Engine::Impl {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Impl>> make(EngineParts parts);
  // Engine::open(); with a `fault_control` also what src/engine/faults.hpp says.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> open(Options options,
                                                            const std::filesystem::path& fault_control);
  ~Impl();

  using Answer = std::function<void(Result<session::Reply>&&)>;

  void expect(std::string_view session) const { router_->expect({std::string(kDefaultProject), std::string(session)}); }
  // Sends a command to a session's actor. The answer comes through the gate.
  void command(const std::string& session, session::Command command, std::uint64_t bytes, Answer done);
  void command(ObjectId session, session::Command command, std::uint64_t bytes, Answer done);
  // The same for a delivery call: the lease says which session.
  template <class C>
  void delivery(const LeaseRef& ref, C command, std::uint64_t bytes, Answer done) {
    auto lease = session::parse_lease(ref.lease);
    if (!lease) return done(holdfast::fail(ErrorCode::lease_lost, "this is not a lease of a running turn"));
    lease->delivery = ref.delivery;
    const ObjectId session = lease->session;
    command.lease = std::move(*lease);
    this->command(session, std::move(command), bytes, std::move(done));
  }

  void call(std::string object_class, std::string name, Request request, std::shared_ptr<BodyTransfer> bodies,
            Done<Reply> done);
  void open_websocket(std::string object_class, std::string name, Request request, std::shared_ptr<SocketPeer> peer,
                      Done<std::shared_ptr<SocketLink>> done);
  // Something that happened to an object, through the front door: with a permit, while the engine is open.
  void happen(ObjectId id, shell::Happening what, std::uint64_t bytes, Done<Reply> done);
  [[nodiscard]] Result<EventPage> object_events(const ObjectId& id, const EventQuery& query);
  [[nodiscard]] const ObjectClass* class_of(std::string_view name) const noexcept;
  void claim(ClaimRequest request, Done<std::vector<Delivery>> done);
  Result<Nothing> on_turn(std::string handler_class, TurnHandler handler, TurnOptions options);
  void rotate_webhook_secret(Done<std::string> done);
  // Sends a command to the registry of runtimes.
  void registry(std::string runtime, runtime::Command command, Done<Registration> done);
  [[nodiscard]] const shell::RuntimeDirectory& runtimes() const noexcept { return runtimes_; }
  void events(const std::string& session, const EventQuery& query, Done<EventPage> done);
  void list(const SessionQuery& query, Done<Page<Session>> done);
  void dead_letters(const DeadLetterQuery& query, Done<Page<Message>> done);
  [[nodiscard]] std::string mint(std::string_view prefix);
  [[nodiscard]] std::unique_ptr<Subscription> watch(const std::string& session, std::function<void()> wake);
  [[nodiscard]] EngineStats stats();
  [[nodiscard]] bool overloaded() const noexcept { return pipeline_.overloaded(); }
  [[nodiscard]] bool disk_full() const noexcept { return services_.disk_full(); }
  [[nodiscard]] Backups& backups() noexcept { return backups_; }
  void close();

  [[nodiscard]] const Limits& limits() const noexcept { return parts_.options.limits; }
  [[nodiscard]] Health health() const noexcept { return health_.load(); }
  [[nodiscard]] const Signer& signer() const noexcept { return signer_; }
  [[nodiscard]] const StoreIdentity& identity() const noexcept { return parts_.identity; }
  [[nodiscard]] CommitPipeline& pipeline() noexcept { return pipeline_; }
  [[nodiscard]] shell::Timers& timers() noexcept { return timers_; }
  [[nodiscard]] shell::Offload& offload() noexcept { return offload_; }
  [[nodiscard]] shell::Sockets& sockets() noexcept { return sockets_; }
  [[nodiscard]] const Clock& clock() const noexcept { return *parts_.clock; }
  [[nodiscard]] caf::actor_system& system() noexcept { return *system_; }
  [[nodiscard]] shell::Router& router() noexcept { return *router_; }
  [[nodiscard]] Store& store() noexcept { return *parts_.store; }
  // A simulated crash: the owner drops the engine right after it, and nothing is marked or drained.
  void abandon() noexcept {
    health_.store(Health::broken);
    abandoned_ = true;
    parts_.outbound->close();
  }

  void on_batch_end(std::function<void()> hook);
  void on_broken(std::function<void(const Error&)> hook);

 private:
  explicit Impl(EngineParts parts);
  [[nodiscard]] Result<void> start();
  [[nodiscard]] std::optional<Error> closed_door() const;
  void housekeeping();
  // Says when the disk becomes full, and when no longer.
  void watch_disk();
  // Ends what silent runtimes left behind: marks them, and sends what they held back to its queues.
  void reconcile(Time delay);
  [[nodiscard]] Result<void> fence(const std::string& runtime);
  void submit_claim(shell::PendingClaimPtr claim);
  void look_at_ready();
  // Rewrites the vault, so that what was deleted leaves its files; once for all deletions before it.
  void shred_later(Time delay);
  Result<void> shred();

  EngineParts parts_;
  const std::uint64_t number_;
  Vault vault_;
  Signer signer_;
  shell::Counters counters_;
  shell::DispatcherStats dispatcher_stats_;
  shell::ReadyInbox ready_inbox_;
  shell::Hub hub_;
  shell::Permits permits_;
  CommitPipeline pipeline_;
  shell::Timers timers_;
  shell::Offload offload_;
  shell::Sockets sockets_;
  caf::actor_system_config config_;
  std::unique_ptr<caf::actor_system> system_;
  shell::Services services_;
  shell::RuntimeDirectory runtimes_;
  std::unique_ptr<shell::Router> router_;
  shell::WebhookKeys webhook_keys_;
  std::unique_ptr<shell::DueIndex> alarms_;
  shell::Mailer mailer_;
  std::unique_ptr<shell::DueIndex> mail_;
  std::unique_ptr<shell::Courier> courier_;
  std::unique_ptr<shell::DueIndex> callbacks_;
  std::unique_ptr<shell::Pusher> pusher_;
  std::unique_ptr<TurnPool> turns_;
  DiskWatch disk_watch_;  // the timers' thread
  Backups backups_;
  caf::actor dispatcher_;
  caf::actor registry_;
  std::atomic<std::uint64_t> reconciles_{0};
  std::atomic<std::uint64_t> reconcile_failures_{0};
  std::atomic<std::uint64_t> reconciled_at_{0};
  std::atomic<Health> health_{Health::recovering};
  std::atomic<bool> shredding_{false};   // it is on its way, or under way
  std::atomic<bool> shred_owed_{false};  // something was deleted since it began
  bool abandoned_ = false;
  bool disk_full_ = false;             // when it was last looked at
  std::atomic<bool> refusing_{false};  // a batch was refused since there was space
  std::mutex hooks_mutex_;
  std::vector<std::function<void(const Error&)>> broken_hooks_;
  std::vector<std::function<void()>> batch_hooks_;
  std::optional<Error> broken_;  // guarded by hooks_mutex_
  std::once_flag closed_;
};

}  // namespace holdfast
