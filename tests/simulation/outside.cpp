// The world outside, as the engine calls it: pushed turns and callbacks.
#include <catch2/catch.hpp>

#include "actors/session/journal.hpp"
#include "tests/simulation/world.hpp"

namespace holdfast::simulation {

std::string text_in(const std::string& body, std::string_view name) {
  const auto begin = body.find("\"" + std::string(name) + "\":\"") + name.size() + 4;
  return body.substr(begin, body.find('"', begin) - begin);
}

// What reaches the world outside is durable, and only what somebody asked for goes out.
void World::arrived(const Receivers::Call& call) {
  const Calm calm(*store_);
  const auto& body = call.request.body;
  const auto id = call.header("webhook-id");
  REQUIRE(!call.header("webhook-signature").empty());
  if (call.request.url == kTurns) {
    saw(Rare::push);
    const auto session = std::string(kPushed);
    REQUIRE((durable(session, id) || entity_of(session).document.deleted));
    return;
  }
  REQUIRE(call.request.url == kHook);
  const auto session = text_in(body, "session");
  const auto sent = sessions_[session].find(id);
  REQUIRE(sent != sessions_[session].end());
  REQUIRE(sent->second.request.callback);
  saw(++sent->second.called > 1 ? Rare::callback_again : Rare::callback);
  const auto state = message_state(std::string_view(text_in(body, "type")).substr(8));
  REQUIRE(state);
  REQUIRE(terminal(*state));
  REQUIRE((durable(session, id) || entity_of(session).document.deleted));
}

void World::answer_call() {
  if (calls_.empty()) return;
  const auto one = calls_.begin() + static_cast<std::ptrdiff_t>(pick(calls_.size()));
  auto call = std::move(*one);
  calls_.erase(one);
  const bool push = call.request.url == kTurns;
  constexpr int kStatuses[] = {200, 200, 202, 500, 503, 429, 404, 410, 0};
  const int status = kStatuses[pick(std::size(kStatuses))];
  if (push && status == 202) {
    saw(Rare::push_accepted);
    const auto& body = call.request.body;
    held_.push_back({std::string(kPushed),
                     call.header("webhook-id"),
                     {text_in(body, "delivery"), text_in(body, "lease")},
                     now_ + static_cast<Time>(mix_.limits.push_lease_ms)});
  }
  if (status == 0) call.done(tl::unexpected(egress::Failure{egress::Fault::unreachable, "no route"}));
  else call.done(egress::Answer{status, 0, push ? R"({"result":{"pushed":true}})" : ""});
  if (engine_->stats().push_targets_broken != 0) saw(Rare::push_rests);
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
  REQUIRE(store_->scan(Family::index, keys::all_callbacks(), [](auto, auto) -> Visit {
    FAIL("a callback is still due");
    return Visit::stop;
  }));
  for (const auto& [session, sent] : sessions_) {
    const auto entity = entity_of(session);
    if (entity.document.deleted) continue;  // what was not sent by then is dropped
    const ObjectId id{std::string(kDefaultProject), session};
    std::set<std::string> given_up;
    EventQuery query;
    query.limit = SIZE_MAX;
    query.bytes_max = SIZE_MAX;
    query.types = {"session.callback_failed"};
    const auto page = session::read_events(*store_, id, query, 1, entity.state.last_position);
    REQUIRE(page);
    for (const auto& event : page->items) given_up.insert(text_in(event.data, "message"));
    saw(Rare::callback_given_up, given_up.size());
    for (const auto& [name, s] : sent) {
      INFO("session " << session << " message " << name);
      // A receiver that is left alone may cost a callback all its attempts.
      if (s.request.callback && durable(session, name)) REQUIRE((s.called > 0 || given_up.contains(name)));
    }
  }
}

}  // namespace holdfast::simulation
