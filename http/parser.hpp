// Parser: turns the bytes of one connection into Requests, by Beast's event parser (RFC 9112, strict line ends).
//
// Feed it what was read; it consumes at most one request and says when that request is complete. It allocates nothing
// of its own: all text goes into the Request's reused buffers. One thread.
//
// Limits: the whole head (start line, fields, trailers) is bounded by header_bytes_max, the decoded body by what
// `body_limit` says for the request; one that is taken in parts is bounded by how much is fed. What a proxy in front
// could read differently is refused: a Transfer-Encoding that is not exactly chunked, a missing or second Host,
// conflicting lengths.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/request.hpp"

namespace holdfast::http {

// How large the body of this request may be; nothing for one that is taken in parts, which nobody has to hold. Called
// once its start line is known.
using BodyLimit = std::optional<std::uint64_t> (*)(const Request&, const void* context);

struct ParserLimits {
  std::uint64_t header_bytes_max = 16 << 10;
  BodyLimit body_limit = nullptr;
  const void* context = nullptr;
};

class Parser {
 public:
  enum class State : std::uint8_t { empty, head, body, complete };

  Parser(Request& request, const ParserLimits& limits);

  // Consumes a prefix of `bytes` and returns its size. After an error the connection cannot be read any further.
  // Errors: invalid_request, headers_too_large, too_large.
  [[nodiscard]] Result<std::size_t> feed(std::string_view bytes);
  [[nodiscard]] State state() const noexcept;
  // Makes ready for the next request and clears this one.
  void reset();

 private:
  class Events final : public boost::beast::http::basic_parser<true> {
   public:
    Events(Request& request, const ParserLimits& limits);
    std::string_view fault;  // why one of the functions below refused

   private:
    using Code = boost::beast::error_code;
    using Text = boost::beast::string_view;
    using Size = boost::optional<std::uint64_t>;
    void on_request_impl(Verb, Text method, Text target, int version, Code&) override;
    void on_response_impl(int, Text, int, Code&) override {}
    void on_field_impl(boost::beast::http::field, Text name, Text value, Code&) override;
    void on_header_impl(Code&) override;
    void on_body_init_impl(const Size& length, Code&) override;
    std::size_t on_body_impl(Text body, Code&) override;
    void on_chunk_header_impl(std::uint64_t, Text, Code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, Text body, Code&) override;
    void on_finish_impl(Code&) override {}
    void count_head(std::size_t bytes, Code&);
    void refuse(std::string_view why, Code&);

    Request& request_;
    const ParserLimits& limits_;
    std::uint64_t head_bytes_ = 0;
    int hosts_ = 0;
    bool transfer_encoding_ = false;
  };

  [[nodiscard]] Error error_of(const boost::beast::error_code& code) const;

  Request& request_;
  ParserLimits limits_;
  std::optional<Events> events_;
};

}  // namespace holdfast::http
