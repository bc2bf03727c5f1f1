// holdfast check and completion.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <holdfast/engine.hpp>

#include "src/cli/cli.hpp"

namespace holdfast::cli {
namespace {

// Opens the store as a server would, and counts what a listing finds.
int check(const std::string& data) {
  if (!std::filesystem::exists(std::filesystem::path(data))) return complain(kStore, "there is no directory " + data);
  Options options;
  options.data = data;
  auto engine = Engine::open(options);
  if (!engine)
    return complain(engine.error().code == ErrorCode::invalid_request ? kUsage : kStore, engine.error().detail);
  std::uint64_t sessions = 0;
  std::uint64_t messages = 0;
  std::uint64_t queued = 0;
  SessionQuery query;
  query.limit = 1'000;
  do {
    auto page = (*engine)->list(query);
    if (!page) return complain(kStore, page.error().detail);
    for (const auto& session : page->items) {
      ++sessions;
      messages += session.last_seq;
      queued += session.queued;
    }
    query.cursor = page->next;
  } while (!query.cursor.empty());
  std::printf("store %s: %llu sessions, %llu messages, %llu queued\n", (*engine)->store_id().c_str(),
              static_cast<unsigned long long>(sessions), static_cast<unsigned long long>(messages),
              static_cast<unsigned long long>(queued));
  return kOk;
}

std::string words(const CLI::App& app) {
  std::string list;
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // hidden
    for (const auto& name : option->get_lnames()) list += (list.empty() ? "--" : " --") + name;
  }
  return list;
}

// The scripts are made from the commands as they are, so they never lag behind.
int completion(const CLI::App& app, const std::string& shell) {
  std::string commands;
  std::string cases;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    commands += (commands.empty() ? "" : " ") + command->get_name();
    cases += "    " + command->get_name() + ") words=\"" + words(*command) + "\" ;;\n";
  }
  const std::string body =
      "_holdfast() {\n  local words current=\"${COMP_WORDS[COMP_CWORD]}\"\n  case \"${COMP_WORDS[1]}\" in\n" + cases +
      "    *) words=\"" + commands +
      "\" ;;\n  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n}\n"
      "complete -o default -F _holdfast holdfast\n";
  if (shell == "zsh") std::printf("autoload -U +X bashcompinit && bashcompinit\n");
  std::printf("%s", body.c_str());
  return kOk;
}

}  // namespace

void add_check(CLI::App& app, int& exit) {
  auto data = std::make_shared<std::string>("data");
  auto* command = app.add_subcommand("check", "open a store that no server uses, and say what is in it");
  command->add_option("--data", *data, "directory of the store [./data]")->envname("HOLDFAST_DATA")->type_name("DIR");
  command->footer("Exit code 3 when the store is refused: in use, damaged, or of a newer version.\n");
  command->callback([data, &exit] { exit = check(*data); });
}

void add_completion(CLI::App& app, int& exit) {
  auto shell = std::make_shared<std::string>("bash");
  auto* command = app.add_subcommand("completion", "print the completion script of a shell");
  command->add_option("shell", *shell, "bash or zsh")->check(CLI::IsMember({"bash", "zsh"}));
  command->footer("Example:\n  source <(holdfast completion bash)\n");
  command->callback([shell, &app, &exit] { exit = completion(app, *shell); });
}

}  // namespace holdfast::cli
