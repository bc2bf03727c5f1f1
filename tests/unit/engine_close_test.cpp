// How an engine ends: what waits is answered, what it owes is done or left to the next start, and a start that fails
// says why.
#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <future>
#include <holdfast/engine.hpp>
#include <thread>

#include "src/core/ids.hpp"
#include "src/core/log.hpp"
#include "src/core/random.hpp"
#include "storage/open.hpp"
#include "storage/vault.hpp"
#include "tests/support/server.hpp"

namespace holdfast {
namespace {

Options quiet(const std::string& data) {
  Options options;
  options.data = data;
  options.log_level = LogLevel::off;
  return options;
}

OpenedStore open_store(const std::string& data) {
  static const auto kLogger = make_logger(LogLevel::off, LogFormat::text);
  SystemRandom random;
  return open_rocks(data, 1, random, *kLogger).value();
}

// Leaves it so.
bool marked_clean(const std::string& data) {
  const auto opened = open_store(data);
  if (opened.identity.clean) REQUIRE(mark_clean(*opened.store));
  return opened.identity.clean;
}

bool in_a_file(const std::string& data, const std::string& bytes) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data))
    if (entry.is_regular_file() && test::read_file(entry.path()).find(bytes) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("a close answers what waits", "[engine]") {
  const test::TemporaryDirectory place;
  auto engine = Engine::open(quiet(place / "data")).value();
  const auto admitted = engine->admit("s", AdmitRequest::prompt("x"));
  REQUIRE(admitted);
  auto session = std::async(std::launch::async, [&] { return engine->wait_session("s", 5, 600'000); });
  std::promise<Result<Message>> message;
  engine->wait_message_async("s", admitted->message, 600'000,
                             [&](Result<Message> seen) { message.set_value(std::move(seen)); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // most of the time it waits by now
  engine->close();
  CHECK(session.get().error().code == ErrorCode::shutting_down);
  CHECK(message.get_future().get().error().code == ErrorCode::shutting_down);
}

TEST_CASE("a start that fails says why, and marks nothing clean", "[engine]") {
  const test::TemporaryDirectory place;
  const auto data = place / "data";
  {
    auto engine = Engine::open(quiet(data)).value();
    REQUIRE(engine->rotate_webhook_secret());
  }
  REQUIRE(marked_clean(data));
  {
    const auto store = open_store(data).store;
    WriteSet damage;
    const ObjectId owner{std::string(kDefaultProject), "webhooks/project"};
    damage.put(Family::vault, Vault::value_key(owner, "callbacks"), "no sealed value");
    damage.erase(Family::system, "clean");
    auto batch = store->make_batch();
    batch->append(damage);
    REQUIRE(store->write(*batch, Durability::synced));
  }
  const auto opened = Engine::open(quiet(data));
  REQUIRE_FALSE(opened);
  CHECK_FALSE(opened.error().detail.empty());
  CHECK_FALSE(marked_clean(data));
}

TEST_CASE("a close in the second after a deletion still rewrites the vault", "[engine]") {
  const test::TemporaryDirectory place;
  const auto data = place / "data";
  const auto sealed = Vault::value_key({std::string(kDefaultProject), "s"}, "git_token");
  {
    auto engine = Engine::open(quiet(data)).value();
    SessionSpec spec;
    spec.repository.kind = RepositoryKind::git;
    REQUIRE(engine->put("s", spec));
    auto request = AdmitRequest::prompt("x");
    request.git_token = "a secret";
    REQUIRE(engine->admit("s", request));
    REQUIRE(in_a_file(data, sealed));
    REQUIRE(engine->remove("s"));
  }
  CHECK_FALSE(in_a_file(data, sealed));
  CHECK(marked_clean(data));
}

TEST_CASE("secrets are rotated while callbacks are signed and the pipeline has no room", "[engine]") {
  const test::TemporaryDirectory place;
  auto options = quiet(place / "data");
  options.limits.commit_batch_bytes_max = 1;
  options.limits.callback_retry_ms = {1, 1};
  options.limits.target_failures_max = 1'000'000;
  options.egress_allow = {"127.0.0.0/8"};
  auto engine = Engine::open(std::move(options)).value();
  std::atomic<bool> over{false};
  std::vector<std::thread> rotating;
  for (int i = 0; i < 3; ++i)
    rotating.emplace_back([&] {
      while (!over) (void)engine->rotate_webhook_secret();
    });
  for (int i = 0; i < 200; ++i) {
    auto request = AdmitRequest::prompt("x");
    request.callback = Callback{"http://127.0.0.1:1/", {}, {}};
    const auto receipt = engine->admit("s" + std::to_string(i % 10), request);
    REQUIRE(receipt);
    REQUIRE(engine->cancel("s" + std::to_string(i % 10), receipt->message));
  }
  over = true;
  for (auto& thread : rotating) thread.join();
}

}  // namespace holdfast
