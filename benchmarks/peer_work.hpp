// What peer_load asks, and how it knows that an answer is whole and true: the work and the wire of each server that is
// measured side by side (benchmarks/peers).
//
//   counter      POST {url}object-{i}/increment over HTTP; every value is checked against all that were answered before
//   reading      GET  {url}object-{i}/value, which must lie between what was answered and what was asked for
//   message      one durable append of 256 bytes to session i: POST over HTTP with `{}` in the URL being i, or in the
//                protocol of Redis (XADD and HINCRBY in one pipeline) or of NATS (a publish to a stream, with its
//                receipt)
//
// One thread. A Work is asked for requests, and shown answers, in any order of its objects.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace holdfast::bench {

struct Target {
  std::string scheme;  // http, redis, nats
  std::string host;
  std::uint16_t port = 0;
  std::string path;
  std::string method = "POST";  // of a message over HTTP
  std::string fault;            // what an answer to one must not contain, where a front says 200 to everything
};

class Work {
 public:
  virtual ~Work() = default;

  // What a connection says before its first request, and how its last answer ends; nothing: no greeting.
  struct Greeting {
    std::string says;
    std::string until;
  };
  [[nodiscard]] virtual Greeting greeting(std::uint64_t /*connection*/) const { return {}; }

  struct Call {
    std::uint64_t connection = 0;
    std::uint64_t object = 0;
    std::uint64_t before = 0;  // what was known when it was asked
  };
  // Writes the request, and into the call what judge() has to know.
  virtual void ask(Call& call, std::string& request) = 0;
  // The bytes of the answer that `text` begins with; 0: it is not whole yet.
  [[nodiscard]] virtual std::size_t whole(std::string_view text) const = 0;
  // What is wrong with the answer; nothing: it is true.
  [[nodiscard]] virtual std::string judge(const Call& call, std::string_view answer) = 0;
  // Keeps for the next run what this one has to know then. False: it could not.
  [[nodiscard]] virtual bool save() const { return true; }
};

// `book`: the file that carries what was asked and answered from run to run, or nothing.
[[nodiscard]] std::unique_ptr<Work> make_counter(const Target& target, std::uint64_t objects, const std::string& book);
[[nodiscard]] std::unique_ptr<Work> make_reading(const Target& target, std::uint64_t objects, const std::string& book);
// nullptr: no such scheme.
[[nodiscard]] std::unique_ptr<Work> make_message(const Target& target, std::uint64_t seed);

}  // namespace holdfast::bench
