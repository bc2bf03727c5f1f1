// What clients do in the simulation.
#include <catch2/catch.hpp>

#include "actors/session/views.hpp"
#include "tests/simulation/world.hpp"

namespace holdfast::simulation {
namespace {

bool nothing_written(const Error& error) { return error.code != ErrorCode::commit_unknown; }

}  // namespace

std::pair<const std::string, Sent>* World::any_message(const std::string& session) {
  auto& all = sessions_[session];
  if (all.empty()) return nullptr;
  auto one = all.begin();
  std::advance(one, static_cast<std::ptrdiff_t>(pick(all.size())));
  return &*one;
}

void World::answered(const std::string& session, const Admitted& admitted) {
  auto& sent = sessions_[session].at(admitted.message);
  REQUIRE(admitted.body_hash == session::show_hash(session::body_hash_of(sent.request)));
  if (sent.seq != 0) REQUIRE(sent.seq == admitted.seq);  // a replay repeats the answer, and may come before it
  if (!admitted.replayed) REQUIRE_FALSE(std::exchange(sent.original, true));
  using Unknown = Sent::Unknown;
  if (sent.seq == 0 && sent.unknown == Unknown::there) {
    REQUIRE(admitted.replayed);
    saw(Rare::unknown_replayed);
  } else if (sent.seq == 0 && sent.unknown == Unknown::absent && !admitted.replayed) {
    saw(Rare::unknown_fresh);
  }
  sent.seq = admitted.seq;
  if (admitted.replayed) saw(Rare::replay);
  else if (admitted.outcome == Outcome::merged) saw(Rare::merged);
  else if (admitted.outcome == Outcome::replaced) saw(Rare::replaced);
  else if (admitted.outcome == Outcome::interrupting) saw(Rare::interrupting);
  else if (admitted.outcome == Outcome::steered) saw(Rare::steered);
  const Calm calm(*store_);
  const auto entity = entity_of(session);
  if (entity.document.deleted) {  // by a command behind this one, in the same commit
    REQUIRE(removed_.contains(session));
    return;
  }
  // The gate: nobody is told of a message that a crash could still take away.
  REQUIRE(durable(session, admitted.message));
  if (admitted.replayed && entity.state.queued >= mix_.limits.queue_capacity) saw(Rare::replay_full);
}

void World::refused(const std::string& session, const std::string& message, const Error& error) {
  auto& sent = sessions_[session].at(message);
  if (nothing_written(error)) ++sent.refused;
  else if (sent.seq == 0) sent.unknown = Sent::Unknown::asked;
  if (error.code == ErrorCode::queue_full) saw(Rare::queue_full);
  if (error.code == ErrorCode::session_busy) saw(Rare::busy);
  if (error.code == ErrorCode::insufficient_storage) saw(Rare::disk_full);
  if (error.code == ErrorCode::gone) {
    REQUIRE(removed_.contains(session));
    saw(Rare::gone);
  }
}

void World::admit() {
  const auto session = any_session();
  AdmitRequest request = AdmitRequest::prompt("m" + std::to_string(next_id_));
  request.id = "c" + std::to_string(next_id_++);
  request.author = pick(2) == 0 ? "ann" : "bob";
  request.on_busy = mix_.policies[pick(mix_.policies.size())];
  if (one_in(4)) request.priority = static_cast<std::uint8_t>(pick(10));
  if (one_in(mix_.expiring)) request.expires_at = now_ + static_cast<Time>(pick(600)) + 1;
  if (one_in(mix_.called)) request.callback = Callback{std::string(kHook), {}, {{"x-owner", "me"}}};
  if (one_in(mix_.delayed)) request.not_before = now_ + static_cast<Time>(pick(300));
  Sent sent{request};
  sent.generation = generation_;
  sessions_[session][request.id] = std::move(sent);
  const auto id = request.id;
  session::Admit command;
  command.messages.push_back(std::move(request));
  engine_->command(session, std::move(command), 0, on_reply<std::vector<Admitted>>([this, session, id](auto reply) {
                     if (reply) answered(session, reply->front());
                     else refused(session, id, reply.error());
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
    sent.generation = generation_;
    sessions_[session][request.id] = std::move(sent);
    ids.push_back(request.id);
    command.messages.push_back(std::move(request));
  }
  engine_->command(session, std::move(command), 0, on_reply<std::vector<Admitted>>([this, session, ids](auto reply) {
                     if (reply) {
                       saw(Rare::batch);
                       for (const auto& one : *reply) answered(session, one);
                       return;
                     }
                     const bool late = !reply.error().pointer.empty() && reply.error().pointer != "/messages/0";
                     if (late) saw(Rare::batch_refused_late);
                     for (const auto& id : ids) refused(session, id, reply.error());
                   }));
}

void World::retry() {
  const auto session = any_session();
  auto* one = any_message(session);
  if (one == nullptr || one->second.batch != 0) return;
  session::Admit command;
  command.messages.push_back(one->second.request);
  ++one->second.asked;
  one->second.generation = generation_;
  engine_->command(session, std::move(command), 0,
                   on_reply<std::vector<Admitted>>([this, session, id = one->first](auto reply) {
                     if (reply) answered(session, reply->front());
                     else refused(session, id, reply.error());
                   }));
}

// The id of a message that was answered, with another body: never taken.
void World::mismatch() {
  const auto session = any_session();
  const auto* one = any_message(session);
  if (one == nullptr || one->second.seq == 0) return;
  session::Admit command;
  command.messages.push_back(one->second.request);
  command.messages.back().turn = AdmitRequest::prompt("something else").turn;
  engine_->command(session, std::move(command), 0, on_reply<std::vector<Admitted>>([this](auto reply) {
                     REQUIRE(!reply);
                     if (reply.error().code == ErrorCode::idempotency_mismatch) saw(Rare::replay_mismatch);
                   }));
}

void World::edit() {
  const auto session = any_session();
  const auto* one = any_message(session);
  if (one == nullptr) return;
  MessageEdit edit;
  if (one_in(2)) edit.turn = AdmitRequest::prompt("edited").turn;
  if (one_in(2)) edit.priority = static_cast<std::uint8_t>(pick(10));
  if (one_in(4)) edit.expires_at = one_in(2) ? 0 : now_ + static_cast<Time>(pick(600)) + 1;
  if (one_in(4)) edit.not_before = one_in(2) ? 0 : now_ + static_cast<Time>(pick(300));
  engine_->command(session, session::Edit{one->first, std::move(edit), {}}, 0, on_reply<Message>([this](auto reply) {
                     if (reply) saw(Rare::edited);
                   }));
}

// What a read shows is durable, and a terminal state that it shows stays.
void World::look() {
  const auto session = any_session();
  const auto* one = any_message(session);
  if (one == nullptr) return;
  engine_->command(session, session::ReadMessage{one->first}, 0,
                   on_reply<Message>([this, session, id = one->first](auto reply) {
                     if (!reply) return;
                     const Calm calm(*store_);
                     if (entity_of(session).document.deleted) return;
                     REQUIRE(durable(session, id));
                     auto& sent = sessions_[session].at(id);
                     if (reply->state == MessageState::completed) sent.completed = true;
                     if (reply->state == MessageState::cancelled) sent.cancelled = true;
                   }));
}

// From a cursor of any age, a few at a time: dense, and the types that were asked for.
void World::read_events() {
  const auto session = any_session();
  EventQuery query;
  query.after = pick(40);
  query.limit = 1 + pick(5);
  engine_->events(session, query, [this, after = query.after](Result<EventPage> page) {
    if (!page) {
      if (page.error().code == ErrorCode::cursor_expired) saw(Rare::cursor_expired);
      return;
    }
    auto last = after;
    for (const auto& event : page->items) {
      REQUIRE((event.id == last + 1 || (last == 0 && event.id > last)));  // 0: from the oldest that is kept
      last = event.id;
    }
    REQUIRE(page->next >= last);
  });
}

void World::change_queue() {
  const auto session = any_session();
  const auto ignore = on_reply<Session>([](auto) {});
  const auto* one = any_message(session);
  switch (pick(5)) {
    case 0:
    case 1: {
      const auto action = one_in(3) ? QueueAction::pause : QueueAction::resume;
      return engine_->command(session, session::Queue{{action, {}}, {}}, 0, ignore);
    }
    case 2:
      if (one == nullptr) return;
      return engine_->command(session, session::Queue{{QueueAction::reorder, {one->first}}, {}}, 0, ignore);
    case 3:
      if (one == nullptr) return;
      return engine_->command(session, session::Cancel{one->first, {}}, 0,
                              on_reply<Message>([this, session, id = one->first](auto reply) {
                                if (reply) sessions_[session].at(id).cancelled = true;
                              }));
    default:
      if (one_in(6)) engine_->command(session, session::Queue{{QueueAction::clear, {}}, {}}, 0, ignore);
  }
}

void World::interrupt() {
  const auto scope = pick(2) == 0 ? InterruptScope::running : InterruptScope::all;
  engine_->command(any_session(), session::Interrupt{scope}, 0, on_reply<Interrupted>([this](auto reply) {
                     if (reply && reply->messages != 0) saw(Rare::interrupted);
                   }));
}

void World::redrive() {
  const auto session = any_session();
  for (const auto& [id, sent] : sessions_[session]) {
    if (!one_in(4)) continue;
    engine_->command(session, session::Redrive{id}, 0, on_reply<Message>([this](auto reply) {
                       if (reply) saw(Rare::redriven);
                     }));
  }
}

void World::remove() {
  const auto session = any_session();
  removed_.insert(session);
  engine_->command(session, session::Remove{}, 0, on_reply<session::Nothing>([this, session](auto reply) {
                     if (!reply) return;
                     const Calm calm(*store_);
                     const auto document = entity_of(session).document;
                     REQUIRE((document.deleted || !document.exists));
                     if (document.deleted) saw(Rare::deleted);
                   }));
}

}  // namespace holdfast::simulation
