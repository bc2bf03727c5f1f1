// Workers: they claim, accept, keep the lease alive, emit events, and complete, fail or release. Some die without a
// word, and some wake up when their lease is long over and report all the same. Each says who it is in whatever it
// writes, so that the checker knows whose it is.
#include "src/cli/torture/arena.hpp"

namespace holdfast::cli::torture {
namespace {

constexpr unsigned kTries = 6;

struct Turn {
  std::string session;
  std::string message;
  std::string delivery;
  std::string lease;
  std::uint64_t attempt = 0;
  std::uint64_t lease_ms = 0;
  std::uint64_t emits = 0;
  bool interrupted = false;
};

class Worker final : public Actor {
 public:
  using Actor::Actor;

  void run() override {
    while (arena_.phase != Phase::end) {
      for (auto& turn : claim()) {
        if (arena_.phase == Phase::drain) complete(turn);
        else work(turn);
      }
    }
  }

 private:
  std::vector<Turn> claim() {
    const bool draining = arena_.phase == Phase::drain;
    const std::uint64_t lease_ms = draining ? 10'000 : 300 + draw(1'700);
    Request request;
    request.path = "/v1/claims";
    request.body =
        "{\"max\":" + std::to_string(1 + draw(3)) + ",\"wait_ms\":200,\"lease_ms\":" + std::to_string(lease_ms) + "}";
    auto operation = begin(Kind::hand_out, {});
    const auto answer = call(operation, request);
    std::vector<Turn> turns;
    if (!answer || operation.outcome != Outcome::ok) {
      pause(2, 20);
      return turns;
    }
    const Body body(answer->body);
    const auto count = body.count("/deliveries");
    for (std::size_t i = 0; i < count; ++i) {
      const auto at = "/deliveries/" + std::to_string(i);
      operation.session = body.text(at + "/session/session");
      operation.message = body.text(at + "/message/message");
      operation.delivery = body.text(at + "/delivery");
      operation.attempt = body.number(at + "/attempt");
      operation.handed_out_at = body.time(at + "/message/timestamps/dispatched_at");
      operation.lease_until = body.time(at + "/lease_expires_at");
      keep(operation);
      turns.push_back({operation.session, operation.message, operation.delivery, body.text(at + "/lease"),
                       operation.attempt, lease_ms, 0, false});
    }
    return turns;
  }

  void work(Turn& turn) {
    if (chance(6)) return;  // died, and nobody knows
    if (chance(40)) (void)report(turn, Kind::accept, "{}");
    if (chance(50)) emit(turn);
    if (chance(25)) heartbeat(turn);
    pause(0, chance(10) ? 60 : 4);
    if (chance(20)) emit(turn);
    if (chance(3)) {
      pause(turn.lease_ms, turn.lease_ms + 300);  // asleep until the lease is over
      if (chance(50)) emit(turn);
    }
    const auto what = draw(100);
    if (turn.interrupted && what < 60) persist(turn, Kind::fail, R"({"code":"interrupted","retryable":false})");
    else if (what < 78) complete(turn);
    else if (what < 88) persist(turn, Kind::fail, R"({"code":"torture","retryable":true})");
    else if (what < 91) persist(turn, Kind::fail, R"({"code":"torture","retryable":false})");
    else persist(turn, Kind::release, "{}");
  }

  void complete(const Turn& turn) {
    if (persist(turn, Kind::complete, R"({"result":{"delivery":")" + turn.delivery + "\"}}")) ++arena_.completed;
  }

  // A report is said again until its answer comes: the server takes it once.
  bool persist(const Turn& turn, Kind kind, const std::string& body) {
    for (unsigned i = 0; i < kTries; ++i) {
      const auto operation = report(turn, kind, body);
      if (operation.outcome != Outcome::unknown) return operation.outcome == Outcome::ok;
      pause(5, 60);
    }
    return false;
  }

  void heartbeat(Turn& turn) {
    Operation operation = start(turn, Kind::heartbeat);
    const auto answer = call(operation, request(turn, "heartbeat", "{}"));
    if (!answer) return;
    if (operation.outcome == Outcome::ok) {
      const Body body(answer->body);
      operation.lease_until = body.time("/lease_expires_at");
      turn.interrupted = body.text("/commands/0/kind") == "interrupt";
    }
    keep(std::move(operation));
  }

  void emit(Turn& turn) {
    Operation operation = start(turn, Kind::emit);
    operation.number = ++turn.emits;
    operation.count = 1 + draw(3);
    std::string body = "[";
    for (std::uint64_t i = 0; i < operation.count; ++i)
      body += std::string(i == 0 ? "" : ",") + R"({"type":"output","data":{"delivery":")" + turn.delivery +
              R"(","number":)" + std::to_string(operation.number) + "}}";
    const auto answer = call(operation, request(turn, "events", body + "]"));
    if (!answer) return;
    if (operation.outcome == Outcome::ok) operation.last_event = Body(answer->body).number("/last_event");
    keep(std::move(operation));
  }

  Operation report(const Turn& turn, Kind kind, const std::string& body) {
    auto operation = start(turn, kind);
    if (call(operation, request(turn, std::string(name_of(kind)), body))) keep(operation);
    return operation;
  }

  [[nodiscard]] Operation start(const Turn& turn, Kind kind) const {
    auto operation = begin(kind, turn.session, turn.message);
    operation.delivery = turn.delivery;
    operation.attempt = turn.attempt;
    return operation;
  }

  [[nodiscard]] static Request request(const Turn& turn, const std::string& what, const std::string& body) {
    return {"POST", "/v1/deliveries/" + turn.delivery + "/" + what, body, {{"Holdfast-Lease", turn.lease}}};
  }
};

}  // namespace

std::unique_ptr<Actor> make_worker(Arena& arena, unsigned number) { return std::make_unique<Worker>(arena, number); }

}  // namespace holdfast::cli::torture
