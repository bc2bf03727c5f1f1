// The parts of the shell that read indexes ahead, on a store that cannot read for once.
#include <atomic>
#include <catch2/catch.hpp>
#include <set>

#include "actors/session/overlay.hpp"
#include "actors/shell/due_index.hpp"
#include "actors/shell/ready_window.hpp"
#include "storage/keys.hpp"
#include "storage/memory_store.hpp"

namespace holdfast::shell {
namespace {

constexpr int kMany = 20'000;  // more than an index holds in memory

class HandClock final : public Clock {
 public:
  [[nodiscard]] Time now() const noexcept override { return now_; }
  void set(Time now) { now_ = now; }

 private:
  std::atomic<Time> now_{1};
};

ObjectId session(int n) { return {std::string(kDefaultProject), "s" + std::to_string(n)}; }

void write(Store& store, const WriteSet& writes) {
  auto batch = store.make_batch();
  batch->append(writes);
  REQUIRE(store.write(*batch, Durability::synced));
}

}  // namespace

TEST_CASE("an alarm behind those in memory rings, also when the store could not be read for it at first", "[shell]") {
  MemoryStore store;
  WriteSet alarms;
  for (int n = 0; n < kMany; ++n) alarms.put(Family::index, keys::alarm({1'000 + n, session(n)}), {});
  write(store, alarms);
  HandClock clock;
  Timers timers(clock);
  std::set<std::string, std::less<>> rung;
  DueIndex index(store, keys::all_alarms(), clock, timers, [&](std::string_view key) {
    rung.emplace(key);
    WriteSet dealt_with;
    dealt_with.erase(Family::index, std::string(key));
    write(store, dealt_with);
    return true;
  });
  REQUIRE(index.start());
  const auto first = index.held();
  REQUIRE(first < kMany);
  (void)store.inject(MemoryStore::Fault::read_error);  // for the first read after start()
  clock.set(1'000'000);
  (void)timers.run_due();
  CHECK(rung.size() == first);
  for (int second = 0; second < 3; ++second) {
    clock.set(clock.now() + 1'000);
    (void)timers.run_due();
  }
  CHECK(rung.size() == kMany);
}

TEST_CASE("a turn is claimed that could not be read when the engine started", "[shell]") {
  MemoryStore store;
  std::string anybody;
  session::encode(anybody, session::Terms{});
  WriteSet ready;
  for (int n = 0; n < 3; ++n)
    ready.put(Family::index, keys::ready({false, std::string(kDefaultProject), 0, 1'000 + n, session(n).name}),
              anybody);
  write(store, ready);
  ReadyWindow window(store, ReadyWindow::Of::claims);
  (void)store.inject(MemoryStore::Fault::read_error);
  REQUIRE_FALSE(window.refill());
  const auto anything = [](const ReadySession&) { return true; };
  for (int n = 0; n < 3; ++n) {
    const auto taken = window.take(anything);
    REQUIRE(taken.has_value());
    CHECK(taken->session.name == session(n).name);
  }
}

TEST_CASE("a scan takes no older write set over one that is in the store already", "[shell]") {
  MemoryStore store;
  session::InFlight reader(store);
  WriteSet one;
  one.put(Family::objects, "a", "1");
  one.put(Family::objects, "b", "1");
  const auto first = std::make_shared<const WriteSet>(one);
  WriteSet two;
  two.put(Family::objects, "a", "2");
  two.erase(Family::objects, "b");
  auto second = std::make_shared<const WriteSet>(two);
  reader.add(1, first);
  reader.add(2, second);
  // Both are in the store, and who lets go of them has come to the second.
  write(store, one);
  write(store, two);
  second.reset();
  std::string seen;
  REQUIRE(reader.scan(Family::objects, {"", "z"}, [&](auto key, auto value) {
    seen += std::string(key) + "=" + std::string(value) + " ";
    return Visit::next;
  }));
  CHECK(seen == "a=2 ");
}

}  // namespace holdfast::shell
