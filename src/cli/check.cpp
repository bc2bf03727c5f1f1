// holdfast check and completion.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <holdfast/engine.hpp>
#include <optional>

#include "src/cli/cli.hpp"
#include "src/cli/offline.hpp"
#include "src/cli/terminal.hpp"
#include "src/core/json.hpp"
#include "src/engine/verify_store.hpp"

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

struct CheckOptions {
  std::string data = "data";
  bool deep = false;
  bool json = false;
};

void print(const Finding& finding, const CheckOptions& o) {
  if (!o.json) {
    std::printf("%s %s: %s. %s\n", paint(Colour::red, "damaged:").c_str(), finding.where.c_str(), finding.what.c_str(),
                finding.advice.c_str());
    return;
  }
  std::string line;
  json::ObjectWriter(line).text("where", finding.where).text("what", finding.what).text("advice", finding.advice).end();
  std::printf("%s\n", line.c_str());
}

void print(const VerifiedStore& seen, std::uint64_t findings, const std::string& store, const CheckOptions& o) {
  if (o.json) {
    std::string line;
    json::ObjectWriter(line)
        .text("store", store)
        .number("sessions", seen.sessions)
        .number("objects", seen.objects)
        .number("index_rows", seen.index_rows)
        .number("findings", findings)
        .end();
    std::printf("%s\n", line.c_str());
    return;
  }
  std::printf("store %s: %llu sessions, %llu objects, %llu index rows looked at; %s\n", store.c_str(),
              static_cast<unsigned long long>(seen.sessions), static_cast<unsigned long long>(seen.objects),
              static_cast<unsigned long long>(seen.index_rows),
              findings == 0 ? paint(Colour::green, "all is well").c_str()
                            : paint(Colour::red, std::to_string(findings) + " found damaged").c_str());
}

// Reads every file and every row. No actor runs: nothing is sent, and no alarm rings.
int check_deep(const CheckOptions& o) {
  const auto offline = OfflineStore::open(o.data);
  if (!offline) return complain(exit_of(offline.error()), offline.error().detail);
  std::uint64_t findings = 0;
  std::optional<Progress> bar;
  const Findings tell = [&](Finding&& finding) {
    ++findings;
    print(finding, o);
  };
  const auto watch = [&](const char* what) {
    return [&bar, what](std::uint64_t done, std::uint64_t total) {
      if (!bar) bar.emplace(what, total);
      bar->at(done);
    };
  };
  const auto end = [&] {
    if (bar) bar->finish();
    bar.reset();
  };
  const auto tables = (*offline)->store().verify_tables(watch("tables, bytes"), [&](const std::string& what) {
    tell({"tables", what, "Keep a copy of the store, check the disk, and restore a backup."});
  });
  end();
  if (!tables) return complain(kStore, tables.error().detail);
  const std::function<void(std::uint64_t, std::uint64_t)> rows = watch("sessions and objects");
  const auto seen = verify_store((*offline)->store(), tell, rows);
  end();
  print(seen, findings, (*offline)->identity().id, o);
  return findings == 0 ? kOk : kStore;
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
  auto o = std::make_shared<CheckOptions>();
  auto* command = app.add_subcommand("check", "open a store that no server uses, and say what is in it");
  command->add_option("--data", o->data, "directory of the store [./data]")->envname("HOLDFAST_DATA")->type_name("DIR");
  command->add_flag("--deep", o->deep,
                    "read every file and every row, and say what does not fit together; nothing runs and is sent");
  command->add_flag("--json", o->json, "with --deep: one JSON document a finding, and one at the end");
  command->footer(
      "Exit code 3 when the store is refused (in use, damaged, of a newer version) or something in it is damaged.\n\n"
      "Examples:\n"
      "  holdfast check --data data\n"
      "  holdfast check --data restored --deep\n");
  command->callback([o, &exit] { exit = o->deep ? check_deep(*o) : check(o->data); });
}

void add_completion(CLI::App& app, int& exit) {
  auto shell = std::make_shared<std::string>("bash");
  auto* command = app.add_subcommand("completion", "print the completion script of a shell");
  command->add_option("shell", *shell, "bash or zsh")->check(CLI::IsMember({"bash", "zsh"}));
  command->footer("Example:\n  source <(holdfast completion bash)\n");
  command->callback([shell, &app, &exit] { exit = completion(app, *shell); });
}

}  // namespace holdfast::cli
