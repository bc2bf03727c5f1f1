#include "src/cli/replay.hpp"

#include <atomic>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "src/cli/cli.hpp"
#include "src/cli/terminal.hpp"
#include "src/core/ids.hpp"
#include "src/core/json.hpp"

namespace holdfast::cli {
namespace {

struct Line {
  std::string id;
  std::string body;
};

struct History {
  std::vector<std::string> sessions;  // in the order of the file
  std::unordered_map<std::string, std::vector<Line>> lines;
  std::uint64_t count = 0;
};

tl::unexpected<Error> bad(const std::string& file, std::uint64_t number, std::string_view what) {
  return fail(ErrorCode::invalid_request, file + ":" + std::to_string(number) + ": " + std::string(what));
}

Result<History> read_history(const std::string& file) {
  std::ifstream in(file);
  if (!in) return fail(ErrorCode::invalid_request, "cannot read " + file);
  History history;
  json::Parser parser;
  std::string text;
  for (std::uint64_t number = 1; std::getline(in, text); ++number) {
    if (text.empty()) continue;
    auto line = parser.parse(text);
    if (!line) return bad(file, number, line.error().detail);
    std::string_view session;
    std::string_view id;
    std::string_view content;
    if (line->at_key("session").get(session) != simdjson::SUCCESS || !valid_name(session))
      return bad(file, number, "`session` must be a session name");
    if (line->at_key("id").get(id) != simdjson::SUCCESS || !valid_name(id))
      return bad(file, number, "`id` must be a message id");
    if (line->at_key("content").get(content) != simdjson::SUCCESS)
      return bad(file, number, "`content` must be a string");
    std::string metadata;
    json::ObjectWriter m(metadata);
    json::Element value;
    for (const char* name : {"at", "files"}) {
      if (line->at_key(name).get(value) == simdjson::SUCCESS) m.raw(name, json::canonical(value));
    }
    m.end();
    std::string turn;
    json::ObjectWriter(turn).text("content", content).text("kind", "prompt").end();
    std::string body;
    json::ObjectWriter(body).text("id", id).raw("metadata", metadata).raw("turn", turn).end();
    auto& lines = history.lines[std::string(session)];
    if (lines.empty()) history.sessions.emplace_back(session);
    lines.push_back({std::string(id), std::move(body)});
    ++history.count;
  }
  return history;
}

// One run: what the connections share.
class Replay {
 public:
  Replay(const ReplayOptions& options, History history)
      : options_(options), history_(std::move(history)), progress_("replaying", history_.count) {}

  int run() {
    {
      Client client(options_.target);
      if (!make_room(client)) return kRefused;
    }
    std::vector<std::thread> connections;
    for (unsigned i = 0; i < options_.connections; ++i) connections.emplace_back([this] { work(); });
    for (auto& connection : connections) connection.join();
    progress_.finish();
    for (const auto& refusal : refusals_) (void)complain(kRefused, refusal);
    std::printf("%llu messages of %zu sessions: %llu admitted, %llu were there, %llu refused%s\n",
                static_cast<unsigned long long>(history_.count), history_.sessions.size(),
                static_cast<unsigned long long>(admitted_), static_cast<unsigned long long>(there_),
                static_cast<unsigned long long>(refused_),
                options_.verify == ReplayOptions::Verify::yes && !failed_ && refused_ == 0
                    ? "; every queue is in the order of the file"
                    : "");
    return failed_ || refused_ != 0 ? kRefused : kOk;
  }

 private:
  static constexpr std::size_t kRefusalsShown = 5;

  [[nodiscard]] static bool give_up(const std::string& why) {
    (void)complain(kRefused, why);
    return false;
  }

  // Sessions that need a larger queue than the server's default get it before the first message.
  bool make_room(Client& client) {
    auto limits = client.request("GET", "/v1/limits");
    if (!limits) return give_up(limits.error().detail);
    json::Parser parser;
    const auto parsed = parser.parse(limits->body);
    std::uint64_t capacity = 0;
    if (!parsed || parsed->at_key("queue_capacity").get(capacity) != simdjson::SUCCESS)
      return give_up("the server does not tell its queue_capacity");
    for (const auto& session : history_.sessions) {
      const auto needed = history_.lines.at(session).size();
      if (needed <= capacity) continue;
      auto put = client.request("PUT", "/v1/sessions/" + session,
                                "{\"queue\":{\"capacity\":" + std::to_string(needed) + "}}", {{"If-None-Match", "*"}});
      if (!put) return give_up(put.error().detail);
      if (put->status == 201) continue;
      if (put->status != 412) return give_up(problem_text(*put));
      // It exists: a queue that is too small for what is still to come answers 429 later, with words.
    }
    return true;
  }

  void work() {
    Client client(options_.target);
    for (;;) {
      const auto index = next_.fetch_add(1);
      if (index >= history_.sessions.size() || failed_) return;
      const auto& session = history_.sessions[index];
      const auto& lines = history_.lines.at(session);
      std::vector<std::string> sent;
      for (const auto& line : lines) {
        if (failed_) return;
        if (send(client, session, line)) sent.push_back(line.id);
        const std::lock_guard lock(mutex_);
        progress_.at(++done_);
      }
      if (options_.verify == ReplayOptions::Verify::yes && !failed_) verify(client, session, sent);
    }
  }

  // True when the message is there. Retries what may pass, with the same id.
  bool send(Client& client, const std::string& session, const Line& line) {
    constexpr int kAttempts = 30;
    auto pause = std::chrono::milliseconds(100);
    std::string why;
    for (int attempt = 0; attempt < kAttempts;
         ++attempt, pause = std::min(pause * 2, std::chrono::milliseconds(2'000))) {
      auto response = client.request("POST", "/v1/sessions/" + session + "/messages", line.body);
      if (response && response->status == 202) {
        ++(response->headers.contains("idempotency-replayed") ? there_ : admitted_);
        return true;
      }
      if (response && response->status != 503 && response->status != 429) {
        refuse(session + " " + line.id + ": " + problem_text(*response));
        return false;
      }
      why = response ? problem_text(*response) : response.error().detail;
      std::this_thread::sleep_for(response ? retry_after(*response, pause) : pause);
    }
    failed_ = true;
    refuse(session + " " + line.id + ": gave up: " + why + "; run the same command again to go on");
    return false;
  }

  // The session's messages that are of this file must stand in the order of the file.
  void verify(Client& client, const std::string& session, const std::vector<std::string>& expected) {
    std::size_t matched = 0;
    std::string path = "/v1/sessions/" + session + "/messages?limit=1000";
    std::string cursor;
    json::Parser parser;
    do {
      auto page = client.request("GET", path + (cursor.empty() ? "" : "&cursor=" + cursor));
      if (!page || page->status != 200) {
        failed_ = true;
        return refuse(session + ": cannot read the queue: " + (page ? problem_text(*page) : page.error().detail));
      }
      const auto parsed = parser.parse(page->body);
      json::Array items;
      if (!parsed || parsed->at_key("items").get(items) != simdjson::SUCCESS)
        return refuse(session + ": unreadable queue");
      for (const auto item : items) {
        std::string_view id;
        if (item.at_key("message").get(id) == simdjson::SUCCESS && matched < expected.size() && id == expected[matched])
          ++matched;
      }
      std::string_view next;
      cursor = parsed->at_key("next").get(next) == simdjson::SUCCESS ? std::string(next) : std::string();
    } while (!cursor.empty());
    if (matched == expected.size()) return;
    failed_ = true;
    refuse(session + ": the queue is not in the order of the file: " + std::to_string(matched) + " of " +
           std::to_string(expected.size()) + " stand where they should");
  }

  void refuse(std::string what) {
    ++refused_;
    const std::lock_guard lock(mutex_);
    if (refusals_.size() < kRefusalsShown) refusals_.push_back(std::move(what));
  }

  const ReplayOptions& options_;
  const History history_;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::uint64_t> admitted_{0}, there_{0}, refused_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::uint64_t done_ = 0;             // guarded by mutex_
  Progress progress_;                  // guarded by mutex_
  std::vector<std::string> refusals_;  // guarded by mutex_
};

}  // namespace

int run_replay(const ReplayOptions& options) {
  auto history = read_history(options.file);
  if (!history) return complain(kUsage, history.error().detail);
  return Replay(options, std::move(*history)).run();
}

}  // namespace holdfast::cli
