#include "tests/simulation/hosts.hpp"

#include <catch2/catch.hpp>
#include <exception>
#include <holdfast/object.hpp>
#include <stdexcept>

namespace holdfast::simulation {
namespace {

class Counter final : public Object {
 public:
  explicit Counter(Witness& witness) : witness_(witness) {}

  Task<> on_activate(Context& ctx) override {
    n_ = stored(ctx);
    return {};
  }
  Task<Reply> on_request(Context& ctx, const Request& request) override {
    count(ctx);
    if (request.path == "/throw") throw std::runtime_error("as asked");
    if (request.path == "/alarm") ctx.set_alarm(ctx.now() + 50);
    ctx.emit("incremented", std::to_string(n_));
    return Reply::text(std::to_string(n_));
  }
  Task<> on_alarm(Context& ctx) override {
    count(ctx);
    constexpr int kInARow = 2;  // fewer than an alarm is worth
    auto& thrown = witness_.alarms_thrown[ctx.name()];
    if (thrown != 0) witness_.tally.saw(Rare::alarm_again);
    if (ctx.now() % 3 == 0 && thrown < kInARow) {
      ++thrown;
      throw std::runtime_error("not now");
    }
    thrown = 0;
    witness_.tally.saw(Rare::alarm);
    ctx.emit("rung", std::to_string(n_));
    return {};
  }

 private:
  static std::int64_t stored(Context& ctx) { return ctx.storage().get<std::int64_t>("n").value_or(0); }
  void count(Context& ctx) {
    const auto on_disk = stored(ctx);  // may throw: a read fault
    REQUIRE(n_ == on_disk);
    ctx.storage().put("n", ++n_);
  }
  Witness& witness_;
  std::int64_t n_ = 0;
};

// Whatever happens, what all accounts have together stays 0, but for payments that were given up.
class Account final : public Object {
 public:
  explicit Account(Witness& witness) : witness_(witness) {}

  Task<> on_activate(Context& ctx) override {
    balance_ = stored(ctx);
    return {};
  }

  Task<Reply> on_request(Context& ctx, const Request& request) override {
    check(ctx);
    if (request.path == "/balance") co_return Reply::text(std::to_string(balance_));
    Awaits awaits(witness_);
    if (request.path == "/pay") {
      put(ctx, balance_ - 1);
      ctx.enqueue(account(std::stoull(request.body)), "1");
    } else if (request.path == "/write") {
      count(ctx, "letters");
      ctx.enqueue(std::string(kLedger), AdmitRequest::prompt(request.body));
    } else if (request.path == "/ask") {
      const auto reply = co_await ctx.call(account(std::stoull(request.body)), {"GET", "/balance"});
      if (!reply && reply.error().code == ErrorCode::timed_out) witness_.tally.saw(Rare::call_timed_out);
      if (!reply) throw ObjectError(reply.error());
      count(ctx, "asked");
    } else if (request.path == "/nap") {
      put(ctx, balance_ - 1);
      ctx.enqueue(account(0), "1");
      co_await ctx.sleep(50);
      count(ctx, "naps");
    } else if (request.path == "/work") {
      co_await ctx.block_while(ctx.run([] {}));
      check(ctx);
    }
    awaits.over = true;
    throw_now_and_then(ctx);
    co_return Reply::text("done");
  }

  Task<> on_message(Context& ctx, const Inbound& mail) override {
    check(ctx);
    if (ctx.name() == account(kAccounts).name) throw ObjectError(ErrorCode::forbidden, "closed");
    const auto key = "got/" + mail.from.name + "/" + std::to_string(mail.seq);
    const auto before = ctx.storage().get(key);  // may throw: a read fault
    REQUIRE(!before);                            // never twice
    ctx.storage().put(key, "");
    put(ctx, balance_ + 1);
    throw_now_and_then(ctx);
    return {};
  }

 private:
  // A local of a handler: what destroys it tells how the handler ended.
  struct Awaits {
    explicit Awaits(Witness& w) : witness(w) {}
    ~Awaits() {
      if (over || std::uncaught_exceptions() != 0) return;
      witness.tally.saw(witness.dying ? Rare::crash_with_handler : Rare::handler_ended);
    }
    Awaits(const Awaits&) = delete;
    Awaits& operator=(const Awaits&) = delete;
    Witness& witness;
    bool over = false;
  };

  static std::int64_t stored(Context& ctx) { return ctx.storage().get<std::int64_t>("balance").value_or(0); }
  static void count(Context& ctx, std::string_view what) {
    ctx.storage().put(what, ctx.storage().get<std::int64_t>(what).value_or(0) + 1);
  }
  static void throw_now_and_then(Context& ctx) {
    if (ctx.now() % 5 == 0) throw std::runtime_error("now and then");
  }
  void check(Context& ctx) {
    const auto on_disk = stored(ctx);  // may throw: a read fault
    REQUIRE(balance_ == on_disk);
  }
  void put(Context& ctx, std::int64_t balance) { ctx.storage().put("balance", balance_ = balance); }

  Witness& witness_;
  std::int64_t balance_ = 0;
};

template <class T>
ObjectClass made_with(Witness& witness) {
  return {[&witness] { return std::make_unique<T>(witness); }, Bodies::whole};
}

}  // namespace

ObjectName account(std::uint64_t n) { return {"account", "a" + std::to_string(n)}; }

void register_hosts(Options& options, Witness& witness) {
  options.classes.insert_or_assign("counter", made_with<Counter>(witness));
  options.classes.insert_or_assign("account", made_with<Account>(witness));
}

}  // namespace holdfast::simulation
