#include "http/answer.hpp"

#include <ostream>  // Boost 1.81 string_view names it and does not include it

#include <boost/beast/http/status.hpp>
#include <charconv>

#include "src/core/json.hpp"

namespace holdfast::http {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

void append_start(std::string& out, const Answer& answer, std::string_view request_id) {
  const auto reason = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(answer.status));
  out += "HTTP/1.1 ";
  json::append_number(out, static_cast<std::uint64_t>(answer.status));
  out += ' ';
  out.append(reason.data(), reason.size());
  out += "\r\nRequest-Id: ";
  out += request_id;
  out += kLineEnd;
  out += answer.headers;
}

}  // namespace

void Answer::clear() noexcept {
  status = 200;
  content_type = kJsonType;
  headers.clear();
  body.clear();
}

void Answer::add_header(std::string_view name, std::string_view value) {
  headers += name;
  headers += ": ";
  headers += value;
  headers += kLineEnd;
}

void append_answer(std::string& out, const Answer& answer, const Framing& framing) {
  append_start(out, answer, framing.request_id);
  if (framing.connection == Framing::Connection::close) out += "Connection: close\r\n";
  if (framing.connection == Framing::Connection::keep_alive) out += "Connection: keep-alive\r\n";
  if (answer.status == 204) {  // RFC 9110 8.6: no body, no length
    out += kLineEnd;
    return;
  }
  if (!answer.content_type.empty()) {
    out += "Content-Type: ";
    out += answer.content_type;
    out += kLineEnd;
  }
  out += "Content-Length: ";
  json::append_number(out, answer.body.size());
  out += "\r\n\r\n";
  if (framing.body == Framing::Body::sent) out += answer.body;
}

void append_stream_head(std::string& out, const Answer& answer, std::string_view request_id, StreamCoding coding) {
  append_start(out, answer, request_id);
  out += "Content-Type: ";
  out += answer.content_type;
  out += coding == StreamCoding::chunked ? "\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                                         : "\r\nConnection: close\r\n\r\n";
}

void append_chunk(std::string& out, std::string_view data) {
  char hex[16];
  const auto end = std::to_chars(hex, hex + sizeof hex, data.size(), 16).ptr;
  out.append(hex, end);
  out += kLineEnd;
  out += data;
  out += kLineEnd;
}

}  // namespace holdfast::http
