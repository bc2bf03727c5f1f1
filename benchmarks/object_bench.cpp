// Objects in process, on a real disk with fsync: the memory of a live idle one, its way into memory, and what a call
// takes.
//
//     object_bench DIR [OBJECTS]      makes DIR, which must not be there, and removes it; 100 000 objects
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "benchmarks/measure.hpp"

namespace {

using namespace holdfast;
using namespace holdfast::bench;

class Stateless final : public Object {
 public:
  Task<Reply> on_request(Context&, const Request&) override { return Reply::empty(); }
};

class Counter final : public Object {
 public:
  Task<Reply> on_request(Context& ctx, const Request& request) override {
    auto n = ctx.storage().get<std::int64_t>("n").value_or(0);
    if (request.method == "POST") ctx.storage().put("n", ++n);
    return Reply::text(std::to_string(n));
  }
};

std::unique_ptr<Engine> open(const std::filesystem::path& directory) {
  Options options;
  options.data = directory / "data";
  options.limits.live_objects_max = 100'000'000;  // none leaves
  options.limits.idle_evict_ms = 86'400'000;
  options.register_class<Stateless>("stateless");
  options.register_class<Counter>("counter");
  return open_or_exit(std::move(options));
}

std::string name(std::uint64_t i) { return "object-" + std::to_string(i); }

// Microseconds.
class Times {
 public:
  template <class What>
  void add(const What& what) {
    const auto begin = Steady::now();
    what();
    all_.push_back(seconds_since(begin) * 1e6);
  }
  [[nodiscard]] double at(double part) {
    std::sort(all_.begin(), all_.end());
    return all_[static_cast<std::size_t>(part * static_cast<double>(all_.size() - 1))];
  }
  void print(const char* what) { std::printf("%-56s %8.1f us   p99 %8.1f us\n", what, at(0.5), at(0.99)); }

 private:
  std::vector<double> all_;
};

void expect(const Result<Reply>& reply, const char* body) {
  if (reply && reply->body == body) return;
  std::fprintf(stderr, "object_bench: wrong answer: %s\n", reply ? reply->body.c_str() : reply.error().detail.c_str());
  std::exit(1);
}

void memory(Engine& engine, std::uint64_t objects) {
  const auto touch = [&](std::uint64_t first, std::uint64_t n) {
    many(n, [&](std::uint64_t i, auto done) {
      engine.call_async("stateless", name(first + i), {"GET", "/", ""}, done);
    });
  };
  touch(objects, 5'000);  // what the engine keeps for itself has its size
  const auto resident = resident_kib() * 1'024;
  const auto allocated = allocated_bytes();
  const auto live = engine.stats().live_objects;
  touch(0, objects);
  const auto made = static_cast<double>(engine.stats().live_objects - live);
  std::printf("%-56s %8.0f bytes  resident %.0f\n", "a live idle object without state, at the allocator",
              static_cast<double>(allocated_bytes() - allocated) / made,
              static_cast<double>(resident_kib() * 1'024 - resident) / made);
}

// The first calls to objects that are on disk only, and then to the same ones in memory.
void activation(Engine& engine, std::uint64_t objects) {
  Times first;
  Times live;
  const auto read = [&](std::uint64_t i) {
    return [&engine, i] { expect(engine.call("counter", name(i), {"GET", "/", ""}), "1"); };
  };
  for (std::uint64_t i = 0; i < objects; ++i) first.add(read(i * 7'919 % objects));
  for (std::uint64_t i = 0; i < objects; ++i) live.add(read(i * 7'919 % objects));
  first.print("a read that brings the object into memory");
  live.print("a read of a live object");
}

// An increment and one write of 4 KiB with its fdatasync, in turns. The file grows, as a log without reserve does.
void increments(Engine& engine, const std::filesystem::path& directory) {
  constexpr int kTurns = 2'000;
  Times increment;
  Times sync;
  const int fd = ::open((directory / "appended").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  const std::string page(4'096, 'x');
  bool written = fd >= 0;
  for (int i = 0; i < kTurns && written; ++i) {
    increment.add([&] { expect(engine.call("counter", "one", {"POST", "/", ""}), std::to_string(i + 1).c_str()); });
    sync.add([&] {
      written = ::write(fd, page.data(), page.size()) == static_cast<ssize_t>(page.size()) && ::fdatasync(fd) == 0;
    });
  }
  ::close(fd);
  if (!written) std::perror("object_bench: appending"), std::exit(3);
  increment.print("an increment, durable");
  sync.print("one append of 4 KiB with fdatasync, in turns with it");
  std::printf("%-56s %8.2f\n", "their ratio", increment.at(0.5) / sync.at(0.5));
}

}  // namespace

int main(int argc, char** argv) {
  const auto objects = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 100'000;
  if (argc < 2 || objects == 0) return std::fprintf(stderr, "usage: object_bench DIR [OBJECTS]\n"), 2;
  const std::filesystem::path directory = argv[1];
  if (!std::filesystem::create_directory(directory)) return std::fprintf(stderr, "object_bench: DIR is there\n"), 2;
  memory(*open(directory), objects);
  many(objects, [engine = open(directory)](std::uint64_t i, auto done) {
    engine->call_async("counter", name(i), {"POST", "/", ""}, done);
  });
  const auto engine = open(directory);
  activation(*engine, objects);
  increments(*engine, directory);
  std::filesystem::remove_all(directory);
}
