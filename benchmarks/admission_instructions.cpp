// One admission as instructions: what the front and the engine do between the bytes of a request and those of its
// answer, without sockets. One thread drives it all and commits itself, so that callgrind counts the same each time;
// benchmarks/instructions.sh takes the difference of two runs, which leaves out start and stop.
//
//     admission_instructions DIR ADMISSIONS
#include <cstdio>
#include <cstdlib>
#include <holdfast/engine.hpp>
#include <string>
#include <vector>

#include "http/answer.hpp"
#include "http/bodies.hpp"
#include "http/parser.hpp"
#include "src/core/json.hpp"

namespace {

using namespace holdfast;

constexpr std::uint64_t kSessions = 100;
constexpr std::uint64_t kGroup = 16;  // admissions that share a sync

std::string request_to(std::uint64_t session) {
  const std::string body = R"({"turn":{"kind":"prompt","content":")" + std::string(216, 'x') + R"("}})";
  return "POST /v1/sessions/bench-" + std::to_string(session) +
         "/messages HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

class Front {
 public:
  explicit Front(Engine& engine) : engine_(engine), parser_(request_, {16 << 10, &body_limit, nullptr}) {}

  void admit(std::uint64_t session, const std::string& bytes) {
    parser_.reset();
    if (!parser_.feed(bytes) || parser_.state() != http::Parser::State::complete) std::abort();
    const auto body = json_.parse(request_.body());
    if (!body) std::abort();
    auto message = http::admit_request(*body, engine_.limits());
    if (!message) std::abort();
    engine_.admit_async("bench-" + std::to_string(session), std::move(*message), {},
                        [this](Result<Admitted> admitted) { answer(admitted); });
  }
  [[nodiscard]] std::uint64_t answered() const noexcept { return answered_; }

 private:
  static std::optional<std::uint64_t> body_limit(const http::Request&, const void*) { return 1 << 20; }
  void answer(const Result<Admitted>& admitted) {
    if (!admitted) std::abort();
    answer_.clear();
    answer_.status = 202;
    append_json(answer_.body, *admitted);
    out_.clear();
    http::append_answer(out_, answer_, {"req_0123456789ab000000000001"});
    ++answered_;
  }

  Engine& engine_;
  http::Request request_;
  http::Parser parser_;
  json::Parser json_;
  http::Answer answer_;
  std::string out_;
  std::uint64_t answered_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fputs("usage: admission_instructions DIR ADMISSIONS\n", stderr), 2;
  const auto admissions = std::strtoull(argv[2], nullptr, 10);
  Options options;
  options.data = argv[1];
  options.log_level = LogLevel::error;
  options.limits.queue_capacity = 1 << 20;
  auto engine = Engine::open(std::move(options));
  if (!engine) return std::fprintf(stderr, "%s\n", engine.error().detail.c_str()), 3;

  std::vector<std::string> requests;
  for (std::uint64_t i = 0; i < kSessions; ++i) requests.push_back(request_to(i));
  Front front(**engine);
  for (std::uint64_t i = 0; i < admissions; i += kGroup) {
    (*engine)->begin_round(static_cast<std::size_t>(-1));  // whatever comes, and however slow the disk is
    for (std::uint64_t k = 0; k < kGroup; ++k) front.admit((i + k) % kSessions, requests[(i + k) % kSessions]);
    (*engine)->end_round();
  }
  return front.answered() == admissions ? 0 : 1;
}
