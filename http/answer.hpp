// Answer: what a handler says, and how it becomes the bytes of one HTTP/1.1 response.
//
// A handler fills the Answer of its I/O thread, whose strings are reused; append_answer puts head and body straight
// into the connection's output buffer, so that several pipelined answers leave in one write. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::http {

inline constexpr std::string_view kJsonType = "application/json";
inline constexpr std::string_view kProblemType = "application/problem+json";

struct Answer {
  int status = 200;
  std::string_view content_type = kJsonType;  // static storage; empty: it is among the headers, or there is none
  std::string headers;                        // further lines, each with its line end
  std::string body;

  void clear() noexcept;
  // `value` holds no control characters: it is of our making, or was checked to be a name.
  void add_header(std::string_view name, std::string_view value);
};

struct Framing {
  enum class Connection : std::uint8_t { implied, keep_alive, close };
  enum class Body : std::uint8_t { sent, left_out };  // left out for HEAD
  std::string_view request_id;
  Connection connection = Connection::implied;
  Body body = Body::sent;
};

void append_answer(std::string& out, const Answer& answer, const Framing& framing);
// The head of an answer whose body has no known length: in chunks, or up to the end of the connection (HTTP/1.0).
enum class StreamCoding : std::uint8_t { chunked, until_close };
void append_stream_head(std::string& out, const Answer& answer, std::string_view request_id, StreamCoding coding);
void append_chunk(std::string& out, std::string_view data);

}  // namespace holdfast::http
