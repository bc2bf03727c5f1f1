#include "http/parser.hpp"

#include <boost/asio/buffer.hpp>

namespace holdfast::http {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;

std::string_view view(beast::string_view text) noexcept { return {text.data(), text.size()}; }

}  // namespace

Parser::Events::Events(Request& request, const ParserLimits& limits) : request_(request), limits_(limits) {
  eager(true);
  header_limit(static_cast<std::uint32_t>(limits.header_bytes_max));
}

// Beast bounds a single line; the head as a whole is counted here.
void Parser::Events::count_head(std::size_t bytes, Code& ec) {
  head_bytes_ += bytes;
  if (head_bytes_ > limits_.header_bytes_max) ec = bhttp::error::header_limit;
}

void Parser::Events::refuse(std::string_view why, Code& ec) {
  fault = why;
  ec = bhttp::error::bad_value;
}

void Parser::Events::on_request_impl(Verb verb, Text method, Text target, int version, Code& ec) {
  constexpr std::size_t kSpacesVersionAndLineEnd = 12;
  count_head(method.size() + target.size() + kSpacesVersionAndLineEnd, ec);
  if (ec) return;
  request_.set_start_line(verb, view(target), version);
  if (!request_.path().starts_with('/') && !(verb == Verb::options && request_.path() == "*"))
    return refuse("the request target must be a path", ec);
  if (limits_.body_limit == nullptr) return;
  const auto max = limits_.body_limit(request_, limits_.context);
  if (!max) request_.take_in_parts();
  body_limit(max ? boost::optional<std::uint64_t>(*max) : boost::none);
}

void Parser::Events::on_field_impl(bhttp::field name, Text name_text, Text value, Code& ec) {
  constexpr std::size_t kColonSpaceAndLineEnd = 4;
  count_head(name_text.size() + value.size() + kColonSpaceAndLineEnd, ec);
  if (ec || is_header_done()) return;  // trailers count, and are dropped
  if (name == bhttp::field::host) ++hosts_;
  if (name == bhttp::field::transfer_encoding) {
    if (transfer_encoding_ || !equal_ignoring_case(view(value), "chunked"))
      return refuse("only \"Transfer-Encoding: chunked\" is understood", ec);
    transfer_encoding_ = true;
  }
  if (name == bhttp::field::expect && request_.version() == 11 && equal_ignoring_case(view(value), "100-continue"))
    request_.expect_continue();
  request_.add_field(view(name_text), view(value));
}

void Parser::Events::on_header_impl(Code& ec) {
  count_head(2, ec);
  if (ec) return;
  const bool http11 = request_.version() == 11;
  if (hosts_ > 1 || (http11 && hosts_ == 0)) return refuse("a request needs one Host header", ec);
  if (transfer_encoding_ && !http11) return refuse("HTTP/1.0 has no Transfer-Encoding", ec);
  request_.set_persistence(keep_alive() ? Request::Persistence::keep_alive : Request::Persistence::close);
}

void Parser::Events::on_body_init_impl(const Size& length, Code&) {
  // A length is a promise, not bytes: reserve little, so that silent connections cost little.
  constexpr std::uint64_t kReserveMax = 256 << 10;
  if (length && !request_.in_parts()) request_.reserve_body(std::min(*length, kReserveMax));
}

std::size_t Parser::Events::on_body_impl(Text body, Code&) {
  request_.append_body(view(body));
  return body.size();
}

std::size_t Parser::Events::on_chunk_body_impl(std::uint64_t, Text body, Code&) {
  request_.append_body(view(body));
  return body.size();
}

Parser::Parser(Request& request, const ParserLimits& limits) : request_(request), limits_(limits) { reset(); }

void Parser::reset() {
  request_.clear();
  events_.emplace(request_, limits_);
}

Parser::State Parser::state() const noexcept {
  if (events_->is_done()) return State::complete;
  if (events_->is_header_done()) return State::body;
  return events_->got_some() ? State::head : State::empty;
}

Result<std::size_t> Parser::feed(std::string_view bytes) {
  std::size_t consumed = 0;
  while (consumed < bytes.size() && !events_->is_done()) {
    beast::error_code ec;
    const auto rest = bytes.substr(consumed);
    // Empty lines before a request are skipped (RFC 9112 2.2).
    if (!events_->got_some() && rest.starts_with("\r\n")) {
      consumed += 2;
      continue;
    }
    if (!events_->got_some() && rest == "\r") break;
    const auto used = events_->put(boost::asio::buffer(rest.data(), rest.size()), ec);
    consumed += used;
    if (ec == bhttp::error::need_more) {
      // What is left is one unfinished line: of the head, of a chunk's size, or the trailers.
      if (bytes.size() - consumed > limits_.header_bytes_max)
        return tl::unexpected(error_of(bhttp::error::header_limit));
      break;
    }
    if (ec) return tl::unexpected(error_of(ec));
    if (used == 0) break;
  }
  return consumed;
}

Error Parser::error_of(const beast::error_code& code) const {
  if (code == bhttp::error::header_limit)
    return {ErrorCode::headers_too_large,
            "the head is over header_bytes_max = " + std::to_string(limits_.header_bytes_max),
            {},
            0,
            {}};
  if (code == bhttp::error::body_limit) {
    const auto max = limits_.body_limit != nullptr ? limits_.body_limit(request_, limits_.context).value_or(0) : 0;
    return {ErrorCode::too_large, "the body is over the limit of " + std::to_string(max) + " bytes", {}, 0, {}};
  }
  const std::string why = events_->fault.empty() ? code.message() : std::string(events_->fault);
  return {ErrorCode::invalid_request, "not a valid HTTP/1.1 request: " + why, {}, 0, {}};
}

}  // namespace holdfast::http
