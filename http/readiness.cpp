#include "http/readiness.hpp"

#include "src/core/json.hpp"

namespace holdfast::http {
namespace {

struct Words {
  std::string_view status;
  ErrorCode code;
  std::string_view detail;
};

Words words_for(Health health) noexcept {
  switch (health) {
    case Health::ready: break;
    case Health::recovering:
      return {"recovering", ErrorCode::shutting_down, "the store is being read; it will serve when that is done"};
    case Health::draining:
      return {"draining", ErrorCode::shutting_down, "it finishes what it has and then stops; ask elsewhere"};
    case Health::broken:
      return {"broken", ErrorCode::commit_unknown, "a write failed, so no write can be promised; restart the server"};
  }
  return {"ready", ErrorCode::internal, {}};
}

}  // namespace

Health readiness(Health engine, Stopping stopping) noexcept {
  if (engine == Health::broken || stopping == Stopping::no) return engine;
  return Health::draining;
}

Health readiness(const Engine* engine, Stopping stopping) noexcept {
  return readiness(engine != nullptr ? engine->health() : Health::recovering, stopping);
}

void write_readiness(Answer& answer, Health health, Disk disk, const Recovery* recovery) {
  answer.clear();
  const auto words = words_for(health);
  json::ObjectWriter o(answer.body);
  o.text("status", words.status);
  if (health != Health::ready) {
    answer.status = status_of(words.code);
    answer.add_header("Retry-After", "1");
    o.text("code", name_of(words.code)).boolean("retryable", true).text("detail", words.detail);
  }
  if (health == Health::recovering && recovery != nullptr)
    o.text("phase", name_of(recovery->phase.load()))
        .number("log_bytes", recovery->log_bytes.load())
        .number("log_bytes_read", recovery->log_bytes_read.load());
  // A full disk is no reason to take the server away: reads and deletions are what helps.
  if (disk == Disk::full) o.text("disk", "full");
  o.end();
}

}  // namespace holdfast::http
