#include "benchmarks/peer_work.hpp"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <utility>
#include <vector>

#include "benchmarks/letters.hpp"

namespace holdfast::bench {
namespace {

std::uint64_t number_at(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string host_line(const Target& target) {
  return " HTTP/1.1\r\nHost: " + target.host + ":" + std::to_string(target.port) + "\r\n";
}

// ---- HTTP ------------------------------------------------------------------------------------------------------

std::size_t content_length(std::string_view head) {
  constexpr std::string_view kName = "\r\nContent-Length: ";
  for (auto at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at + 2))
    if (head.size() - at > kName.size() && ::strncasecmp(head.data() + at, kName.data(), kName.size()) == 0)
      return number_at(head.substr(at + kName.size()));
  return 0;
}

std::size_t whole_of_http(std::string_view text) {
  const auto head = text.find("\r\n\r\n");
  if (head == text.npos) return 0;
  const auto whole = head + 4 + content_length(text.substr(0, head));
  return text.size() < whole ? 0 : whole;
}

bool is_success(std::string_view answer) { return answer.size() > 9 && answer[9] == '2'; }

// ---- counters --------------------------------------------------------------------------------------------------

struct Object {
  std::uint64_t asked = 0;     // increments, and of these
  std::uint64_t answered = 0;  // ... with a new value
  std::uint64_t greatest = 0;  // value that was answered
};

class Counters : public Work {
 public:
  Counters(const Target& target, std::uint64_t objects, std::string book)
      : target_(target), book_(std::move(book)), objects_(objects) {
    std::ifstream file(book_);
    for (auto& object : objects_) {
      if (!(file >> object.asked >> object.answered)) return;
      object.greatest = object.answered;
    }
  }
  [[nodiscard]] std::size_t whole(std::string_view text) const final { return whole_of_http(text); }
  // One line for each object: how many increments were asked for, and how many answered.
  [[nodiscard]] bool save() const final {
    if (book_.empty()) return true;
    std::ofstream book(book_);
    for (const auto& object : objects_) book << object.asked << ' ' << object.answered << '\n';
    return static_cast<bool>(book.flush());
  }

 protected:
  void write(std::string& request, const char* method, std::uint64_t object, const char* rest) const {
    request = method + target_.path + "object-" + std::to_string(object) + rest + host_line(target_);
  }
  // False: the answer has none.
  static bool value_of(std::string_view answer, std::uint64_t& value) {
    constexpr std::string_view kValue = "{\"value\":";
    const auto body = answer.substr(answer.find("\r\n\r\n") + 4);
    if (!is_success(answer) || !body.starts_with(kValue)) return false;
    value = number_at(body.substr(kValue.size()));
    return true;
  }
  Object& object(const Call& call) { return objects_[call.object]; }

 private:
  const Target target_;
  const std::string book_;
  std::vector<Object> objects_;
};

class Counter final : public Counters {
 public:
  using Counters::Counters;
  // The new value must be greater than all that were answered when the request was sent.
  void ask(Call& call, std::string& request) override {
    write(request, "POST ", call.object, "/increment");
    request += "Content-Length: 0\r\n\r\n";
    ++object(call).asked;
    call.before = object(call).greatest;
  }
  [[nodiscard]] std::string judge(const Call& call, std::string_view answer) override {
    std::uint64_t value = 0;
    if (!value_of(answer, value)) return std::string(answer);
    if (value <= call.before) return "an increment was lost, answered: " + std::string(answer);
    object(call).greatest = std::max(object(call).greatest, value);
    ++object(call).answered;
    return {};
  }
};

class Reading final : public Counters {
 public:
  using Counters::Counters;
  void ask(Call& call, std::string& request) override {
    write(request, "GET ", call.object, "/value");
    request += "\r\n";
  }
  [[nodiscard]] std::string judge(const Call& call, std::string_view answer) override {
    std::uint64_t value = 0;
    if (!value_of(answer, value)) return std::string(answer);
    const auto [asked, answered, greatest] = object(call);
    if (value >= answered && value <= asked) return {};
    return "the value " + std::to_string(value) + " where " + std::to_string(answered) + " increments of " +
           std::to_string(asked) + " were answered";
  }
};

// ---- messages --------------------------------------------------------------------------------------------------

class MessageOverHttp final : public Work {
 public:
  MessageOverHttp(const Target& target, std::uint64_t seed) : letters_(seed), fault_(target.fault) {
    const auto place = target.path.find("{}");
    before_ = target.method + " " + target.path.substr(0, place);
    after_ = (place == std::string::npos ? "" : target.path.substr(place + 2)) + host_line(target) +
             "Content-Type: application/json\r\nContent-Length: " + std::to_string(kMessageBytes) +
             "\r\n\r\n{\"turn\":{\"kind\":\"prompt\",\"content\":\"";
    varies_ = place != std::string::npos;
  }
  void ask(Call& call, std::string& request) override {
    request.assign(before_);
    if (varies_) request += std::to_string(call.object);
    request.append(after_).append(letters_.next(kMessageBytes - kAround)).append("\"}}");
  }
  [[nodiscard]] std::size_t whole(std::string_view text) const override { return whole_of_http(text); }
  [[nodiscard]] std::string judge(const Call& /*call*/, std::string_view answer) override {
    const bool fault = !fault_.empty() && answer.find(fault_) != answer.npos;
    return is_success(answer) && !fault ? std::string() : std::string(answer);
  }

 private:
  static constexpr std::size_t kAround = std::string_view(R"({"turn":{"kind":"prompt","content":""}})").size();
  Letters letters_;
  const std::string fault_;
  std::string before_;
  std::string after_;
  bool varies_ = false;
};

// XADD to the session's stream and HINCRBY of its counter: two commands, sent as one.
class MessageToRedis final : public Work {
 public:
  explicit MessageToRedis(std::uint64_t seed) : letters_(seed) {}
  void ask(Call& call, std::string& request) override {
    const auto name = std::to_string(call.object);
    request.assign("*5\r\n$4\r\nXADD\r\n").append(bulk("s:" + name)).append("$1\r\n*\r\n$1\r\nm\r\n");
    request.append(bulk(letters_.next(kMessageBytes)));
    request.append("*4\r\n$7\r\nHINCRBY\r\n").append(bulk("c:" + name)).append("$1\r\nn\r\n$1\r\n1\r\n");
  }
  // The entry's id is a bulk string, two lines; the counter is one line.
  [[nodiscard]] std::size_t whole(std::string_view text) const override {
    const std::size_t lines = text.starts_with('$') ? 3 : 2;
    std::size_t end = 0;
    for (std::size_t line = 0; line < lines; ++line) {
      const auto found = text.find("\r\n", end);
      if (found == text.npos) return 0;
      end = found + 2;
    }
    return end;
  }
  [[nodiscard]] std::string judge(const Call& /*call*/, std::string_view answer) override {
    const bool counted = answer.find("\r\n:") != answer.npos;
    return answer.starts_with('$') && counted ? std::string() : std::string(answer);
  }

 private:
  static std::string bulk(std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
  }
  Letters letters_;
};

// A publish to the subject s.{session}, which a stream stores; its receipt comes to the inbox of the connection.
class MessageToNats final : public Work {
 public:
  explicit MessageToNats(std::uint64_t seed) : letters_(seed) {}
  [[nodiscard]] Greeting greeting(std::uint64_t connection) const override {
    return {"CONNECT {\"verbose\":false}\r\nSUB " + inbox(connection) + " 1\r\nPING\r\n", "PONG\r\n"};
  }
  void ask(Call& call, std::string& request) override {
    request.assign("PUB s.").append(std::to_string(call.object)).append(" ").append(inbox(call.connection));
    request.append(" ").append(std::to_string(kMessageBytes)).append("\r\n");
    request.append(letters_.next(kMessageBytes)).append("\r\n");
  }
  // A line that ends with the length of the receipt, and the receipt. Other lines, such as a PING, may come before.
  [[nodiscard]] std::size_t whole(std::string_view text) const override {
    const auto begin = text.find("MSG ");
    const auto line = text.find("\r\n", begin);
    if (begin == text.npos || line == text.npos) return 0;
    const auto whole = line + 4 + number_at(text.substr(text.rfind(' ', line) + 1));
    return text.size() < whole ? 0 : whole;
  }
  [[nodiscard]] std::string judge(const Call& /*call*/, std::string_view answer) override {
    return answer.find("\"seq\":") != answer.npos ? std::string() : std::string(answer);
  }

 private:
  static std::string inbox(std::uint64_t connection) { return "_INBOX.load." + std::to_string(connection); }
  Letters letters_;
};

}  // namespace

std::unique_ptr<Work> make_counter(const Target& target, std::uint64_t objects, const std::string& book) {
  return std::make_unique<Counter>(target, objects, book);
}

std::unique_ptr<Work> make_reading(const Target& target, std::uint64_t objects, const std::string& book) {
  return std::make_unique<Reading>(target, objects, book);
}

std::unique_ptr<Work> make_message(const Target& target, std::uint64_t seed) {
  if (target.scheme == "http") return std::make_unique<MessageOverHttp>(target, seed);
  if (target.scheme == "redis") return std::make_unique<MessageToRedis>(seed);
  if (target.scheme == "nats") return std::make_unique<MessageToNats>(seed);
  return nullptr;
}

}  // namespace holdfast::bench
