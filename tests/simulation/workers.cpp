// What workers do in the simulation. They outlive the engine, and go on with what they hold whatever happened to it.
#include <catch2/catch.hpp>

#include "actors/session/journal.hpp"
#include "tests/simulation/world.hpp"

namespace holdfast::simulation {

void World::claim() {
  ClaimRequest request;
  request.max = 1 + pick(2);
  request.wait_ms = static_cast<std::int64_t>(pick(2)) * 200;
  request.lease_ms = 1'000 + static_cast<std::int64_t>(pick(2)) * 5'000;
  if (one_in(2)) request.runtime = "r" + std::to_string(pick(2));
  engine_->claim(request, [this, asked = generation_](Result<std::vector<Delivery>> deliveries) {
    if (asked == generation_ && deliveries) hand_out(*deliveries);
  });
}

void World::hand_out(const std::vector<Delivery>& deliveries) {
  constexpr std::size_t kHeld = 24;  // older ones are forgotten
  for (const auto& d : deliveries) {
    const auto& session = d.session.session;
    const auto& message = d.message.message;
    saw(Rare::delivery);
    saw(Rare::steer, d.steer.size());
    for (const auto& held : held_) {
      if (held.session != session || held.message != message) continue;
      saw(Rare::second_worker);
      break;
    }
    held_.push_back({session, message, {d.delivery, d.lease}, d.lease_expires_at});
    if (held_.size() > kHeld) held_.erase(held_.begin());
  }
}

// The session is gone, or its message went back to the queue, was handed out again or given up: that is never undone.
bool World::lost(const Held& held) const {
  const Calm calm(*store_);
  const auto& reader = *store_;
  const auto found = session::Journal(reader, {std::string(kDefaultProject), held.session}).find(held.message);
  if (!found || found->row.delivery != held.lease.delivery) return true;
  const auto& row = found->row;
  return row.dispatched_at == 0 || (row.failure && row.failure->code == "lease_expired");
}

// A report with a lease that was lost before it was sent is refused.
template <class T>
Engine::Impl::Answer World::on_report(const Held& held, std::function<void(Result<T>)> then) {
  return on_reply<T>([lost = lost(held), then = std::move(then)](Result<T> reply) {
    REQUIRE_FALSE((lost && reply));
    then(std::move(reply));
  });
}

void World::work_on_lease() {
  if (held_.empty()) return;
  const auto held = held_[pick(held_.size())];
  const auto ignore = on_report<session::Nothing>(held, [](auto) {});
  switch (pick(8)) {
    case 0: return engine_->delivery(held.lease, session::Accept{}, 0, ignore);
    case 1: return append_events(held);
    case 2: return engine_->delivery(held.lease, session::Fail{{}, {"boom", !one_in(3), 0, {}}}, 0, ignore);
    case 3: return engine_->delivery(held.lease, session::Release{}, 0, ignore);
    case 4:
    case 5:
      return engine_->delivery(held.lease, session::Beat{}, 0, on_report<Heartbeat>(held, [this](auto beat) {
                                 if (beat) saw(Rare::steer, beat->steer.size());
                               }));
    default: return complete(held);
  }
}

void World::append_events(const Held& held) {
  session::AppendEvents command;
  for (int n = 0; n < 2; ++n) {
    auto data = "{\"n\":" + std::to_string(++next_event_) + "}";
    appended_[held.session].emplace(data, 0);
    command.events.push_back({"delta", std::move(data)});
  }
  const auto events = command.events;
  engine_->delivery(held.lease, std::move(command), 0, on_report<std::uint64_t>(held, [this, held, events](auto last) {
                      if (!last) return;
                      auto position = *last - events.size();
                      for (const auto& event : events) appended_[held.session].at(event.data) = ++position;
                    }));
}

void World::complete(const Held& held) {
  engine_->delivery(held.lease, session::Complete{{}, {"{\"ok\":true}", {}}}, 0,
                    on_report<session::Nothing>(held, [this, held](auto reply) {
                      const auto known = sessions_[held.session].find(held.message);
                      REQUIRE(known != sessions_[held.session].end());
                      auto& sent = known->second;
                      if (reply) {
                        if (sent.completed) saw(Rare::completed_again);
                        sent.completed = true;
                      } else if (reply.error().code == ErrorCode::lease_lost) {
                        const Calm calm(*store_);
                        const auto state = state_of(held.session, held.message);
                        saw(state == MessageState::interrupted ? Rare::completed_captured : Rare::completed_late);
                      }
                    }));
}

}  // namespace holdfast::simulation
