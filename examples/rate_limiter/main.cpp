// A durable token bucket for each key: the limit holds across crashes, and a key that nobody uses leaves nothing
// behind. `examples/rate_limiter/README.md` shows it with curl.
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <holdfast/serve.hpp>
#include <sstream>

namespace {

using holdfast::Context;
using holdfast::ErrorCode;
using holdfast::ObjectError;
using holdfast::Reply;
using holdfast::Request;
using holdfast::Task;
using holdfast::Time;

constexpr double kLeast = 1e-3;  // that a body may name
constexpr double kMost = 1e9;
constexpr Time kLookMs = 5'000;  // how often a key that is in use is looked at: can it go?

// What a bucket holds at most, and how fast it fills.
struct Limit {
  double capacity = 10;
  double refill_per_second = 5;

  [[nodiscard]] Time fill_ms(double tokens) const {
    return static_cast<Time>(std::ceil(tokens * 1'000 / refill_per_second));
  }
};

struct Field {
  std::string_view name;
  double& value;  // keeps what it has when the body does not name it
  enum class Kind : std::uint8_t { whole, any } kind = Kind::whole;
};

// Reads the fields that a body names. One that is no such object is refused with `usage`: nothing is ignored.
void read(const std::string& body, std::initializer_list<Field> fields, const char* usage) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(body).get(object) != simdjson::SUCCESS) throw ObjectError(ErrorCode::invalid_body, usage);
  for (const auto& [name, value] : object) {
    const auto* field = std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == name; });
    double number = 0;
    if (field == fields.end() || value.get(number) != simdjson::SUCCESS || number < kLeast || number > kMost ||
        (field->kind == Field::Kind::whole && number != std::floor(number)))
      throw ObjectError({ErrorCode::invalid_body, usage, "/" + std::string(name), 0, {}});
    field->value = number;
  }
}

std::string text(double tokens) { return std::to_string(static_cast<std::int64_t>(std::floor(tokens))); }

// Stored is what was spent and has not flowed back, as of the last take that was allowed. Everything else follows from
// it and the clock, so that neither a refusal nor the passing of time is a write.
class RateLimiter final : public holdfast::Object {
 public:
  Task<Reply> on_request(Context& ctx, const Request& request) override {
    if (request.path == "/" && request.method == "GET") return show(ctx);
    if (request.path == "/take" && request.method == "POST") return take(ctx, request.body);
    if (request.path == "/limit" && request.method == "PUT") return set_limit(ctx, request.body);
    if (request.path == "/limit" && request.method == "DELETE") return drop_limit(ctx);
    throw ObjectError(ErrorCode::not_found, "a rate limiter has GET /, POST /take, PUT /limit and DELETE /limit");
  }

  // A full bucket says nothing that an absent one does not: it goes. A limit of the key's own stays.
  Task<> on_alarm(Context& ctx) override {
    const auto unfilled = spent(ctx);
    if (unfilled > 0) ctx.set_alarm(ctx.now() + std::max(limit(ctx).fill_ms(unfilled), kLookMs));
    else ctx.storage().remove_all({"spent", "at"});
    return {};
  }

 private:
  static Limit limit(Context& ctx) {
    auto& storage = ctx.storage();
    Limit limit;
    limit.capacity = storage.get<double>("capacity").value_or(limit.capacity);
    limit.refill_per_second = storage.get<double>("refill_per_second").value_or(limit.refill_per_second);
    return limit;
  }

  static double spent(Context& ctx) {
    auto& storage = ctx.storage();
    const auto then = storage.get<double>("spent").value_or(0);
    const auto passed = std::max<Time>(0, ctx.now() - storage.get<Time>("at").value_or(0));  // the clock may jump back
    return std::max(0.0, then - static_cast<double>(passed) * limit(ctx).refill_per_second / 1'000);
  }

  static void spend(Context& ctx, double tokens) {
    ctx.storage().put("spent", tokens);
    ctx.storage().put("at", ctx.now());
    if (!ctx.alarm()) ctx.set_alarm(ctx.now() + kLookMs);
  }

  static Reply take(Context& ctx, const std::string& body) {
    double cost = 1;
    if (!body.empty()) read(body, {{"cost", cost}}, R"(send {"cost": N}, N from 1 to 1e9 and whole; no body takes 1)");
    const auto [capacity, rate] = limit(ctx);
    if (cost > capacity)
      throw ObjectError({ErrorCode::invalid_body,
                         "cost " + text(cost) + " is over the capacity " + text(capacity) +
                             " and would never be allowed: take less at once, or PUT a larger limit",
                         "/cost",
                         0,
                         {}});
    const auto before = spent(ctx);
    const auto over = before + cost - capacity;
    if (over > 0) {
      const auto wait_ms = std::max<Time>(1, Limit{capacity, rate}.fill_ms(over));
      auto refusal = Reply::json(R"({"allowed":false,"retry_after_ms":)" + std::to_string(wait_ms) + "}", 429);
      refusal.headers.emplace_back("retry-after", std::to_string((wait_ms + 999) / 1'000));
      return refusal;
    }
    spend(ctx, before + cost);
    return Reply::json(R"({"allowed":true,"remaining":)" + text(-over) + "}");
  }

  // Before the rate changes: what flowed back until now did so at the old one.
  static void settle(Context& ctx) {
    if (const auto now = spent(ctx); now > 0) spend(ctx, now);
  }

  static Reply set_limit(Context& ctx, const std::string& body) {
    static constexpr auto kUsage =
        R"(send {"capacity": N, "refill_per_second": R}, N from 1 to 1e9 and whole, R from 0.001 to 1e9)";
    Limit next{0, 0};
    read(body, {{"capacity", next.capacity}, {"refill_per_second", next.refill_per_second, Field::Kind::any}}, kUsage);
    if (next.capacity == 0 || next.refill_per_second == 0) throw ObjectError(ErrorCode::invalid_body, kUsage);
    settle(ctx);
    ctx.storage().put("capacity", next.capacity);
    ctx.storage().put("refill_per_second", next.refill_per_second);
    return show(ctx);
  }

  static Reply drop_limit(Context& ctx) {
    settle(ctx);
    ctx.storage().remove_all({"capacity", "refill_per_second"});
    return show(ctx);
  }

  static Reply show(Context& ctx) {
    const auto [capacity, rate] = limit(ctx);
    std::ostringstream out;
    out.precision(12);
    out << R"({"capacity":)" << text(capacity) << R"(,"refill_per_second":)" << rate << R"(,"remaining":)"
        << text(std::max(0.0, capacity - spent(ctx))) << R"(,"stored":)" << std::boolalpha
        << !ctx.storage().list().empty() << "}";
    return Reply::json(out.str());
  }
};

}  // namespace

int main(int argc, char** argv) {
  return holdfast::serve(argc, argv,
                         [](holdfast::Options& options) { options.register_class<RateLimiter>("rate_limiter"); });
}
