// What is asked of a host's objects (hosts.cpp), and what must be true of them.
#include <catch2/catch.hpp>

#include "actors/object/object.hpp"
#include "tests/simulation/world.hpp"

namespace holdfast::simulation {
namespace {

ObjectId counter_id(const std::string& name) { return {std::string(kDefaultProject), name, "counter"}; }
ObjectId account_id(std::uint64_t n) { return {std::string(kDefaultProject), account(n).name, "account"}; }

std::vector<Event> all_events(const Readable& reader, const ObjectId& id) {
  EventQuery query;
  query.limit = SIZE_MAX;
  query.bytes_max = SIZE_MAX;
  auto events = object::read_events(reader, id, query);
  REQUIRE(events);
  return std::move(events->items);
}

std::int64_t number(const Readable& reader, const ObjectId& id, std::string_view key) {
  const auto stored = reader.get(Family::objects, keys::object_value(id, key));
  REQUIRE(stored);
  return *stored ? Codec<std::int64_t>::decode(**stored).value() : 0;
}

}  // namespace

void World::increment() {
  const auto name = "o" + std::to_string(pick(3));
  auto& counted = counted_[name];
  const auto how = pick(8);
  const std::string path = how == 0 ? "/throw" : how == 1 ? "/alarm" : "/increment";
  if (how != 0) ++counted.asked;
  if (how == 1) ++counted.alarms;
  saw(Rare::increment);
  engine_->call("counter", name, {"POST", path, ""}, nullptr,
                [this, name, how, asked = generation_](Result<Reply> reply) {
                  if (asked != generation_) return;
                  if (how == 0) {
                    REQUIRE(!reply);
                    saw(Rare::object_threw);
                    return;
                  }
                  if (!reply) return;
                  auto& told = counted_[name].answered;
                  told = std::max(told, static_cast<std::int64_t>(std::stoll(reply->body)));
                });
}

void World::use_account() {
  constexpr std::string_view kWays[] = {"/pay", "/pay", "/ask", "/nap", "/work", "/write"};
  const auto way = kWays[pick(std::size(kWays))];
  engine_->call("account", account(pick(kAccounts)).name,
                {"POST", std::string(way), std::to_string(pick(kAccounts + 1))}, nullptr, [](const Result<Reply>&) {});
}

// Nobody was told of an increment that is gone, none happened twice, and each left one event.
void World::verify_counters() {
  for (const auto& [name, counted] : counted_) {
    INFO("counter " << name);
    const auto id = counter_id(name);
    const auto n = number(*store_, id, "n");
    REQUIRE(n >= counted.answered);
    REQUIRE(n <= counted.asked + counted.alarms);
    const auto events = all_events(*store_, id);
    REQUIRE(events.size() == static_cast<std::size_t>(n));
    for (const auto& event : events) REQUIRE(event.data == std::to_string(event.id));
  }
}

// After a healthy end: each payment arrived once or was given up, each letter to the ledger is there once, and nothing
// is on its way.
void World::verify_accounts() {
  REQUIRE_FALSE(mail_on_its_way());
  std::int64_t together = 0;
  std::uint64_t given_up = 0;
  std::uint64_t letters = 0;
  for (std::uint64_t n = 0; n < kAccounts; ++n) {
    const auto id = account_id(n);
    together += number(*store_, id, "balance");
    letters += static_cast<std::uint64_t>(number(*store_, id, "letters"));
    saw(Rare::call_answered, static_cast<std::uint64_t>(number(*store_, id, "asked")));
    saw(Rare::nap, static_cast<std::uint64_t>(number(*store_, id, "naps")));
    REQUIRE(store_->scan(Family::objects, keys::object_values(id, "got/"), [&](auto, auto) {
      saw(Rare::payment);
      return Visit::next;
    }));
    for (const auto& event : all_events(*store_, id)) {
      REQUIRE(event.type == "object.message_failed");
      ++given_up;
    }
  }
  const auto ledger = entity_of(std::string(kLedger)).state.queued;
  // A ledger that is full, or an account that throws too often, costs a letter; both leave the event.
  REQUIRE(ledger <= letters);
  REQUIRE(together + static_cast<std::int64_t>(given_up) == static_cast<std::int64_t>(letters - ledger));
  saw(Rare::payment_given_up, given_up);
  saw(Rare::letter, ledger);
}

bool World::mail_on_its_way() const {
  bool any = false;
  REQUIRE(store_->scan(Family::index, keys::all_mail(), [&any](auto, auto) {
    any = true;
    return Visit::stop;
  }));
  return any;
}

// Payments that their receiver has written down, and their sender has not struck out: they are sent again.
std::uint64_t World::mail_taken_and_not_struck() const {
  std::uint64_t count = 0;
  for (std::uint64_t n = 0; n < kAccounts; ++n) {
    const auto from = account_id(n);
    REQUIRE(store_->scan(Family::objects, keys::object_mails(from), [&](std::string_view key, auto) {
      const auto got = "got/" + from.name + "/" + std::to_string(keys::position_of(key));
      for (std::uint64_t m = 0; m < kAccounts; ++m)
        if (store_->get(Family::objects, keys::object_value(account_id(m), got)).value()) ++count;
      return Visit::next;
    }));
  }
  return count;
}

}  // namespace holdfast::simulation
