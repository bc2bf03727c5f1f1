// A durable counter: the smallest object. `examples/counter/README.md` shows it with curl.
#include <charconv>
#include <holdfast/serve.hpp>

namespace {

// The number in {"after_ms": N}; nothing when there is none.
std::optional<holdfast::Time> after_ms(const std::string& body) {
  const auto colon = body.find(':', body.find("\"after_ms\""));
  if (colon == std::string::npos) return std::nullopt;
  const auto begin = body.find_first_not_of(' ', colon + 1);
  holdfast::Time ms = 0;
  if (begin == std::string::npos ||
      std::from_chars(body.data() + begin, body.data() + body.size(), ms).ec != std::errc{} || ms < 0)
    return std::nullopt;
  return ms;
}

class Counter final : public holdfast::Object {
 public:
  holdfast::Task<holdfast::Reply> on_request(holdfast::Context& ctx, const holdfast::Request& request) override {
    if (request.method == "POST" && request.path == "/increment") return value(increment(ctx));
    if (request.method == "GET" && request.path == "/value") return value(stored(ctx));
    if (request.method == "POST" && request.path == "/increment_later") {
      const auto delay = after_ms(request.body);
      if (!delay) return holdfast::Reply::text("send {\"after_ms\": N}\n", 400);
      ctx.set_alarm(ctx.now() + *delay);
      return holdfast::Reply::empty(202);
    }
    return holdfast::Reply::text("POST /increment, GET /value, POST /increment_later {\"after_ms\": N}\n", 404);
  }

  holdfast::Task<> on_alarm(holdfast::Context& ctx) override {
    increment(ctx);
    return {};
  }

 private:
  static std::int64_t stored(holdfast::Context& ctx) { return ctx.storage().get<std::int64_t>("n").value_or(0); }
  static std::int64_t increment(holdfast::Context& ctx) {
    const auto n = stored(ctx) + 1;
    ctx.storage().put("n", n);
    return n;
  }
  static holdfast::Reply value(std::int64_t n) {
    return holdfast::Reply::json("{\"value\":" + std::to_string(n) + "}");
  }
};

}  // namespace

int main(int argc, char** argv) {
  return holdfast::serve(argc, argv, [](holdfast::Options& options) { options.register_class<Counter>("counter"); });
}
