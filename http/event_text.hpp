// One event as text/event-stream has it (WHATWG HTML, 9.2). Its type is one line: the kernel takes no other.
#pragma once

#include <holdfast/types.hpp>
#include <string>

namespace holdfast::http {

void append_event(std::string& out, const Event& event);

}  // namespace holdfast::http
