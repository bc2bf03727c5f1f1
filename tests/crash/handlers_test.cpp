// A process that dies in the middle of a handler: the next one takes the turn back at once, not when the lease ends.
#include <catch2/catch.hpp>
#include <holdfast/engine.hpp>

#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

Options options_for(const std::string& data) {
  Options options;
  options.data = data;
  return options;
}

}  // namespace

TEST_CASE("a turn whose process died runs again in the next one, with the next attempt", "[fork]") {
  const TemporaryDirectory directory;
  const auto data = directory / "data";
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto engine = Engine::open(options_for(data));
    if (!engine) ::_exit(1);
    (*engine)->on_turn("agent", [&](Turn&) {
      (void)!::write(pipe[1], "x", 1);
      ::pause();
    });
    auto request = AdmitRequest::prompt("hang");
    request.id = "a";
    (void)(*engine)->admit("s", std::move(request));
    ::pause();
  }
  char started = 0;
  REQUIRE(::read(pipe[0], &started, 1) == 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(pipe[0]);
  ::close(pipe[1]);

  auto engine = Engine::open(options_for(data));
  REQUIRE(engine);
  REQUIRE((*engine)->on_turn("agent", [](Turn& turn) { (void)turn.complete(R"({"again":true})"); }));
  const auto message = (*engine)->wait_message("s", "a", 10'000);
  REQUIRE(message);
  CHECK(message->state == MessageState::completed);
  CHECK(message->attempt == 2);
}

}  // namespace holdfast::test
