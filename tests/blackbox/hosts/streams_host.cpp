// A host for object_streams_test: objects that send and take bodies in parts.
#include <charconv>
#include <holdfast/serve.hpp>

namespace {

using namespace holdfast;

// GET ?parts=N&bytes=M: N parts of M bytes; &fail=K throws after the K-th. The number of parts sent is kept.
class Download final : public Object {
 public:
  Task<Reply> on_request(Context& ctx, const Request& request) override {
    if (request.path == "/sent")
      co_return Reply::text(std::to_string(ctx.storage().get<std::uint64_t>("sent").value_or(0)));
    const auto parts = number(request.query, "parts=");
    const auto bytes = number(request.query, "bytes=");
    const auto fail = number(request.query, "fail=");
    Reply head(200, "", {{"content-type", "application/octet-stream"}, {"x-parts", std::to_string(parts)}});
    co_await ctx.reply(std::move(head));
    for (std::uint64_t n = 1; n <= parts; ++n) {
      if (fail != 0 && n > fail) throw std::runtime_error("as asked");
      ctx.storage().put("sent", n);
      co_await ctx.write(std::string(bytes, static_cast<char>('a' + n % 26)));
    }
    co_return Reply::text("end");
  }

 private:
  static std::uint64_t number(const std::string& query, const std::string& name) {
    std::uint64_t value = 0;
    const auto at = query.find(name);
    if (at != std::string::npos) std::from_chars(query.data() + at + name.size(), query.data() + query.size(), value);
    return value;
  }
};

// Answers with each part of what it is sent, and how many there were.
class Echo final : public Object {
 public:
  Task<Reply> on_request(Context& ctx, const Request&) override {
    co_await ctx.reply(Reply());
    std::size_t bytes = 0;
    while (auto part = co_await ctx.read()) {
      bytes += part->size();
      co_await ctx.write(std::move(*part));
    }
    co_return Reply::text(" " + std::to_string(bytes));
  }
};

// Counts what it is sent, and answers then. ?stop=N: does not read beyond N bytes.
class Upload final : public Object {
 public:
  Task<Reply> on_request(Context& ctx, const Request& request) override {
    if (request.path == "/bytes")
      co_return Reply::text(std::to_string(ctx.storage().get<std::uint64_t>("bytes").value_or(0)));
    std::uint64_t bytes = 0;
    while (auto part = co_await ctx.read()) {
      bytes += part->size();
      ctx.storage().put("bytes", bytes);
      if (request.query.starts_with("stop=") && bytes >= std::stoull(request.query.substr(5))) break;
    }
    co_return Reply::text(std::to_string(bytes));
  }
};

}  // namespace

int main(int argc, char** argv) {
  return holdfast::serve(argc, argv, [](holdfast::Options& options) {
    options.register_class<Download>("download");
    options.register_class<Upload>("upload", Bodies::streamed);
    options.register_class<Echo>("echo", Bodies::streamed);
  });
}
