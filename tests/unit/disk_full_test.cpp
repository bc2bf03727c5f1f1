// A full disk, by an engine whose threads, disk and clock the test drives.
#include <caf/scheduler/test_coordinator.hpp>
#include <catch2/catch.hpp>

#include "src/core/crypto.hpp"
#include "src/engine/impl.hpp"
#include "storage/memory_store.hpp"

namespace holdfast {
namespace {

// Says what it holds in memory and what is stored; "/write" changes both.
class Note final : public Object {
 public:
  Task<Reply> on_request(Context& ctx, const Request& request) override {
    if (request.path == "/write") ctx.storage().put("n", ++n_);
    const auto stored = ctx.storage().get<std::int64_t>("n").value_or(0);
    return Reply::text(std::to_string(n_) + " " + std::to_string(stored));
  }

 private:
  std::int64_t n_ = 0;
};

struct Nowhere final : egress::Outbound {
  void post(egress::Request, std::function<void(egress::Outcome)>) override {}
  void close() override {}
};
struct SetClock final : Clock {
  [[nodiscard]] Time now() const noexcept override { return 1'000'000; }
};

class Stage {
 public:
  Stage() {
    crypto_start();
    EngineParts parts;
    parts.options.register_class<Note>("note");
    parts.logger = make_logger(LogLevel::off, LogFormat::text);
    parts.clock = std::make_unique<SetClock>();
    parts.random = std::make_unique<SeededRandom>(7);
    auto memory = std::make_unique<MemoryStore>();
    store = memory.get();
    parts.store = std::move(memory);
    parts.outbound = std::make_unique<Nowhere>();
    parts.identity.id = "str_test";
    parts.drive = EngineParts::Drive::stepped;
    auto made = Engine::Impl::make(std::move(parts));
    REQUIRE(made);
    engine = std::move(*made);
  }
  ~Stage() { engine->abandon(); }

  void run() const {
    auto& scheduler = dynamic_cast<caf::scheduler::test_coordinator&>(engine->system().scheduler());
    while (scheduler.try_run_once()) {
    }
  }
  void settle() const {
    do run();
    while (engine->pipeline().commit_once());
  }
  // "ok", or the error's code, once it is said.
  template <class C>
  std::shared_ptr<std::string> tell(C command) const {
    auto said = std::make_shared<std::string>();
    engine->command("s", std::move(command), 0, [said](const Result<session::Reply>& reply) {
      *said = reply ? "ok" : name_of(reply.error().code);
    });
    return said;
  }
  [[nodiscard]] std::shared_ptr<std::string> admit(const std::string& id) const {
    auto request = AdmitRequest::prompt("hello");
    request.id = id;
    session::Admit admit;
    admit.messages.push_back(std::move(request));
    return tell(std::move(admit));
  }
  [[nodiscard]] std::shared_ptr<std::string> call(const std::string& path) const {
    auto said = std::make_shared<std::string>();
    engine->call("note", "one", {"POST", path, ""}, nullptr,
                 [said](const Result<Reply>& r) { *said = r ? r->body : std::string(name_of(r.error().code)); });
    return said;
  }

  MemoryStore* store = nullptr;
  std::unique_ptr<Engine::Impl> engine;
};

}  // namespace

TEST_CASE("with less than disk_reserve_bytes what is new is refused, and what ends goes on", "[engine]") {
  const Stage stage;
  const auto reserve = stage.engine->limits().disk_reserve_bytes;
  const auto settled = [&](const std::shared_ptr<std::string>& said) {
    stage.settle();
    return *said;
  };
  stage.store->set_free_bytes(reserve);
  CHECK(settled(stage.admit("a")) == "ok");
  CHECK(settled(stage.admit("b")) == "ok");
  CHECK(settled(stage.call("/write")) == "1 1");

  stage.store->set_free_bytes(reserve - 1);
  CHECK(settled(stage.admit("c")) == "insufficient_storage");
  CHECK(settled(stage.call("/write")) == "insufficient_storage");
  CHECK(settled(stage.call("/read")) == "0 1");  // a new instance, which remembers nothing
  CHECK(settled(stage.tell(session::Get{})) == "ok");
  CHECK(settled(stage.tell(session::Cancel{"a", {}})) == "ok");
  CHECK(stage.engine->stats().disk_full == 1);
  CHECK(stage.engine->stats().commit.refusals == 0);

  stage.store->set_free_bytes(reserve);
  CHECK(stage.engine->stats().disk_full == 0);
  CHECK(settled(stage.admit("c")) == "ok");
  CHECK(settled(stage.tell(session::Remove{})) == "ok");
}

TEST_CASE("a refused write is forgotten, with all that was built on it, and the next one stands on the store",
          "[engine]") {
  const Stage stage;
  const auto first = stage.admit("a");
  const auto written = stage.call("/write");
  stage.settle();
  REQUIRE(*first == "ok");
  REQUIRE(*written == "1 1");

  stage.store->inject(MemoryStore::Fault::full);
  const auto refused = stage.admit("b");
  const auto changed = stage.call("/write");
  stage.run();
  const auto on_top = stage.admit("c");
  const auto read = stage.tell(session::ReadMessage{"b"});  // it would show what never was
  const auto seen = stage.call("/read");
  stage.settle();
  CHECK(*refused == "insufficient_storage");
  CHECK(*changed == "insufficient_storage");
  CHECK(*on_top == "insufficient_storage");
  CHECK(*read == "insufficient_storage");
  CHECK(*seen == "insufficient_storage");
  CHECK(stage.engine->health() == Health::ready);
  CHECK(stage.engine->stats().commit.refusals == 1);

  const auto gone = stage.tell(session::ReadMessage{"b"});
  const auto again = stage.admit("b");
  const auto anew = stage.call("/read");
  stage.settle();
  CHECK(*gone == "not_found");
  CHECK(*again == "ok");
  CHECK(*anew == "0 1");
}

}  // namespace holdfast
