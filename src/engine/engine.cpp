// The public calls: each turns its arguments into a command of the session's actor and the reply into its answer.
#include <charconv>
#include <holdfast/engine.hpp>

#include "actors/session/checks.hpp"
#include "actors/session/later.hpp"
#include "src/core/json.hpp"
#include "src/egress/curl_client.hpp"
#include "src/engine/answers.hpp"
#include "src/engine/faults.hpp"
#include "src/engine/impl.hpp"
#include "src/engine/waits.hpp"
#include "storage/backup.hpp"
#include "storage/open.hpp"

namespace holdfast {
namespace {

std::uint64_t size_of(const AdmitRequest& r) {
  return r.turn.size() + r.metadata.size() + r.budget.size() + r.author.size() + r.id.size();
}

Result<std::unique_ptr<egress::Outbound>> open_outbound(const Options& options) {
  egress::CurlClient::Settings settings;
  for (const auto& text : options.egress_allow) {
    auto network = egress::parse_network(text);
    if (!network) return tl::unexpected(std::move(network.error()));
    settings.allow.push_back(*network);
  }
  settings.ca_file = options.egress_ca_file.string();
  settings.user_agent = "holdfast";
  return std::make_unique<egress::CurlClient>(std::move(settings));
}

// The system's clock, or that of the control block.
Result<void> open_clock(const std::filesystem::path& fault_control, EngineParts& parts) {
  if (fault_control.empty()) {
    parts.clock = std::make_unique<SystemClock>();
    return {};
  }
  auto control = FaultControl::open(fault_control);
  if (!control) return tl::unexpected(std::move(control.error()));
  parts.faults = std::move(*control);
  parts.clock = std::make_unique<OffsetClock>(parts.faults->block());
  return {};
}

}  // namespace

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::open(Options options) { return Impl::open(std::move(options), {}); }

Result<std::unique_ptr<Engine>> open_with_faults(Options options, const std::filesystem::path& fault_control) {
  return Engine::Impl::open(std::move(options), fault_control);
}

Result<std::unique_ptr<Engine>> Engine::Impl::open(Options options, const std::filesystem::path& fault_control) {
  crypto_start();
  EngineParts parts;
  parts.logger = make_logger(options.log_level, options.log_format);
  if (auto ok = open_clock(fault_control, parts); !ok) return tl::unexpected(std::move(ok.error()));
  parts.random = std::make_unique<SystemRandom>();
  for (const auto& [name, factory] : options.classes) {
    if (!valid_name(name))
      return holdfast::fail(ErrorCode::invalid_request, "\"" + name + "\" cannot name a class of objects");
  }
  auto outbound = open_outbound(options);
  if (!outbound) return tl::unexpected(std::move(outbound.error()));
  parts.outbound = std::move(*outbound);
  std::error_code made;
  if (std::filesystem::create_directories(options.data, made))  // as private as the people who wrote what is in it
    std::filesystem::permissions(options.data, std::filesystem::perms::owner_all, made);
  if (made)
    return holdfast::fail(ErrorCode::internal,
                          "cannot create the data directory " + options.data.string() + ": " + made.message());
  // A new key is for a new store: one that is there has its own, which must be brought back.
  const bool made_here = options.master_key_file.empty() && !std::filesystem::exists(options.data / "CURRENT");
  auto key =
      load_key_file(key_file_of(options).string(), made_here ? IfMissing::create : IfMissing::refuse, *parts.random);
  if (!key) return tl::unexpected(std::move(key.error()));
  parts.master_key = *key;
  auto opened = open_rocks(options.data, parts.clock->now(), *parts.random, *parts.logger,
                           {parts.faults.get(), options.recovery});
  if (!opened) return tl::unexpected(std::move(opened.error()));
  const auto check = derive_key(*key, 3, "hf-check");
  if (auto ok = check_master_key(*opened->store, to_hex({reinterpret_cast<const char*>(check.data()), check.size()}));
      !ok)
    return tl::unexpected(std::move(ok.error()));
  if (options.recovery) options.recovery->phase = Recovery::Phase::loading;
  const auto recovery = options.recovery;
  parts.store = std::move(opened->store);
  parts.identity = std::move(opened->identity);
  parts.options = std::move(options);
  auto impl = make(std::move(parts));
  if (!impl) return tl::unexpected(std::move(impl.error()));
  if (recovery) recovery->phase = Recovery::Phase::done;
  return std::unique_ptr<Engine>(new Engine(std::move(*impl)));
}

// ---- sessions ----

void Engine::create_async(SessionSpec spec, Done<Session> done) {
  put_async(impl_->mint("ses_"), std::move(spec), {Precondition::Kind::absent, {}}, [done = std::move(done)](auto put) {
    if (!put) return done(tl::unexpected(std::move(put.error())));
    done(std::move(put->session));
  });
}

void Engine::put_async(std::string session, SessionSpec spec, Precondition precondition, Done<PutResult> done) {
  if (auto ok = session::check(spec, limits()); !ok) return done(tl::unexpected(std::move(ok.error())));
  const auto bytes = spec.metadata.size();
  impl_->command(session, session::Put{std::move(spec), std::move(precondition)}, bytes, answer(std::move(done)));
}

void Engine::get_async(std::string session, Done<Session> done) {
  impl_->command(session, session::Get{}, 0, answer(std::move(done)));
}

void Engine::patch_async(std::string session, Json patch, Precondition precondition, Done<Session> done) {
  const auto bytes = patch.size();
  impl_->command(session, session::Patch{std::move(patch), std::move(precondition)}, bytes, answer(std::move(done)));
}

void Engine::remove_async(std::string session, Precondition precondition, Done<Nothing> done) {
  impl_->command(session, session::Remove{std::move(precondition)}, 0, answer(std::move(done)));
}

void Engine::list_async(SessionQuery query, Done<Page<Session>> done) { impl_->list(query, std::move(done)); }

void Engine::fork_async(std::string session, ForkRequest request, Done<Session> done) {
  auto name = request.name.empty() ? impl_->mint("ses_") : std::move(request.name);
  if (!valid_name(name))
    return done(holdfast::fail(ErrorCode::invalid_name, "the fork's name is not a valid name", "/name"));
  impl_->command(session, session::ForkSource{request.at_seq}, 0,
                 answer<session::Fork>([impl = impl_.get(), name = std::move(name), done = std::move(done)](auto fork) {
                   if (!fork) return done(tl::unexpected(std::move(fork.error())));
                   std::uint64_t bytes = 0;
                   for (const auto& event : fork->events) bytes += event.data.size();
                   impl->command(name, std::move(*fork), bytes, answer(done));
                 }));
}

void Engine::export_async(std::string session, Done<std::string> done) {
  impl_->command(session, session::Export{}, 0, answer(std::move(done)));
}

void Engine::import_async(std::string ndjson, std::string name, Done<Session> done) {
  if (name.empty()) {
    json::Parser parser;
    const auto head = parser.parse(std::string_view(ndjson).substr(0, ndjson.find('\n')));
    std::string_view in_file;
    if (!head || head->at_key("session").get(in_file) != simdjson::SUCCESS)
      return done(holdfast::fail(ErrorCode::invalid_body, "line 1 of the import is not the head of an export"));
    name = in_file;
  }
  const auto bytes = ndjson.size();
  impl_->command(name, session::Import{std::move(ndjson)}, bytes, answer(std::move(done)));
}

// ---- messages ----

void Engine::admit_async(std::string session, AdmitRequest request, Precondition precondition, Done<Admitted> done) {
  if (auto ok = session::check(request, limits()); !ok) return done(tl::unexpected(std::move(ok.error())));
  const auto bytes = size_of(request);
  session::Admit admit;
  admit.messages.push_back(std::move(request));
  admit.precondition = std::move(precondition);
  impl_->command(session, std::move(admit), bytes, [done = std::move(done)](Result<session::Reply>&& reply) {
    if (!reply) return done(tl::unexpected(std::move(reply.error())));
    done(std::move(std::get<std::vector<Admitted>>(*reply).front()));
  });
}

void Engine::admit_batch_async(std::string session, std::vector<AdmitRequest> requests, Precondition precondition,
                               Done<std::vector<Admitted>> done) {
  if (requests.empty())
    return done(holdfast::fail(ErrorCode::invalid_body, "a batch holds at least one message", "/messages"));
  if (requests.size() > limits().batch_messages_max)
    return done(holdfast::fail(ErrorCode::too_large,
                               "a batch holds at most " + std::to_string(limits().batch_messages_max) + " messages",
                               "/messages"));
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (auto ok = session::check(requests[i], limits()); !ok) {
      ok.error().pointer = "/messages/" + std::to_string(i) + ok.error().pointer;
      return done(tl::unexpected(std::move(ok.error())));
    }
    bytes += size_of(requests[i]);
  }
  impl_->command(session, session::Admit{std::move(requests), std::move(precondition)}, bytes, answer(std::move(done)));
}

void Engine::message_async(std::string session, std::string message, Done<Message> done) {
  impl_->command(session, session::ReadMessage{std::move(message)}, 0, answer(std::move(done)));
}

void Engine::messages_async(std::string session, MessageQuery query, Done<Page<Message>> done) {
  // The cursor is the seq of the last message looked at.
  if (!query.cursor.empty()) {
    const auto* end = query.cursor.data() + query.cursor.size();
    const auto parsed = std::from_chars(query.cursor.data(), end, query.after_seq);
    if (parsed.ec != std::errc{} || parsed.ptr != end)
      return done(holdfast::fail(ErrorCode::invalid_cursor, "this cursor is not one of ours; start without one"));
  }
  impl_->command(session, session::ReadMessages{std::move(query)}, 0, answer(std::move(done)));
}

void Engine::receipt_async(std::string session, std::string message, Done<Receipt> done) {
  impl_->command(session, session::ReadReceipt{std::move(message)}, 0, answer(std::move(done)));
}

void Engine::edit_async(std::string session, std::string message, MessageEdit edit, Precondition precondition,
                        Done<Message> done) {
  if (auto ok = session::check(edit, limits()); !ok) return done(tl::unexpected(std::move(ok.error())));
  const auto bytes = edit.turn ? edit.turn->size() : 0;
  impl_->command(session, session::Edit{std::move(message), std::move(edit), std::move(precondition)}, bytes,
                 answer(std::move(done)));
}

void Engine::cancel_async(std::string session, std::string message, Precondition precondition, Done<Message> done) {
  impl_->command(session, session::Cancel{std::move(message), std::move(precondition)}, 0, answer(std::move(done)));
}

void Engine::queue_async(std::string session, QueueCommand command, Precondition precondition, Done<Session> done) {
  impl_->command(session, session::Queue{std::move(command), std::move(precondition)}, 0, answer(std::move(done)));
}

void Engine::interrupt_async(std::string session, InterruptScope scope, Done<Interrupted> done) {
  impl_->command(session, session::Interrupt{scope}, 0, answer(std::move(done)));
}

void Engine::redrive_async(std::string session, std::string message, Done<Message> done) {
  impl_->command(session, session::Redrive{std::move(message)}, 0, answer(std::move(done)));
}

void Engine::dead_letters_async(DeadLetterQuery query, Done<Page<Message>> done) {
  impl_->dead_letters(query, std::move(done));
}

// ---- events and waits ----

void Engine::events_async(std::string session, EventQuery query, Done<EventPage> done) {
  impl_->events(session, query, std::move(done));
}

std::unique_ptr<Subscription> Engine::watch(std::string session, std::function<void()> wake) {
  return impl_->watch(session, std::move(wake));
}

void Engine::wait_session_async(std::string session, std::uint64_t min_seq, std::int64_t wait_ms, Done<Session> done) {
  auto wait = std::make_shared<Wait<Session>>(
      impl_->timers(),
      [impl = impl_.get(), session](Done<Session> seen) {
        impl->command(session, session::Get{}, 0, answer(std::move(seen)));
      },
      [min_seq](const Session& s) { return s.last_seq >= min_seq; }, std::move(done));
  wait->start([&](auto wake) { return impl_->watch(session, std::move(wake)); },
              session::later(impl_->clock().now(), wait_ms));
}

void Engine::wait_message_async(std::string session, std::string message, std::int64_t wait_ms, Done<Message> done) {
  auto wait = std::make_shared<Wait<Message>>(
      impl_->timers(),
      [impl = impl_.get(), session, message](Done<Message> seen) {
        impl->command(session, session::ReadMessage{message}, 0, answer(std::move(seen)));
      },
      [](const Message& m) { return terminal(m.state); }, std::move(done));
  wait->start([&](auto wake) { return impl_->watch(session, std::move(wake)); },
              session::later(impl_->clock().now(), wait_ms));
}

// ---- the pull path ----

void Engine::claim_async(ClaimRequest request, Done<std::vector<Delivery>> done) {
  if (auto ok = session::check(request, limits()); !ok) return done(tl::unexpected(std::move(ok.error())));
  impl_->claim(std::move(request), std::move(done));
}

void Engine::accept_async(LeaseRef ref, Done<Nothing> done) {
  impl_->delivery(ref, session::Accept{}, 0, answer(std::move(done)));
}

void Engine::heartbeat_async(LeaseRef ref, Done<Heartbeat> done) {
  impl_->delivery(ref, session::Beat{}, 0, answer(std::move(done)));
}

void Engine::append_events_async(LeaseRef ref, std::vector<RuntimeEvent> events, Done<std::uint64_t> done) {
  if (events.empty() || events.size() > limits().batch_events_max)
    return done(holdfast::fail(events.empty() ? ErrorCode::invalid_body : ErrorCode::too_large,
                               "a batch holds 1 to " + std::to_string(limits().batch_events_max) + " events"));
  std::uint64_t bytes = 0;
  for (const auto& event : events) bytes += event.data.size();
  impl_->delivery(ref, session::AppendEvents{{}, std::move(events)}, bytes, answer(std::move(done)));
}

void Engine::complete_async(LeaseRef ref, Completion completion, Done<Nothing> done) {
  const auto bytes = completion.result.size();
  impl_->delivery(ref, session::Complete{{}, std::move(completion)}, bytes, answer(std::move(done)));
}

void Engine::fail_async(LeaseRef ref, FailReport report, Done<Nothing> done) {
  const auto bytes = report.detail.size();
  impl_->delivery(ref, session::Fail{{}, std::move(report)}, bytes, answer(std::move(done)));
}

void Engine::release_async(LeaseRef ref, Done<Nothing> done) {
  impl_->delivery(ref, session::Release{}, 0, answer(std::move(done)));
}

// ---- objects ----

void Engine::call_async(std::string object_class, std::string name, Request request, Done<Reply> done) {
  impl_->call(std::move(object_class), std::move(name), std::move(request), nullptr, std::move(done));
}

void Engine::call_async(std::string object_class, std::string name, Request request,
                        std::shared_ptr<BodyTransfer> bodies, Done<Reply> done) {
  impl_->call(std::move(object_class), std::move(name), std::move(request), std::move(bodies), std::move(done));
}

Result<Reply> Engine::call(std::string object_class, std::string name, Request request) {
  return wait_for<Reply>(impl_->pipeline(), [&](Done<Reply> done) {
    call_async(std::move(object_class), std::move(name), std::move(request), std::move(done));
  });
}

void Engine::open_websocket_async(std::string object_class, std::string name, Request request,
                                  std::shared_ptr<SocketPeer> peer, Done<std::shared_ptr<SocketLink>> done) {
  impl_->open_websocket(std::move(object_class), std::move(name), std::move(request), std::move(peer), std::move(done));
}

Result<EventPage> Engine::object_events(std::string object_class, std::string name, EventQuery query) {
  return impl_->object_events({std::string(kDefaultProject), std::move(name), std::move(object_class)}, query);
}

bool Engine::has_class(std::string_view object_class) const noexcept {
  return impl_->class_of(object_class) != nullptr;
}

bool Engine::takes_streams(std::string_view object_class) const noexcept {
  const auto* found = impl_->class_of(object_class);
  return found != nullptr && found->bodies == Bodies::streamed;
}

// ---- turns in this process, callbacks ----

Result<Nothing> Engine::on_turn(std::string handler_class, TurnHandler handler, TurnOptions options) {
  return impl_->on_turn(std::move(handler_class), std::move(handler), std::move(options));
}

void Engine::rotate_webhook_secret_async(Done<std::string> done) { impl_->rotate_webhook_secret(std::move(done)); }

Result<std::string> Engine::rotate_webhook_secret() {
  return wait_for<std::string>(impl_->pipeline(), [&](auto done) { rotate_webhook_secret_async(std::move(done)); });
}

// ---- runtimes ----

void Engine::register_runtime_async(std::string runtime, RuntimeProof proof, RuntimeSpec spec,
                                    Done<Registration> done) {
  impl_->registry(std::move(runtime), runtime::Register{std::move(proof), std::move(spec)}, std::move(done));
}
void Engine::beat_runtime_async(std::string runtime, RuntimeProof proof, Done<Registration> done) {
  impl_->registry(std::move(runtime), runtime::Heartbeat{std::move(proof)}, std::move(done));
}
void Engine::rotate_runtime_async(std::string runtime, RuntimeProof proof, Done<Registration> done) {
  impl_->registry(std::move(runtime), runtime::Rotate{std::move(proof)}, std::move(done));
}
void Engine::remove_runtime_async(std::string runtime, Done<Nothing> done) {
  impl_->registry(std::move(runtime), runtime::Remove{}, [done = std::move(done)](Result<Registration> removed) {
    if (!removed) return done(tl::unexpected(std::move(removed.error())));
    done(Nothing{});
  });
}
Page<RuntimeInfo> Engine::runtimes(std::string_view after, std::size_t limit) const {
  return impl_->runtimes().list(after, limit);
}
std::optional<std::string> Engine::runtime_of(std::string_view auth_token) const {
  return impl_->runtimes().proven_by(auth_token);
}

// ---- the blocking forms ----

Result<Registration> Engine::register_runtime(std::string runtime, RuntimeProof proof, RuntimeSpec spec) {
  return wait_for<Registration>(impl_->pipeline(), [&](auto done) {
    register_runtime_async(std::move(runtime), std::move(proof), std::move(spec), std::move(done));
  });
}
Result<Registration> Engine::rotate_runtime(std::string runtime, RuntimeProof proof) {
  return wait_for<Registration>(impl_->pipeline(), [&](auto done) {
    rotate_runtime_async(std::move(runtime), std::move(proof), std::move(done));
  });
}
Result<Nothing> Engine::remove_runtime(std::string runtime) {
  return wait_for<Nothing>(impl_->pipeline(),
                           [&](auto done) { remove_runtime_async(std::move(runtime), std::move(done)); });
}

Result<Session> Engine::create(SessionSpec spec) {
  return wait_for<Session>(impl_->pipeline(), [&](auto done) { create_async(std::move(spec), std::move(done)); });
}
Result<PutResult> Engine::put(std::string session, SessionSpec spec, Precondition precondition) {
  return wait_for<PutResult>(impl_->pipeline(), [&](auto done) {
    put_async(std::move(session), std::move(spec), std::move(precondition), std::move(done));
  });
}
Result<Session> Engine::get(std::string session) {
  return wait_for<Session>(impl_->pipeline(), [&](auto done) { get_async(std::move(session), std::move(done)); });
}
Result<Session> Engine::patch(std::string session, Json merge_patch, Precondition precondition) {
  return wait_for<Session>(impl_->pipeline(), [&](auto done) {
    patch_async(std::move(session), std::move(merge_patch), std::move(precondition), std::move(done));
  });
}
Result<Nothing> Engine::remove(std::string session, Precondition precondition) {
  return wait_for<Nothing>(impl_->pipeline(), [&](auto done) {
    remove_async(std::move(session), std::move(precondition), std::move(done));
  });
}
Result<Page<Session>> Engine::list(SessionQuery query) {
  return wait_for<Page<Session>>(impl_->pipeline(), [&](auto done) { list_async(std::move(query), std::move(done)); });
}
Result<Session> Engine::fork(std::string session, ForkRequest request) {
  return wait_for<Session>(impl_->pipeline(),
                           [&](auto done) { fork_async(std::move(session), std::move(request), std::move(done)); });
}
Result<std::string> Engine::export_session(std::string session) {
  return wait_for<std::string>(impl_->pipeline(),
                               [&](auto done) { export_async(std::move(session), std::move(done)); });
}
Result<Session> Engine::import_session(std::string ndjson, std::string name) {
  return wait_for<Session>(impl_->pipeline(),
                           [&](auto done) { import_async(std::move(ndjson), std::move(name), std::move(done)); });
}
Result<Admitted> Engine::admit(std::string session, AdmitRequest request, Precondition precondition) {
  return wait_for<Admitted>(impl_->pipeline(), [&](auto done) {
    admit_async(std::move(session), std::move(request), std::move(precondition), std::move(done));
  });
}
Result<std::vector<Admitted>> Engine::admit_batch(std::string session, std::vector<AdmitRequest> requests,
                                                  Precondition precondition) {
  return wait_for<std::vector<Admitted>>(impl_->pipeline(), [&](auto done) {
    admit_batch_async(std::move(session), std::move(requests), std::move(precondition), std::move(done));
  });
}
Result<Message> Engine::message(std::string session, std::string message) {
  return wait_for<Message>(impl_->pipeline(),
                           [&](auto done) { message_async(std::move(session), std::move(message), std::move(done)); });
}
Result<Page<Message>> Engine::messages(std::string session, MessageQuery query) {
  return wait_for<Page<Message>>(
      impl_->pipeline(), [&](auto done) { messages_async(std::move(session), std::move(query), std::move(done)); });
}
Result<Receipt> Engine::receipt(std::string session, std::string message) {
  return wait_for<Receipt>(impl_->pipeline(),
                           [&](auto done) { receipt_async(std::move(session), std::move(message), std::move(done)); });
}
Result<Message> Engine::edit(std::string session, std::string message, MessageEdit edit, Precondition precondition) {
  return wait_for<Message>(impl_->pipeline(), [&](auto done) {
    edit_async(std::move(session), std::move(message), std::move(edit), std::move(precondition), std::move(done));
  });
}
Result<Message> Engine::cancel(std::string session, std::string message, Precondition precondition) {
  return wait_for<Message>(impl_->pipeline(), [&](auto done) {
    cancel_async(std::move(session), std::move(message), std::move(precondition), std::move(done));
  });
}
Result<Session> Engine::queue(std::string session, QueueCommand command, Precondition precondition) {
  return wait_for<Session>(impl_->pipeline(), [&](auto done) {
    queue_async(std::move(session), std::move(command), std::move(precondition), std::move(done));
  });
}
Result<Interrupted> Engine::interrupt(std::string session, InterruptScope scope) {
  return wait_for<Interrupted>(impl_->pipeline(),
                               [&](auto done) { interrupt_async(std::move(session), scope, std::move(done)); });
}
Result<Message> Engine::redrive(std::string session, std::string message) {
  return wait_for<Message>(impl_->pipeline(),
                           [&](auto done) { redrive_async(std::move(session), std::move(message), std::move(done)); });
}
Result<Page<Message>> Engine::dead_letters(DeadLetterQuery query) {
  return wait_for<Page<Message>>(impl_->pipeline(),
                                 [&](auto done) { dead_letters_async(std::move(query), std::move(done)); });
}
Result<EventPage> Engine::events(std::string session, EventQuery query) {
  return wait_for<EventPage>(impl_->pipeline(),
                             [&](auto done) { events_async(std::move(session), std::move(query), std::move(done)); });
}
Result<Session> Engine::wait_session(std::string session, std::uint64_t min_seq, std::int64_t wait_ms) {
  return wait_for<Session>(
      impl_->pipeline(), [&](auto done) { wait_session_async(std::move(session), min_seq, wait_ms, std::move(done)); });
}
Result<Message> Engine::wait_message(std::string session, std::string message, std::int64_t wait_ms) {
  return wait_for<Message>(impl_->pipeline(), [&](auto done) {
    wait_message_async(std::move(session), std::move(message), wait_ms, std::move(done));
  });
}
Result<std::vector<Delivery>> Engine::claim(ClaimRequest request) {
  return wait_for<std::vector<Delivery>>(impl_->pipeline(),
                                         [&](auto done) { claim_async(std::move(request), std::move(done)); });
}
Result<Nothing> Engine::accept(LeaseRef ref) {
  return wait_for<Nothing>(impl_->pipeline(), [&](auto done) { accept_async(std::move(ref), std::move(done)); });
}
Result<Heartbeat> Engine::heartbeat(LeaseRef ref) {
  return wait_for<Heartbeat>(impl_->pipeline(), [&](auto done) { heartbeat_async(std::move(ref), std::move(done)); });
}
Result<std::uint64_t> Engine::append_events(LeaseRef ref, std::vector<RuntimeEvent> events) {
  return wait_for<std::uint64_t>(
      impl_->pipeline(), [&](auto done) { append_events_async(std::move(ref), std::move(events), std::move(done)); });
}
Result<Nothing> Engine::complete(LeaseRef ref, Completion completion) {
  return wait_for<Nothing>(impl_->pipeline(),
                           [&](auto done) { complete_async(std::move(ref), std::move(completion), std::move(done)); });
}
Result<Nothing> Engine::fail(LeaseRef ref, FailReport report) {
  return wait_for<Nothing>(impl_->pipeline(),
                           [&](auto done) { fail_async(std::move(ref), std::move(report), std::move(done)); });
}
Result<Nothing> Engine::release(LeaseRef ref) {
  return wait_for<Nothing>(impl_->pipeline(), [&](auto done) { release_async(std::move(ref), std::move(done)); });
}

// ---- backups ----

Result<BackupStatus> Engine::start_backup(BackupRequest request) { return impl_->backups().start(std::move(request)); }
Result<Backup> Engine::backup(const BackupRequest& request) { return impl_->backups().make(request); }
BackupStatus Engine::backup_status() const { return impl_->backups().status(); }
Result<std::vector<Backup>> Engine::backups(const std::filesystem::path& directory) { return list_backups(directory); }

// ---- the whole ----

const Limits& Engine::limits() const noexcept { return impl_->limits(); }
void Engine::begin_round(std::size_t commits_max, CompletionQueue* answers) noexcept {
  impl_->pipeline().begin_lending(commits_max, static_cast<CommitQueue*>(answers));  // completion_queue() made it
}
std::shared_ptr<CompletionQueue> Engine::completion_queue(std::function<void()> wake) {
  return impl_->pipeline().queue(std::move(wake));
}
void Engine::end_round() { impl_->pipeline().end_lending(); }
void Engine::expect(std::string_view session) const { impl_->expect(session); }

bool Engine::disk_full() const noexcept { return impl_->disk_full(); }
Health Engine::health() const noexcept { return impl_->health(); }
EngineStats Engine::stats() const { return impl_->stats(); }
bool Engine::overloaded() const noexcept { return impl_->overloaded(); }
std::string Engine::store_id() const { return impl_->identity().id; }
ReceiptKey Engine::receipt_key() const {
  return {impl_->signer().key_id(), to_base64url(impl_->signer().public_key())};
}
void Engine::on_batch_end(std::function<void()> hook) { impl_->on_batch_end(std::move(hook)); }
void Engine::on_broken(std::function<void(const Error&)> hook) { impl_->on_broken(std::move(hook)); }
void Engine::close() { impl_->close(); }

}  // namespace holdfast
