// A connection's bytes, in one piece and in pieces of any size: the same requests, and a refusal of both or of neither.
//
// The first bytes of the input are the sizes of the pieces, up to a zero; the rest is what the client sends. A wrong
// line of an unfinished head is refused at once or when the head ends, and then possibly for its length; an extension
// of a chunk whose quotes stay open is refused when they end, or when it was looked at too often: so an end of quotes
// and of a head is sent last, and the code of the refusal is not compared. White space that is dropped counts for the
// length of the head only while the head is unfinished: so a head that was too large for one may have been taken by the
// other.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "http/parser.hpp"
#include "src/core/check.hpp"

using namespace holdfast;
using http::Parser;
using http::Request;

namespace {

constexpr std::uint64_t kBodyMax = 64;
constexpr std::string_view kEndOfAll = "\"\r\n\r\n";
constexpr http::ParserLimits kLimits{
    256, [](const Request&, const void*) { return std::optional<std::uint64_t>(kBodyMax); }, nullptr};

// What a connection saw: each request as text, then why it did not go on.
struct Seen {
  std::vector<std::string> requests;
  std::optional<ErrorCode> refusal;
};

bool agree(const Seen& a, const Seen& b) {
  if (a.refusal == ErrorCode::headers_too_large || b.refusal == ErrorCode::headers_too_large) {
    const auto common = std::min(a.requests.size(), b.requests.size());
    return std::equal(a.requests.begin(), a.requests.begin() + static_cast<std::ptrdiff_t>(common), b.requests.begin());
  }
  return a.requests == b.requests && a.refusal.has_value() == b.refusal.has_value();
}

std::string text_of(const Request& request) {
  std::string out = std::to_string(static_cast<int>(request.method())) + " " + std::string(request.path()) + " ? " +
                    std::string(request.query()) + " " + std::to_string(request.version());
  out += request.persistence() == Request::Persistence::keep_alive ? " keep" : " close";
  out += request.wants_continue() ? " continue\n" : "\n";
  for (const auto* name : {"host", "content-length", "connection", "transfer-encoding", "a", "if-match"})
    out += request.joined(name) + "\n";
  return out + std::string(request.body());
}

class Connection {
 public:
  Connection() : parser_(request_, kLimits) {}

  void receive(std::string_view bytes) {
    if (seen_.refusal) return;
    pending_ += bytes;
    while (true) {
      const auto used = parser_.feed(pending_);
      HOLDFAST_CHECK(request_.body().size() <= kBodyMax);
      if (!used) {
        const auto code = used.error().code;
        HOLDFAST_CHECK(code == ErrorCode::invalid_request || code == ErrorCode::headers_too_large ||
                       code == ErrorCode::too_large);
        seen_.refusal = code;
        return;
      }
      HOLDFAST_CHECK(*used <= pending_.size());
      pending_.erase(0, *used);
      if (parser_.state() != Parser::State::complete) return;
      seen_.requests.push_back(text_of(request_));
      parser_.reset();
    }
  }
  [[nodiscard]] const Seen& seen() const noexcept { return seen_; }

 private:
  Request request_;
  Parser parser_;
  std::string pending_;
  Seen seen_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::size_t> pieces;
  while (size > 0 && *data != 0 && pieces.size() < 16) {
    pieces.push_back(*data);
    ++data;
    --size;
  }
  if (size > 0) {
    ++data;
    --size;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Connection whole;
  whole.receive(bytes);
  whole.receive(kEndOfAll);

  Connection split;
  std::size_t at = 0;
  for (std::size_t i = 0; at < bytes.size() && !pieces.empty(); ++i) {
    const auto piece = bytes.substr(at, pieces[i % pieces.size()]);
    split.receive(piece);
    at += piece.size();
  }
  split.receive(bytes.substr(at));
  split.receive(kEndOfAll);
  HOLDFAST_CHECK(agree(whole.seen(), split.seen()));
  return 0;
}
