// A store that an earlier version wrote opens, and has in it what it had.
//
// tests/stores/<version> holds one store of each version that was released: `store`, the data directory as a kill -9
// left it (without lock, RocksDB's own log and options, and most of the zeros at the end of the write-ahead log), and
// `snapshot`, what was in it, a line a document. A release adds its own, with its own binary:
//
//     HOLDFAST_STORE=$PWD/tests/stores/v0.1.0 build/release/bin/unit_tests 'write the store of this version'
//
// Leases, delays and runtimes of these stores last for a century, so that the clock changes nothing in them.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <holdfast/engine.hpp>
#include <sstream>

#include "src/engine/verify_store.hpp"
#include "storage/open.hpp"
#include "tests/support/server.hpp"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kCenturyMs = std::int64_t{100} * 365 * 24 * 3'600 * 1'000;
constexpr Time kFar = 4'000'000'000'000;  // 2096
constexpr std::uintmax_t kZerosKept = 512;
constexpr std::uintmax_t kZerosOfACrash = 16 << 20;

class Counter final : public Object {
 public:
  Task<Reply> on_request(Context& ctx, const Request& request) override {
    auto& storage = ctx.storage();
    const auto n = storage.get<std::int64_t>("n").value_or(0);
    if (request.path == "/value") co_return Reply::text(std::to_string(n));
    storage.put("n", n + 1);
    ctx.set_alarm(kFar);
    ctx.emit("counted", std::to_string(n + 1));
    ctx.enqueue("from-object", AdmitRequest::prompt("count " + std::to_string(n + 1)));
    co_return Reply::text(std::to_string(n + 1));
  }
};

Options century(const fs::path& data) {
  Options options;
  options.data = data;
  options.log_level = LogLevel::off;
  auto& limits = options.limits;
  limits.lease_ms_max = kCenturyMs;
  limits.interrupt_grace_ms = kCenturyMs;
  limits.runtime_degraded_ms = kCenturyMs;
  limits.runtime_offline_ms = kCenturyMs;
  options.register_class<Counter>("counter");
  return options;
}

template <class T>
T must(Result<T> result) {
  if (!result) FAIL(name_of(result.error().code) << ": " << result.error().detail);
  return std::move(*result);
}

// Everything that can be read of the store, a line a document.
std::string snapshot(Engine& engine) {
  std::string all = "store " + engine.store_id() + "\n";
  SessionQuery query;
  query.limit = 100;
  for (const auto& session : must(engine.list(query)).items) {
    all += "session " + to_json(must(engine.get(session.session))) + "\n";
    MessageQuery messages;
    messages.limit = 1'000;
    for (const auto& message : must(engine.messages(session.session, messages)).items) {
      all += "message " + to_json(message) + "\n";
      all += "receipt " + to_json(must(engine.receipt(session.session, message.message))) + "\n";
    }
    EventQuery events;
    events.limit = 1'000;
    for (const auto& event : must(engine.events(session.session, events)).items)
      all += "event " + to_json(event) + "\n";
  }
  for (const auto& letter : must(engine.dead_letters()).items) all += "dead " + to_json(letter) + "\n";
  for (const auto& runtime : engine.runtimes().items) {
    all += "runtime " + runtime.runtime + (runtime.state == RuntimeState::online ? " online\n" : "\n");
  }
  const auto gone = engine.get("deleted");
  all += "deleted " + std::string(gone ? "no" : name_of(gone.error().code)) + "\n";
  Request value;
  value.path = "/value";
  all += "object " + must(engine.call("counter", "c", value)).body + "\n";
  for (const auto& event : must(engine.object_events("counter", "c")).items)
    all += "object event " + to_json(event) + "\n";
  return all;
}

Delivery claim(Engine& engine, const std::string& session) {
  ClaimRequest request;
  request.sessions = {session};
  request.lease_ms = kCenturyMs;
  request.runtime = "gpu-1";
  request.labels = {{"gpu", "yes"}};
  auto deliveries = must(engine.claim(request));
  REQUIRE(deliveries.size() == 1);
  return deliveries.front();
}

AdmitRequest named(const std::string& id) {
  auto request = AdmitRequest::prompt("text of " + id);
  request.id = id;
  return request;
}

void write_first_half(Engine& engine) {
  SessionSpec spec;
  spec.metadata = R"({"team":"a"})";
  spec.agent = {"code", "model-1"};
  spec.labels = {{"gpu", "yes"}};
  spec.repository = {RepositoryKind::git, "https://example.org/r.git", "the-git-token"};
  spec.callback = Callback{"http://callbacks.invalid/x", {}, {{"x-key", "the-header"}}};
  must(engine.put("secret", spec));
  must(engine.admit("secret", named("waits")));
  must(engine.register_runtime("gpu-1", {RuntimeProof::Kind::creator, {}}));
  must(engine.admit("done", named("d1")));
  auto turn = claim(engine, "done");
  must(engine.append_events({turn.delivery, turn.lease}, {{"output", R"({"line":"one"})"}, {"output", "2"}}));
  must(engine.complete({turn.delivery, turn.lease}, {R"({"answer":42})", {}}));
  must(engine.admit("failed", named("f1")));
  turn = claim(engine, "failed");
  must(engine.fail({turn.delivery, turn.lease}, {"broken", false, 0, "no luck"}));
  must(engine.admit("deleted", named("x")));
  must(engine.remove("deleted"));
  must(engine.call("counter", "c", {}));
}

void write_second_half(Engine& engine) {
  must(engine.call("counter", "c", {}));
  for (const auto* id : {"q1", "q2", "q3"}) must(engine.admit("queued", named(id)));
  auto later = named("later");
  later.not_before = kFar;
  later.expires_at = kFar + 1'000;
  later.priority = 9;
  must(engine.admit("queued", later));
  auto merged = named("merged");
  merged.on_busy = OnBusy::merge;
  must(engine.admit("queued", merged));
  MessageEdit edit;
  edit.turn = R"({"content":"edited","kind":"prompt"})";
  must(engine.edit("queued", "q2", edit));
  must(engine.cancel("queued", "q3"));
  must(engine.queue("queued", {QueueAction::reorder, {"q2"}}));
  must(engine.admit("paused", named("p1")));
  must(engine.queue("paused", {QueueAction::pause, {}}));
  must(engine.admit("retried", named("r1")));
  auto turn = claim(engine, "retried");
  must(engine.fail({turn.delivery, turn.lease}, {"rate_limited", true, kCenturyMs, "slow down"}));
  must(engine.admit("running", named("turn")));
  turn = claim(engine, "running");
  must(engine.accept({turn.delivery, turn.lease}));
  auto steer = named("steer");
  steer.on_busy = OnBusy::steer;
  must(engine.admit("running", steer));
  must(engine.admit("stopping", named("turn")));
  (void)claim(engine, "stopping");
  must(engine.interrupt("stopping"));
  auto replaced = named("new");
  must(engine.admit("replaced", named("old")));
  replaced.on_busy = OnBusy::replace;
  must(engine.admit("replaced", replaced));
  for (int i = 0; i < 100 && !engine.get("from-object"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

std::string content_of(const fs::path& path) { return test::read_file(path.string()); }

// As a crash leaves it, but without what git need not carry.
void trim(const fs::path& store) {
  for (const auto& entry : fs::directory_iterator(store)) {
    const auto name = entry.path().filename().string();
    if (name == "LOCK" || name.starts_with("LOG") || name.starts_with("OPTIONS")) fs::remove(entry.path());
    if (!name.ends_with(".log")) continue;
    const auto end = content_of(entry.path()).find_last_not_of('\0') + 1;
    if (end + kZerosKept < entry.file_size()) fs::resize_file(entry.path(), end + kZerosKept);
  }
}

// A copy of the store of `version`, as a crash of that version left it.
void bring(const fs::path& version, const fs::path& data) {
  fs::copy(version / "store", data, fs::copy_options::recursive);
  fs::permissions(data / "master.key", fs::perms::owner_read | fs::perms::owner_write);
  for (const auto& entry : fs::directory_iterator(data)) {
    if (entry.path().extension() == ".log") fs::resize_file(entry.path(), entry.file_size() + kZerosOfACrash);
  }
}

// Empty when they are the same.
std::string first_difference(const std::string& now, const std::string& before) {
  std::istringstream a(now);
  std::istringstream b(before);
  for (std::string is, was;;) {
    const bool more = static_cast<bool>(std::getline(a, is));
    if (more != static_cast<bool>(std::getline(b, was))) return "one has more lines: " + (more ? is : was);
    if (!more) return {};
    if (is != was) return is + "\nwas:\n" + was;
  }
}

std::vector<fs::path> versions() {
  std::vector<fs::path> all;
  for (const auto& entry : fs::directory_iterator(HOLDFAST_SOURCE_DIR "/tests/stores")) {
    if (entry.is_directory()) all.push_back(entry.path());
  }
  return all;
}

}  // namespace

TEST_CASE("a store of every version opens, and has in it what it had") {
  REQUIRE_FALSE(versions().empty());
  for (const auto& version : versions()) {
    INFO(version);
    const test::TemporaryDirectory place;
    bring(version, place / "data");
    {
      auto engine = must(Engine::open(century(place / "data")));
      CHECK(first_difference(snapshot(*engine), content_of(version / "snapshot")).empty());
      const auto turn = claim(*engine, "secret");
      REQUIRE(turn.credential);
      CHECK(turn.credential->token == "the-git-token");
    }
    SystemRandom random;
    const auto logger = make_logger(LogLevel::off, LogFormat::text);
    const auto opened = must(open_rocks(place / "data", 0, random, *logger));
    std::string findings;
    (void)verify_store(*opened.store, [&](Finding&& f) { findings += f.where + ": " + f.what + "\n"; }, {});
    INFO(findings);
    CHECK(findings.empty());
  }
}

TEST_CASE("write the store of this version", "[.]") {
  const char* place = std::getenv("HOLDFAST_STORE");
  REQUIRE(place != nullptr);
  const fs::path store = fs::path(place) / "store";
  REQUIRE_FALSE(fs::exists(place));
  write_first_half(*must(Engine::open(century(store))));
  auto engine = must(Engine::open(century(store)));  // what came before is in tables now
  write_second_half(*engine);
  std::ofstream(fs::path(place) / "snapshot") << snapshot(*engine);
  trim(store);
  std::printf("written: %s\n", place);
  std::fflush(stdout);
  std::_Exit(0);  // nothing is closed: the store is as after kill -9
}

}  // namespace holdfast
