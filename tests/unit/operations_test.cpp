// What operators see, and the rules of overload: pure functions.
#include <catch2/catch.hpp>

#include "http/backlog.hpp"
#include "http/readiness.hpp"
#include "http/thread_load.hpp"
#include "src/core/buckets.hpp"
#include "src/core/standing_queue.hpp"
#include "src/engine/disk_watch.hpp"
#include "storage/commit_meter.hpp"

namespace holdfast {

TEST_CASE("buckets: a value is counted under the first bound that is not below it") {
  Buckets<3, 4> buckets;  // 8, 16, 32, 64
  for (const std::uint64_t value : {0, 1, 8, 9, 16, 17, 64, 65, 1'000}) buckets.add(value);
  const auto read = buckets.read(0.5);
  CHECK(read.bounds == std::vector<double>{4, 8, 16, 32});
  CHECK(read.counts == std::vector<std::uint64_t>{3, 2, 1, 1, 2});
  CHECK(read.sum == 590);
}

TEST_CASE("standing queue: a burst is served, a queue that stays is not added to") {
  StandingQueue queue(100, 500);
  CHECK_FALSE(queue.left(0, 100));  // at the target
  CHECK_FALSE(queue.left(499, 3'000));
  CHECK(queue.left(500, 100));  // for the whole interval
  CHECK(queue.stands(10'000));
  CHECK_FALSE(queue.left(600, 99));   // below it once: over
  CHECK_FALSE(queue.left(700, 200));  // and it begins anew
  CHECK_FALSE(queue.left(1'199, 200));
  CHECK(queue.left(1'200, 200));
  queue.empty();
  CHECK_FALSE(queue.stands(5'000));
  CHECK_FALSE(queue.left(5'000, 200));
}

TEST_CASE("commit meter: work is refused while the queue before the sync stands, and not when it has run empty") {
  constexpr std::int64_t kMs = 1'000;
  CommitMeter meter({250, 100});
  const auto batch = [&](std::int64_t at_ms, std::int64_t waited_ms) {
    meter.begin(at_ms * kMs, (at_ms - waited_ms) * kMs);
    meter.end(at_ms * kMs + 10, 1, 1);
  };
  batch(1'000, 100);
  CHECK_FALSE(meter.overloaded());
  batch(1'099, 100);
  CHECK_FALSE(meter.overloaded());
  batch(1'100, 100);
  CHECK(meter.overloaded());
  CHECK(meter.strained());
  meter.idle();
  CHECK_FALSE(meter.overloaded());
  batch(5'000, 100);  // an old delay does not count
  CHECK_FALSE(meter.overloaded());
  CommitStats stats;
  meter.read(stats);
  CHECK(stats.overloads == 1);
}

TEST_CASE("commit meter: an overload_delay_ms of 0 never refuses") {
  CommitMeter meter({250, 0});
  for (std::int64_t at = 1; at < 100; ++at) meter.begin(at * 1'000'000, 0);
  CHECK_FALSE(meter.overloaded());
}

TEST_CASE("commit meter: a sync counts as slow beyond sync_slow_ms, and shows while it lasts") {
  CommitMeter meter({250, 0});
  meter.begin(1'000, 1'000);
  CommitStats during;
  meter.read(during);
  CHECK(during.writing_ms > 0);
  meter.end(251'000, 3, 700);  // 250 ms
  meter.begin(300'000, 300'000);
  meter.end(550'001, 1, 10);  // and 1 µs more
  meter.waited(0, 100);
  CommitStats stats;
  meter.read(stats);
  CHECK(stats.slow_syncs == 1);
  CHECK(stats.writing_ms == 0);
  CHECK(stats.last_sync_micros == 250'001);
  CHECK(stats.batch_commits.sum == 4);
  CHECK(stats.batch_bytes.sum == 710);
  CHECK(stats.gate_seconds.counts[1] == 1);
}

TEST_CASE("disk watch: speaks of slow syncs once in a while, and of one that does not end") {
  DiskWatch watch(250);
  CommitStats stats;
  CHECK_FALSE(watch.look(stats, 0));
  stats.slow_syncs = 2;
  stats.last_sync_micros = 300'000;
  const auto first = watch.look(stats, 1'000);
  REQUIRE(first);
  CHECK(first->find("2 syncs took longer than sync_slow_ms (250)") != std::string::npos);
  CHECK_FALSE(watch.look(stats, 100'000));  // nothing new
  stats.slow_syncs = 3;
  CHECK(watch.look(stats, 100'001));
  stats.slow_syncs = 5;
  CHECK_FALSE(watch.look(stats, 100'001 + DiskWatch::kQuietMs - 1));
  CHECK(watch.look(stats, 100'001 + DiskWatch::kQuietMs)->find("2 syncs") != std::string::npos);
  stats.writing_ms = 251;
  CHECK(watch.look(stats, 200'000)->find("under way for 251 ms") != std::string::npos);
  stats.writing_ms = 250;
  CHECK_FALSE(watch.look(stats, 300'000));
}

namespace http {

TEST_CASE("backlog: it stands when every read has been full for a while, and is over with a short one") {
  Backlog backlog(100);
  constexpr std::size_t kRoom = 8'192;
  backlog.read(kRoom - 1, kRoom, 0);
  CHECK_FALSE(backlog.stands(1'000));
  backlog.read(kRoom, kRoom, 1'000);
  CHECK_FALSE(backlog.stands(1'099));
  CHECK(backlog.stands(1'100));
  backlog.read(kRoom, kRoom, 5'000);
  CHECK(backlog.stands(5'000));
  backlog.read(1, kRoom, 0);
  CHECK_FALSE(backlog.stands(9'000));
}

TEST_CASE("backlog: it stands when what was read waits for long, and no more when an answer leaves nothing behind") {
  constexpr std::size_t kRoom = 8'192;
  Backlog backlog(50);  // ten requests in one read, and one more read whenever one is taken up 60 ms later
  backlog.read(3'000, kRoom, 0);
  std::int64_t now = 0;
  const auto take = [&] {
    backlog.parsed(300);
    backlog.take_up(now);
    backlog.read(300, kRoom, now);
    now += 60;
    backlog.answered();
  };
  for (int i = 0; i < 11; ++i) take();
  CHECK_FALSE(backlog.stands(now - 60));  // the first that waited was taken up just now
  for (int i = 0; i < 11; ++i) take();
  CHECK(backlog.stands(now));
  backlog.parsed(3'000);  // all of it
  backlog.take_up(now);
  CHECK(backlog.stands(now));
  backlog.answered();
  CHECK_FALSE(backlog.stands(now + 1'000));
}

TEST_CASE("backlog: a client that waits for its answers never has one, however large or slow its requests are") {
  constexpr std::size_t kRoom = 8'192;
  Backlog backlog(1);
  std::int64_t now = 0;
  for (int request = 0; request < 20; ++request) {
    for (int part = 0; part < 16; ++part) {
      backlog.read(kRoom, kRoom, now += 500);
      backlog.parsed(kRoom);
    }
    backlog.take_up(now);
    CHECK_FALSE(backlog.stands(now));
    backlog.answered();
  }
}

TEST_CASE("backlog: with a delay of 0 it never stands") {
  Backlog backlog(0);
  for (std::int64_t now = 1; now < 100'000; now += 1'000) {
    backlog.read(8'192, 8'192, now);
    backlog.parsed(100);
    backlog.take_up(now);
    CHECK_FALSE(backlog.stands(now));
  }
}

TEST_CASE("thread load: a thread that wanted its percentage of the time has none left") {
  CHECK_FALSE(ThreadLoad::saturates(224'900'000, 250, 90));
  CHECK(ThreadLoad::saturates(225'000'000, 250, 90));
  CHECK_FALSE(ThreadLoad::saturates(1'000'000'000, 0, 90));
  CHECK(ThreadLoad(0).saturated());
  CHECK_FALSE(ThreadLoad(90).saturated());
}

TEST_CASE("readiness: every state is told, and a broken store even while the server stops for it") {
  CHECK(readiness(nullptr, Stopping::no) == Health::recovering);
  CHECK(readiness(nullptr, Stopping::yes) == Health::draining);
  CHECK(readiness(Health::ready, Stopping::no) == Health::ready);
  CHECK(readiness(Health::ready, Stopping::yes) == Health::draining);
  CHECK(readiness(Health::draining, Stopping::no) == Health::draining);
  CHECK(readiness(Health::broken, Stopping::no) == Health::broken);
  CHECK(readiness(Health::broken, Stopping::yes) == Health::broken);

  const auto said = [](Health health, const Recovery* recovery = nullptr, Disk disk = Disk::has_room) {
    Answer answer;
    write_readiness(answer, health, disk, recovery);
    CHECK((answer.status == 200) == answer.headers.empty());  // Retry-After
    return std::to_string(answer.status) + " " + answer.body;
  };
  CHECK(said(Health::ready) == R"(200 {"status":"ready"})");
  CHECK(said(Health::ready, nullptr, Disk::full) == R"(200 {"status":"ready","disk":"full"})");
  CHECK(said(Health::draining).starts_with(R"(503 {"status":"draining","code":"shutting_down","retryable":true,)"));
  CHECK(said(Health::broken).starts_with(R"(503 {"status":"broken","code":"commit_unknown","retryable":true,)"));
  Recovery recovery;
  recovery.phase = Recovery::Phase::replaying;
  recovery.log_bytes = 1'000;
  recovery.log_bytes_read = 300;
  const auto recovering = said(Health::recovering, &recovery);
  CHECK(recovering.starts_with(R"(503 {"status":"recovering","code":"shutting_down","retryable":true,)"));
  CHECK(recovering.ends_with(R"("phase":"replaying","log_bytes":1000,"log_bytes_read":300})"));
}

}  // namespace http
}  // namespace holdfast
