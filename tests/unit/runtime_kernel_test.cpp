// The runtime kernel against a store that takes every write at once.
#include <catch2/catch.hpp>

#include "actors/runtime/runtime.hpp"
#include "storage/keys.hpp"
#include "storage/memory_store.hpp"

namespace holdfast::runtime {
namespace {

class Bench {
 public:
  Bench() { crypto_start(); }

  Result<Registration> operator()(const Command& command) {
    const session::InFlight reader(store_);
    const Context context{"default", "gpu-1", now, random_, limits, vault_, reader};
    auto step = apply(record, command, context);
    if (!step.reply) {
      CHECK(step.writes.empty());
      CHECK_FALSE(step.record);
    }
    writes = step.writes.ops.size();
    fence = step.fence;
    shredded = step.shredded;
    auto batch = store_.make_batch();
    batch->append(step.writes);
    REQUIRE(store_.write(*batch, Durability::synced));
    if (step.record) {
      record = std::move(step.record);
      const auto stored = store_.get(Family::objects, keys::runtime("default", "gpu-1"));
      REQUIRE(stored);
      REQUIRE(*stored);
      CHECK(same(*decode(**stored), *record));
    }
    return std::move(step.reply);
  }

  Registration ask(const Command& command) {
    auto reply = (*this)(command);
    if (!reply) FAIL(name_of(reply.error().code) << ": " << reply.error().detail);
    return std::move(*reply);
  }
  // Refused, and nothing is changed.
  ErrorCode refused(const Command& command) {
    const auto before = record;
    auto reply = (*this)(command);
    REQUIRE_FALSE(reply);
    CHECK(before.has_value() == record.has_value());
    if (before && record) CHECK(same(*before, *record));
    return reply.error().code;
  }
  RuntimeState look() {
    ask(Look{});
    return record->state;
  }
  std::size_t sealed() {
    std::size_t n = 0;
    REQUIRE(store_.scan(Family::vault, {}, [&](auto, auto) {
      ++n;
      return Visit::next;
    }));
    return n;
  }

  static bool same(const Record& a, const Record& b) {
    std::string left;
    std::string right;
    encode(left, a);
    encode(right, b);
    return left == right;
  }

  std::optional<Record> record;
  Time now = 1'700'000'000'000;
  Limits limits;
  std::size_t writes = 0;
  bool fence = false;
  bool shredded = false;

 private:
  MemoryStore store_;
  SeededRandom random_{7};
  Vault vault_{Key32{}};
};

const RuntimeProof kNone;
const RuntimeProof kCreator{RuntimeProof::Kind::creator, {}};
const RuntimeProof kOperator{RuntimeProof::Kind::operator_key, {}};
RuntimeProof shows(const std::string& token) { return {RuntimeProof::Kind::none, token}; }

// A runtime of a version that issued tokens and no inbound secrets.
struct Legacy : Bench {
  Legacy() {
    Record old;
    old.name = "gpu-1";
    old.state = RuntimeState::offline;
    old.token_hash = sha256(token);
    old.url = "http://runtime.example/";
    old.labels = {{"gpu", "yes"}};
    old.capacity = 4;
    old.created_at = old.updated_at = old.seen_at = now - 1'000'000;
    record = old;
  }
  std::string token = "hfr_gpu-1." + std::string(64, 'a');
};

}  // namespace

TEST_CASE("a legacy runtime without an inbound secret gets one, and keeps its token") {
  const std::string token = "hfr_gpu-1." + std::string(64, 'a');
  for (const auto& proof : {shows(token), kOperator}) {
    Legacy r;
    const auto hash = r.record->token_hash;
    const auto first = r.ask(Register{proof, {}});
    CHECK(first.inbound_secret.starts_with("whsec_"));
    CHECK(first.auth_token.empty());
    CHECK_FALSE(first.created);
    CHECK(r.record->token_hash == hash);
    CHECK(r.record->has_secret);
    CHECK(r.record->state == RuntimeState::online);
    CHECK(r.record->url == "http://runtime.example/");
    CHECK(r.record->labels == Labels{{"gpu", "yes"}});
    CHECK(r.record->capacity == 4);
    CHECK(r.sealed() == 2);  // its key and the secret
    const auto again = r.ask(Register{shows(token), {}});
    CHECK(again.inbound_secret == first.inbound_secret);
    CHECK(again.auth_token.empty());
    CHECK(r.sealed() == 2);
  }
}

TEST_CASE("no secret without proof") {
  Legacy legacy;
  for (const auto& proof : {kNone, kCreator, shows("hfr_gpu-1." + std::string(64, 'b')), shows("hfr_gpu-1.")}) {
    CHECK(legacy.refused(Register{proof, {}}) == ErrorCode::unauthorized);
    CHECK(legacy.refused(Heartbeat{proof}) == ErrorCode::unauthorized);
    CHECK(legacy.refused(Rotate{proof}) == ErrorCode::unauthorized);
  }
  CHECK(legacy.sealed() == 0);

  Bench nobody;
  CHECK(nobody.refused(Register{kNone, {}}) == ErrorCode::unauthorized);
  CHECK(nobody.refused(Register{shows("hfr_gpu-1." + std::string(64, 'a')), {}}) == ErrorCode::unauthorized);
  CHECK(nobody.refused(Heartbeat{kCreator}) == ErrorCode::unauthorized);
  CHECK(nobody.refused(Heartbeat{kOperator}) == ErrorCode::not_found);
  CHECK(nobody.refused(Rotate{kOperator}) == ErrorCode::not_found);
  CHECK_FALSE(nobody.record);
}

TEST_CASE("a token is issued once, and its hash is all that is kept") {
  Bench r;
  const auto first = r.ask(Register{kCreator, {}});
  CHECK(first.created);
  CHECK(name_in_token(first.auth_token) == "gpu-1");
  CHECK(r.record->token_hash == sha256(first.auth_token));
  CHECK(r.refused(Register{kCreator, {}}) == ErrorCode::unauthorized);  // the loser of a race
  const auto by_operator = r.ask(Register{kOperator, {}});
  CHECK(by_operator.auth_token.empty());
  CHECK(by_operator.inbound_secret == first.inbound_secret);
  CHECK_FALSE(by_operator.created);
}

TEST_CASE("a rotation ends the old token at once and leaves the secret") {
  Bench r;
  const auto first = r.ask(Register{kCreator, {}});
  const auto second = r.ask(Rotate{shows(first.auth_token)});
  CHECK(name_in_token(second.auth_token) == "gpu-1");
  CHECK(second.auth_token != first.auth_token);
  CHECK(r.refused(Heartbeat{shows(first.auth_token)}) == ErrorCode::unauthorized);
  CHECK(r.refused(Rotate{shows(first.auth_token)}) == ErrorCode::unauthorized);
  CHECK(r.ask(Register{shows(second.auth_token), {}}).inbound_secret == first.inbound_secret);
  const auto third = r.ask(Rotate{kOperator});
  CHECK(r.refused(Heartbeat{shows(second.auth_token)}) == ErrorCode::unauthorized);
  r.ask(Heartbeat{shows(third.auth_token)});
}

TEST_CASE("silence makes a runtime degraded and then offline, and a sign of life online") {
  Bench r;
  const auto proof = shows(r.ask(Register{kCreator, {}}).auth_token);
  const auto degraded = static_cast<Time>(r.limits.runtime_degraded_ms);
  const auto offline = static_cast<Time>(r.limits.runtime_offline_ms);
  const auto seen = r.now;
  r.now = seen + degraded - 1;
  CHECK(r.look() == RuntimeState::online);
  CHECK(r.writes == 0);
  r.now = seen + degraded;
  CHECK(r.look() == RuntimeState::degraded);
  CHECK_FALSE(r.fence);
  CHECK(r.look() == RuntimeState::degraded);  // it is that already: nothing is written
  CHECK(r.writes == 0);
  r.now = seen + offline - 1;
  CHECK(r.look() == RuntimeState::degraded);
  r.now = seen + offline;
  CHECK(r.look() == RuntimeState::offline);
  CHECK(r.fence);
  CHECK(r.look() == RuntimeState::offline);
  CHECK(r.writes == 0);
  CHECK_FALSE(r.fence);
  r.ask(Heartbeat{proof});
  CHECK(r.record->state == RuntimeState::online);
  CHECK(r.writes == 1);
  r.now += offline;  // from online, too, when nobody looked in between
  CHECK(r.look() == RuntimeState::offline);
  CHECK(r.fence);
  r.ask(Register{proof, {}});
  CHECK(r.record->state == RuntimeState::online);
}

TEST_CASE("a runtime that is being provisioned is not counted as silent") {
  Legacy r;
  r.record->state = RuntimeState::provisioning;
  r.now += static_cast<Time>(r.limits.runtime_offline_ms);
  CHECK(r.look() == RuntimeState::provisioning);
  CHECK(r.writes == 0);
  r.ask(Heartbeat{shows(r.token)});
  CHECK(r.record->state == RuntimeState::online);
}

TEST_CASE("heartbeats that follow each other closely write nothing") {
  Bench r;
  const auto proof = shows(r.ask(Register{kCreator, {}}).auth_token);
  r.now += kSeenMs - 1;
  CHECK(r.ask(Heartbeat{proof}).runtime.seen_at == r.now);
  CHECK(r.writes == 0);
  r.now += 1;
  r.ask(Heartbeat{proof});
  CHECK(r.writes == 1);
  CHECK(r.record->seen_at == r.now);
}

TEST_CASE("removed is final, and the secret is gone") {
  Bench r;
  r.ask(Remove{});  // there is none: nothing to do
  CHECK_FALSE(r.record);
  CHECK(r.writes == 0);
  const auto proof = shows(r.ask(Register{kCreator, {}}).auth_token);
  CHECK(r.sealed() == 2);
  r.ask(Remove{});
  CHECK(r.record->state == RuntimeState::removed);
  CHECK(r.record->token_hash.empty());
  CHECK(r.fence);
  CHECK(r.shredded);
  CHECK(r.sealed() == 0);
  for (const auto& by : {proof, kCreator, kOperator, kNone}) {
    CHECK(r.refused(Register{by, {}}) == ErrorCode::gone);
    CHECK(r.refused(Heartbeat{by}) == ErrorCode::gone);
    CHECK(r.refused(Rotate{by}) == ErrorCode::gone);
  }
  r.now += static_cast<Time>(r.limits.runtime_offline_ms);
  CHECK(r.look() == RuntimeState::removed);
  r.ask(Remove{});
  CHECK(r.writes == 0);
  CHECK_FALSE(r.fence);
}

}  // namespace holdfast::runtime
