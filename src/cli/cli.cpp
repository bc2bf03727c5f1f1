#include "src/cli/cli.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "src/cli/version.hpp"

namespace holdfast::cli {

int complain(int code, const std::string& what) {
  const bool coloured = ::isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  std::fprintf(stderr, coloured ? "\033[31mholdfast:\033[0m %s\n" : "holdfast: %s\n", what.c_str());
  return code;
}

int run(int argc, char** argv) {
  int exit = kOk;
  CLI::App app{"Durable sessions: messages are admitted on disk, exactly once and in order, and handed to workers."};
  app.name("holdfast");
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  app.footer("`holdfast COMMAND --help` shows examples of each.");
  add_serve(app, exit);
  add_send(app, exit);
  add_tail(app, exit);
  add_sessions(app, exit);
  add_claim(app, exit);
  add_backup(app, exit);
  add_restore(app, exit);
  add_export(app, exit);
  add_import(app, exit);
  add_check(app, exit);
  add_bench(app, exit);
  add_torture(app, exit);
  add_completion(app, exit);
  app.add_subcommand("version", "print the version")->callback([] { std::printf("holdfast %s\n", kVersion); });
  return parse(app, argc, argv, exit);
}

int parse(CLI::App& app, int argc, char** argv, const int& exit) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    const auto used = app.get_subcommands();
    const std::string where = used.empty() ? "" : " " + used.front()->get_name();
    return complain(kUsage,
                    std::string(error.what()) + "; `" + app.get_name() + where + " --help` shows what there is");
  }
  return exit;
}

}  // namespace holdfast::cli
