// Processes that die while objects pay each other: no payment is lost or doubled, and nothing that was answered is
// gone.
#include <catch2/catch.hpp>
#include <holdfast/engine.hpp>
#include <random>

#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

constexpr int kAccounts = 8;

std::string account(std::uint64_t n) { return "a" + std::to_string(n % kAccounts); }

// "/pay": a payment to the account in the body. "/nap": the same, with an await between two payments.
class Account final : public Object {
 public:
  Task<Reply> on_request(Context& ctx, const Request& request) override {
    if (request.path == "/show") {
      co_return Reply::text(std::to_string(number(ctx, "balance")) + " " + std::to_string(number(ctx, "sent")));
    }
    pay(ctx, request.body);
    if (request.path == "/nap") {
      co_await ctx.sleep(1);
      pay(ctx, request.body);
    }
    co_return Reply::empty();
  }
  Task<> on_message(Context& ctx, const Inbound& mail) override {
    add(ctx, "balance", std::stoi(mail.body));
    return {};
  }

 private:
  static std::int64_t number(Context& ctx, std::string_view key) {
    return ctx.storage().get<std::int64_t>(key).value_or(0);
  }
  static void add(Context& ctx, std::string_view key, std::int64_t n) { ctx.storage().put(key, number(ctx, key) + n); }
  static void pay(Context& ctx, const std::string& to) {
    add(ctx, "balance", -1);
    add(ctx, "sent", 1);
    ctx.enqueue({"account", to}, "1");
  }
};

std::unique_ptr<Engine> open_bank(const std::string& data) {
  Options options;
  options.data = data;
  options.limits.live_objects_max = 4;  // so that accounts come and go
  options.register_class<Account>("account");
  auto engine = Engine::open(std::move(options));
  return engine ? std::move(*engine) : nullptr;
}

// Pays until it is killed; each payment that was answered is a byte in `answered`.
[[noreturn]] void run_bank(const std::string& data, int answered, unsigned seed) {
  const auto engine = open_bank(data);
  if (!engine) ::_exit(1);
  std::vector<std::thread> customers;
  for (unsigned t = 0; t < 4; ++t) {
    customers.emplace_back([&, t] {
      std::minstd_rand random(seed * 16 + t + 1);
      for (;;) {
        const bool nap = random() % 4 == 0;
        const auto reply =
            engine->call("account", account(random()), {"POST", nap ? "/nap" : "/pay", account(random())});
        if (reply) (void)!::write(answered, "22" + (nap ? 0 : 1), nap ? 2 : 1);
      }
    });
  }
  for (;;) ::pause();
}

}  // namespace

TEST_CASE("objects pay each other while their process is killed again and again", "[fork]") {
  const TemporaryDirectory directory;
  const auto data = directory / "data";
  std::array<int, 2> answered{};
  REQUIRE(::pipe2(answered.data(), O_CLOEXEC | O_NONBLOCK) == 0);
  REQUIRE(::fcntl(answered[1], F_SETFL, 0) == 0);  // customers wait for a full pipe
  std::int64_t told = 0;
  const auto take_answers = [&] {
    std::array<char, 4'096> some{};
    for (ssize_t n = 0; (n = ::read(answered[0], some.data(), some.size())) > 0;) told += n;
  };
  std::minstd_rand random(7);
  for (unsigned round = 0; round < 12; ++round) {
    const pid_t child = ::fork();
    if (child == 0) run_bank(data, answered[1], round);
    const auto life = std::chrono::milliseconds(100 + random() % 200);
    for (auto spent = std::chrono::milliseconds(0); spent < life; spent += std::chrono::milliseconds(10)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      take_answers();
    }
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    take_answers();
  }
  REQUIRE(told > 100);

  const auto engine = open_bank(data);
  REQUIRE(engine);
  std::int64_t together = -1;
  std::int64_t sent = 0;
  for (int look = 0; look < 2'000 && together != 0; ++look) {  // until the last payments have arrived
    together = sent = 0;
    for (std::uint64_t n = 0; n < kAccounts; ++n) {
      const auto reply = engine->call("account", account(n), {"GET", "/show"});
      REQUIRE(reply);
      together += std::stoll(reply->body);
      sent += std::stoll(reply->body.substr(reply->body.find(' ')));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(together == 0);
  CHECK(sent >= told);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // nothing arrives twice
  std::int64_t after = 0;
  for (std::uint64_t n = 0; n < kAccounts; ++n)
    after += std::stoll(engine->call("account", account(n), {"GET", "/show"})->body);
  CHECK(after == 0);
}

}  // namespace holdfast::test
