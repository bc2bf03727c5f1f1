// WholeBodies: bodies for a caller that has them whole: all of the request at once, and the parts of the reply put
// together. Concurrency: one thread at a time.
#pragma once

#include <holdfast/object.hpp>
#include <holdfast/transport.hpp>
#include <optional>
#include <string>
#include <utility>

namespace holdfast::shell {

class WholeBodies final : public BodyTransfer {
 public:
  WholeBodies(std::string body, Done<Reply> done) : body_(std::move(body)), done_(std::move(done)) {}
  void read(Done<std::optional<std::string>> done) override { done(std::exchange(body_, std::nullopt)); }
  void reply(Reply head, Done<Nothing> done) override {
    head_ = std::move(head);
    done(Nothing{});
  }
  void write(std::string part, Done<Nothing> done) override {
    if (head_) head_->body += part;
    done(Nothing{});
  }
  void end(Result<Reply> last) {
    if (!last || !head_) return done_(std::move(last));
    head_->body += last->body;
    done_(std::move(*head_));
  }

 private:
  std::optional<std::string> body_;
  std::optional<Reply> head_;
  Done<Reply> done_;
};

}  // namespace holdfast::shell
