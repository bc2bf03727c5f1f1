// Clients: they admit with ids of their own, one by one and in batches, and try again after an answer that does not
// come; they send what was acknowledged once more, under its id with another body too, look at what they have
// admitted, and cancel, interrupt, pause and resume now and then.
#include <algorithm>

#include "src/cli/torture/arena.hpp"

namespace holdfast::cli::torture {
namespace {

constexpr std::uint64_t kQueueLong = 24;  // messages; a longer queue is left to the workers for a while
constexpr unsigned kTries = 8;

class Admitter final : public Actor {
 public:
  using Actor::Actor;

  void run() override {
    while (arena_.phase == Phase::load) {
      const auto session = static_cast<unsigned>(draw(arena_.sessions()));
      const auto what = draw(1'000);
      if (what < 60) look();
      else if (what < 120) repeat();
      else if (what < 140) cancel();
      else if (what < 148) interrupt(session);
      else if (what < 156) pause_for_a_moment(session);
      else if (arena_.resting(session)) pause(1, 4);
      else admit(session, what < 260 ? 2 + draw(5) : 1);
    }
  }

 private:
  struct Mine {
    unsigned session = 0;
    std::string id;
    std::string body;
  };

  [[nodiscard]] std::string body_of(const std::string& id) {
    static constexpr std::uint64_t kBytesMax = 2'000;
    const std::string filler(chance(5) ? draw(kBytesMax) : draw(60), 'x');
    return R"({"id":")" + id + R"(","turn":{"kind":"prompt","content":")" + id + " " + filler + "\"}}";
  }

  [[nodiscard]] std::string path(unsigned session) const { return "/v1/sessions/" + arena_.session(session); }

  void admit(unsigned session, std::uint64_t count) {
    std::vector<Mine> messages;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto id = "c" + std::to_string(number_) + "-" + std::to_string(++last_id_);
      messages.push_back({session, id, body_of(id)});
    }
    const auto batch = count == 1 ? 0 : number_ * 1'000'000ULL + ++last_batch_;
    for (unsigned i = 0; i < kTries && arena_.phase == Phase::load; ++i) {
      const auto outcome = send(messages, batch);
      if (outcome == Outcome::ok) mine_.insert(mine_.end(), messages.begin(), messages.end());
      if (outcome != Outcome::unknown || chance(15)) return;  // some are given up, and never known
      pause(5, 80);
    }
  }

  Outcome send(const std::vector<Mine>& messages, std::uint64_t batch) {
    Request request;
    request.path = path(messages.front().session) + "/messages";
    if (batch == 0) {
      request.body = messages.front().body;
    } else {
      request.path += "/batch";
      request.body = "{\"messages\":[";
      for (const auto& m : messages) request.body += (&m == &messages.front() ? "" : ",") + m.body;
      request.body += "]}";
    }
    auto operation = begin(Kind::admit, arena_.session(messages.front().session));
    operation.batch = batch;
    const auto answer = call(operation, request);
    if (!answer) return Outcome::refused;
    const Body body(answer->body);
    const auto replayed = answer->headers.find("idempotency-replayed");
    operation.replayed = replayed != answer->headers.end() && replayed->second == "true";
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const auto at = batch == 0 ? std::string() : "/messages/" + std::to_string(i);
      operation.message = messages[i].id;
      operation.sent_hash = hash_of(messages[i].body);
      if (operation.outcome == Outcome::ok) {
        operation.seq = body.number(at + "/seq");
        operation.body_hash = body.text(at + "/body_hash");
        arena_.acknowledge(operation.session, messages[i].id);
        if (body.number(at + "/position") > kQueueLong)
          arena_.rest(messages.front().session, std::chrono::milliseconds(100));
      }
      keep(operation);
    }
    if (operation.code == "queue_full") arena_.rest(messages.front().session, std::chrono::milliseconds(300));
    if (operation.outcome == Outcome::refused) pause(1, 10);
    return operation.outcome;
  }

  // Sends an acknowledged one again: as it was, or with another body, which must be refused.
  void repeat() {
    if (mine_.empty()) return;
    auto again = mine_[draw(mine_.size())];
    if (chance(30)) again.body = R"({"id":")" + again.id + R"(","turn":{"kind":"prompt","content":"another"}})";
    (void)send({again}, 0);
  }

  void look() {
    if (mine_.empty()) return;
    const auto& m = mine_[draw(mine_.size())];
    auto operation = begin(Kind::look, arena_.session(m.session), m.id);
    Request request{"GET", path(m.session) + "/messages/" + m.id, {}, {}};
    const auto answer = call(operation, request);
    if (!answer) return;
    if (operation.status == 404) {
      operation.outcome = Outcome::ok;
      operation.state = "absent";
    } else if (operation.outcome == Outcome::ok) {
      const Body body(answer->body);
      operation.state = body.text("/state");
      operation.seq = body.number("/seq");
      operation.body_hash = body.text("/body_hash");
    }
    keep(std::move(operation));
  }

  void cancel() {
    if (mine_.empty()) return;
    const auto& m = mine_[mine_.size() - 1 - draw(std::min<std::uint64_t>(mine_.size(), 8))];
    auto operation = begin(Kind::cancel, arena_.session(m.session), m.id);
    const auto answer = call(operation, {"DELETE", path(m.session) + "/messages/" + m.id, {}, {}});
    if (!answer) return;
    if (operation.outcome == Outcome::ok && Body(answer->body).text("/state") != "cancelled")
      operation.outcome = Outcome::refused;  // it had ended otherwise
    keep(std::move(operation));
  }

  void interrupt(unsigned session) {
    auto operation = begin(Kind::interrupt, arena_.session(session));
    const std::string scope = chance(20) ? "all" : "running";
    const auto answer = call(operation, {"POST", path(session) + "/interrupt", R"({"scope":")" + scope + "\"}", {}});
    if (!answer) return;
    if (operation.outcome == Outcome::ok) operation.message = Body(answer->body).text("/running");
    keep(std::move(operation));
  }

  void pause_for_a_moment(unsigned session) {
    const Request to_pause{"POST", path(session) + "/queue", R"({"action":"pause"})", {}};
    auto operation = begin(Kind::pause, arena_.session(session));
    if (!call(operation, to_pause)) return;
    keep(std::move(operation));
    pause(20, 200);
    for (unsigned i = 0; i < kTries; ++i) {
      operation = begin(Kind::resume, arena_.session(session));
      if (!call(operation, {"POST", path(session) + "/queue", R"({"action":"resume"})", {}})) return;
      const bool done = operation.outcome == Outcome::ok;
      keep(std::move(operation));
      if (done) return;
      pause(5, 50);
    }
  }

  std::vector<Mine> mine_;  // acknowledged
  std::uint64_t last_id_ = 0;
  std::uint64_t last_batch_ = 0;
};

}  // namespace

std::unique_ptr<Actor> make_admitter(Arena& arena, unsigned number) {
  return std::make_unique<Admitter>(arena, number);
}

}  // namespace holdfast::cli::torture
