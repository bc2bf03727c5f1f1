// An agent that calls tools, on durable sessions: a message is a turn, and a turn goes on where it was when the process
// died. `examples/agent_session/README.md` shows it with curl.
#include <simdjson.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <holdfast/serve.hpp>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include "json.hpp"
#include "model.hpp"
#include "tool_log.hpp"

namespace {

using holdfast::Engine;
using holdfast::Json;
using holdfast::Message;
using holdfast::Turn;
using simdjson::dom::element;

constexpr std::uint64_t kHistory = 100;  // messages that the model is reminded of
constexpr unsigned kStepsMax = 100;      // of a turn

template <class T>
T value_of(holdfast::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().detail);
  return std::move(*result);
}

std::string user(const std::string& text) { return R"({"role":"user","content":)" + json_string(text) + "}"; }

// What a message says: text as it is, other content as JSON.
std::string content_of(const Message& message) {
  simdjson::dom::parser parser;
  element content;
  if (parser.parse(message.turn)["content"].get(content) != simdjson::SUCCESS) return {};
  return content.is_string() ? std::string(std::string_view(content)) : simdjson::minify(content);
}

// One turn of the agent. What the model reads is put together from what is on disk: the session's former messages, and
// the steps that this turn has taken already, perhaps in a process that died.
class AgentTurn {
 public:
  AgentTurn(Engine& engine, Turn& turn, const std::string& program)
      : engine_(engine), turn_(turn), model_(program), stop_(turn.stop_token(), [this] { model_.kill(); }) {}

  void run() {
    emit("agent.started", R"({"attempt":)" + std::to_string(turn_.delivery().attempt) + R"(,"model_pid":)" +
                              std::to_string(model_.pid()) + "}");
    remember();
    catch_up();
    while (steps_ < kStepsMax) {
      hear_steers();
      const auto said = ask();
      if (turn_.cancelled()) return;
      if (!said.answer) take_step(said.call);
      else if (!hear_steers()) return finish(*said.answer);  // one that was steered meanwhile is no answer any more
    }
    (void)turn_.fail({"too_many_steps", false, 0, "the model found no answer"});
  }

 private:
  struct Said {
    std::optional<std::string> answer;
    std::string call;  // of a tool, as the model wrote it
  };

  void emit(std::string type, Json data) { (void)turn_.emit(std::move(type), std::move(data)); }

  // The completed messages of the session, each with what steered it and its answer.
  void remember() {
    holdfast::MessageQuery query;
    query.state = holdfast::MessageState::completed;
    query.limit = kHistory;
    query.after_seq = turn_.message().seq - std::min(turn_.message().seq, kHistory);
    const auto page = value_of(engine_.messages(turn_.session().session, query));
    std::multimap<std::string, std::string> steers;
    for (const auto& one : page.items)
      if (!one.steered_into.empty()) steers.emplace(one.steered_into, user(content_of(one)));
    for (const auto& one : page.items) {
      if (!one.steered_into.empty()) continue;
      talk_.push_back(user(content_of(one)));
      const auto [begin, end] = steers.equal_range(one.message);
      for (auto steer = begin; steer != end; ++steer) talk_.push_back(steer->second);
      simdjson::dom::parser parser;
      std::string_view answer;
      if (parser.parse(one.result)["answer"].get(answer) == simdjson::SUCCESS)
        talk_.push_back(R"({"role":"assistant","content":)" + json_string(answer) + "}");
    }
  }

  // The message itself, and the steps that its turn has taken before.
  void catch_up() {
    talk_.push_back(user(turn_.text()));
    const auto log = value_of(engine_.call("tool_log", turn_.session().session, {"GET", path(), ""}));
    simdjson::dom::parser parser;
    for (const element step : simdjson::dom::array(parser.parse(log.body)["steps"])) {
      std::string_view message;
      if (step["message"].get(message) == simdjson::SUCCESS) heard_.emplace(message);
      talk_.push_back(simdjson::minify(step));
      ++steps_;
    }
  }

  // Takes in what was steered into the turn; false when there was nothing new. A turn that runs again is steered again.
  bool hear_steers() {
    bool any = false;
    for (const auto& message : turn_.take_steers()) {
      if (!heard_.insert(message.message).second) continue;
      any = true;
      write_down(R"({"role":"user","message":)" + json_string(message.message) + R"(,"content":)" +
                 json_string(content_of(message)) + "}");
      emit("agent.steered", R"({"message":)" + json_string(message.message) + "}");
    }
    return any;
  }

  Said ask() {
    std::string messages;
    for (const auto& one : talk_) (messages += messages.empty() ? "" : ",") += one;
    model_.say(R"({"messages":[)" + messages + "]}");
    for (;;) {
      const auto line = model_.hear();
      simdjson::dom::parser parser;
      element said;
      std::string_view text;
      if (parser.parse(line).get(said) != simdjson::SUCCESS) throw ModelGone("the model said what is no JSON");
      if (said["delta"].get(text) == simdjson::SUCCESS) emit("agent.delta", R"({"text":)" + json_string(text) + "}");
      else if (said["answer"].get(text) == simdjson::SUCCESS) return {std::string(text), {}};
      else if (said["tool"].get(text) == simdjson::SUCCESS) return {std::nullopt, line};
      else throw ModelGone("the model said neither delta nor tool nor answer");
    }
  }

  void take_step(const std::string& call) { emit("agent.tool", write_down(call)); }

  // The next step of this turn, once, however often it is taken; as it was taken the first time.
  std::string write_down(const std::string& step) {
    const auto number = std::to_string(++steps_);
    const auto taken =
        value_of(engine_.call("tool_log", turn_.session().session, {"POST", path() + "/" + number, step}));
    if (taken.status != 200) throw std::runtime_error(taken.body);
    return talk_.emplace_back(taken.body);
  }

  void finish(const std::string& answer) {
    (void)turn_.complete(R"({"answer":)" + json_string(answer) + R"(,"steps":)" + std::to_string(steps_ + 1) + "}");
  }

  [[nodiscard]] std::string path() const { return "/turns/" + turn_.message().message; }

  Engine& engine_;
  Turn& turn_;
  Model model_;
  const std::stop_callback<std::function<void()>> stop_;  // an interrupt ends the model in the middle of a word
  std::vector<std::string> talk_;                         // what the model reads, each a message in JSON
  std::set<std::string, std::less<>> heard_;              // the messages that steered this turn
  unsigned steps_ = 0;
};

// The stub lies beside this program; AGENT_MODEL names another model.
std::string model_program() {
  if (const char* program = std::getenv("AGENT_MODEL")) return program;
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "model_stub";
}

void run(Engine& engine, Turn& turn, const std::string& program) {
  try {
    AgentTurn(engine, turn, program).run();
  } catch (const ModelGone& gone) {
    if (turn.cancelled()) return;
    (void)turn.emit("agent.model_gone", R"({"detail":)" + json_string(gone.what()) + "}");
    (void)turn.fail({"model_gone", true, 0, gone.what()});
  }
}

}  // namespace

int main(int argc, char** argv) {
  return holdfast::serve(
      argc, argv, [](holdfast::Options& options) { options.register_class<ToolLog>("tool_log"); },
      [](Engine& engine) {
        engine.on_turn("agent", [&engine, program = model_program()](Turn& turn) { run(engine, turn, program); });
      });
}
