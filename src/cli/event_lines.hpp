// The `data:` lines of a stream of Server-Sent Events (WHATWG HTML, 9.2), as they come in pieces of any size.
//
// The server sends an event's data in one line, so each line is one event's. A line ends with LF; a CR before it is not
// the data's.
#pragma once

#include <string>
#include <string_view>

namespace holdfast::cli {

class EventLines {
 public:
  template <class Each>
  void feed(std::string_view piece, const Each& each) {
    buffer_ += piece;
    std::size_t from = 0;
    for (std::size_t end = 0; (end = buffer_.find('\n', from)) != std::string::npos; from = end + 1) {
      auto line = std::string_view(buffer_).substr(from, end - from);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.starts_with("data:")) each(line.substr(line.starts_with("data: ") ? 6 : 5));
    }
    buffer_.erase(0, from);
  }

 private:
  std::string buffer_;
};

}  // namespace holdfast::cli
