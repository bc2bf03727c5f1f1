// The command line: `holdfast COMMAND [options]`. Each command has a file; this one puts them together.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace holdfast::cli {

// Exit codes, promised to scripts.
enum Exit : int {
  kOk = 0,
  kRefused = 1,  // the server refused a request, or work was left undone
  kUsage = 2,    // usage or configuration
  kStore = 3,    // the store refused: corruption, lock held, newer format
};

[[nodiscard]] int run(int argc, char** argv);
// Parses, runs what was asked for, and returns the exit code.
[[nodiscard]] int parse(CLI::App& app, int argc, char** argv, const int& exit);

// Adds one command to `app`; the command leaves its exit code in `exit`, which outlives the parse.
void add_serve(CLI::App& app, int& exit);
void add_send(CLI::App& app, int& exit);
void add_tail(CLI::App& app, int& exit);
void add_sessions(CLI::App& app, int& exit);
void add_claim(CLI::App& app, int& exit);
void add_backup(CLI::App& app, int& exit);
void add_restore(CLI::App& app, int& exit);
void add_export(CLI::App& app, int& exit);
void add_import(CLI::App& app, int& exit);
void add_check(CLI::App& app, int& exit);
void add_bench(CLI::App& app, int& exit);
void add_torture(CLI::App& app, int& exit);
void add_completion(CLI::App& app, int& exit);

// Says what went wrong, and what to do, on standard error; returns `code`.
[[nodiscard]] int complain(int code, const std::string& what);

}  // namespace holdfast::cli
