// The model of this example: a stand-in that always says the same to the same conversation. It obeys what the user said
// last:
//
//     add A B       asks for the tool add, and tells the sum
//     now           asks for the tool now, and tells the time
//     note TEXT     asks for the tool note
//     count to N    asks for the tool note N times, once a step: a long turn
//     recall        tells what was said before
//
// and repeats everything else. It speaks the protocol of model.hpp, one word every MODEL_STUB_PAUSE_MS (50).
#include <simdjson.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "json.hpp"

namespace {

using simdjson::dom::array;
using simdjson::dom::element;

// The conversation, as far as it matters here.
struct Heard {
  std::vector<std::string> before;   // what the user said before
  std::string last;                  // and last
  std::vector<std::string> results;  // of the tools, since then
};

Heard understood(array messages) {
  Heard heard;
  for (const element message : messages) {
    const std::string_view role = message["role"];
    if (role == "tool") heard.results.push_back(simdjson::minify(element(message["result"])));
    if (role != "user") continue;
    if (!heard.last.empty()) heard.before.push_back(heard.last);
    heard.last = std::string(std::string_view(message["content"]));
    heard.results.clear();
  }
  return heard;
}

void say(const std::string& line) { std::cout << line << std::endl; }

void think(const std::string& text) {
  static const char* const kPause = std::getenv("MODEL_STUB_PAUSE_MS");
  static const std::chrono::milliseconds kWait(kPause == nullptr ? 50 : std::atoi(kPause));
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    std::this_thread::sleep_for(kWait);
    say(R"({"delta":)" + json_string(word + " ") + "}");
  }
}

void answer(const std::string& text) {
  think(text);
  say(R"({"answer":)" + json_string(text) + "}");
}

void call(const std::string& tool, const std::string& arguments) {
  say(R"({"tool":)" + json_string(tool) + R"(,"arguments":[)" + arguments + "]}");
}

void respond(const Heard& heard) {
  std::istringstream words(heard.last);
  std::string verb;
  words >> verb;
  const auto done = heard.results.size();
  if (long a = 0, b = 0; verb == "add" && words >> a >> b) {
    const auto sum = std::to_string(a) + " + " + std::to_string(b);
    if (done != 0) return answer(sum + " = " + heard.results.back());
    think("let me see");
    return call("add", std::to_string(a) + "," + std::to_string(b));
  }
  if (verb == "now")
    return done == 0 ? call("now", "") : answer("it is " + heard.results.back() + " ms after the epoch");
  if (verb == "note" && heard.last.size() > 5)
    return done == 0 ? call("note", json_string(heard.last.substr(5)))
                     : answer("noted as number " + heard.results.back());
  std::string to;
  if (std::size_t n = 0; verb == "count" && words >> to >> n && to == "to") {
    if (done >= n) return answer("counted to " + std::to_string(n));
    const auto next = std::to_string(done + 1);
    think(next);
    return call("note", json_string(next));
  }
  if (verb == "recall") {
    std::string text;
    for (const auto& one : heard.before) text += (text.empty() ? "you said: " : "; ") + one;
    return answer(text.empty() ? "you said nothing yet" : text);
  }
  answer("you said: " + heard.last);
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    simdjson::dom::parser parser;
    array messages;
    if (parser.parse(line)["messages"].get(messages) != simdjson::SUCCESS) return 1;
    respond(understood(messages));
  }
}
