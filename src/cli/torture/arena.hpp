// Arena: what the clients, workers and readers of a run share, and the base of them all.
//
// The controller alone moves the phase and the port; an actor that finds no port waits for one. Each actor keeps what
// it did to itself and has it taken when it has ended, so recording costs no lock.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "src/cli/client.hpp"
#include "src/cli/torture/history.hpp"
#include "src/core/json.hpp"

namespace holdfast::cli::torture {

enum class Phase : std::uint8_t {
  load,   // everything, while harm is done
  drain,  // no harm; only workers, which complete all there is
  end,
};

class Arena {
 public:
  Arena(std::uint64_t seed, unsigned sessions);

  [[nodiscard]] std::int64_t now_us() const;
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  [[nodiscard]] unsigned sessions() const noexcept { return static_cast<unsigned>(rest_until_us_.size()); }
  [[nodiscard]] std::string session(unsigned number) const { return "torture-" + std::to_string(number); }

  std::atomic<Phase> phase{Phase::load};
  std::atomic<int> port{0};  // of the server; 0: there is none
  std::atomic<std::uint64_t> operations{0};
  std::atomic<std::uint64_t> admitted{0};
  std::atomic<std::uint64_t> completed{0};

  // A session whose queue is long is left alone for a moment: what is admitted must be drained, too.
  void rest(unsigned session, std::chrono::milliseconds time);
  [[nodiscard]] bool resting(unsigned session) const;

  struct Place {
    std::string session;
    std::string message;
  };
  void acknowledge(std::string session, std::string message);
  [[nodiscard]] std::vector<Place> acknowledged() const;

 private:
  const std::uint64_t seed_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::vector<std::atomic<std::int64_t>> rest_until_us_;
  mutable std::mutex mutex_;
  std::vector<Place> acknowledged_;
};

// The body of an answer, read by RFC 6901 pointers.
class Body {
 public:
  explicit Body(std::string_view text) : root_(parser_.parse(text)) {}
  [[nodiscard]] bool valid() const noexcept { return root_.has_value(); }
  [[nodiscard]] std::optional<json::Element> find(const std::string& pointer) const;
  [[nodiscard]] std::string text(const std::string& pointer) const;      // empty when absent
  [[nodiscard]] std::uint64_t number(const std::string& pointer) const;  // 0 when absent; also of a text of digits
  [[nodiscard]] Time time(const std::string& pointer) const;             // 0 when absent
  [[nodiscard]] std::size_t count(const std::string& pointer) const;     // of a list

 private:
  json::Parser parser_;
  Result<json::Element> root_;
};

class Actor {
 public:
  Actor(Arena& arena, unsigned number);
  virtual ~Actor() = default;
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;
  virtual void run() = 0;
  [[nodiscard]] std::vector<Operation> take() { return std::move(operations_); }

 protected:
  struct Request {
    const char* method = "POST";
    std::string path;
    std::string body = "{}";
    Headers headers = {};
  };
  // Sends it when there is a server, and notes in `operation` when that was and how it ended. Nothing: the run ended.
  std::optional<Response> call(Operation& operation, const Request& request);
  void keep(Operation operation);
  [[nodiscard]] Operation begin(Kind kind, std::string session, std::string message = {}) const;
  // The client of the server as of now; nullptr: the run ended.
  Client* client();

  [[nodiscard]] std::uint64_t draw(std::uint64_t below) { return random_() % below; }
  [[nodiscard]] bool chance(unsigned percent) { return draw(100) < percent; }
  void pause(std::uint64_t ms_min, std::uint64_t ms_max);

  Arena& arena_;
  const unsigned number_;

 private:
  std::mt19937_64 random_;
  std::optional<Client> client_;
  int port_ = 0;
  std::vector<Operation> operations_;
};

// How an answer counts: `refused` only where the server promises that nothing was done.
[[nodiscard]] Outcome outcome_of(const Response& response, std::string_view code) noexcept;

[[nodiscard]] std::unique_ptr<Actor> make_admitter(Arena& arena, unsigned number);
[[nodiscard]] std::unique_ptr<Actor> make_worker(Arena& arena, unsigned number);
[[nodiscard]] std::unique_ptr<Actor> make_reader(Arena& arena, unsigned number);

// The hash that the server names for a body.
[[nodiscard]] std::string hash_of(std::string_view body);
// One page of a session's events behind `after`, as a reader sees it. `each` gets every event's JSON.
[[nodiscard]] Seen seen_of(json::Element event);

}  // namespace holdfast::cli::torture
