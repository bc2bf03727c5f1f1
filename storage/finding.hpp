// Finding: something in a store that is not as it must be. What `holdfast check --deep` tells.
#pragma once

#include <functional>
#include <string>
#include <utility>

namespace holdfast {

struct Finding {
  std::string where;   // "session chat-1", "object counter/a", "index", "tables"
  std::string what;    // a sentence
  std::string advice;  // what to do
};
using Findings = std::function<void(Finding&&)>;

}  // namespace holdfast
