#include "http/shedding.hpp"

#include "http/connection.hpp"
#include "http/problem.hpp"

namespace holdfast::http {
namespace {

const Answer& prepared() {
  static const Answer kAnswer = [] {
    Answer answer;
    write_problem(answer, {ErrorCode::overloaded,
                           "the server cannot keep up with what it is asked; nothing was written, retry in a moment",
                           {},
                           0,
                           {}});
    return answer;
  }();
  return kAnswer;
}

}  // namespace

std::optional<Refusal> shedding(Exchange& exchange) {
  if (exchange.engine().overloaded()) return Refusal::commit_delay;
  if (exchange.thread().saturated() && exchange.connection().backlogged()) return Refusal::backlog;
  return std::nullopt;
}

void shed(Exchange& exchange, Refusal why) {
  auto& thread = exchange.thread();
  exchange.services().metrics.refused(thread.number(), why);
  if (why == Refusal::backlog) exchange.connection().close_after_answer();
  thread.answer = prepared();
  exchange.send();
}

}  // namespace holdfast::http
