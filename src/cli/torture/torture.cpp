// holdfast torture: the server under load and harm, and whether it kept its word. docs/TORTURE.md
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "src/cli/cli.hpp"
#include "src/cli/terminal.hpp"
#include "src/cli/torture/arena.hpp"
#include "src/cli/torture/checker.hpp"
#include "src/cli/torture/end_state.hpp"
#include "src/cli/torture/mischief.hpp"
#include "src/cli/torture/report.hpp"
#include "src/cli/torture/server_process.hpp"

namespace holdfast::cli {
namespace {

using namespace torture;
namespace fs = std::filesystem;

constexpr std::chrono::seconds kDrainMax{180};

struct TortureOptions {
  double seconds = 30;
  std::uint64_t seed = 1;
  std::string faults;
  unsigned clients = 4;
  unsigned workers = 4;
  unsigned readers = 2;
  unsigned sessions = 24;
  unsigned ready_seconds = 60;
  std::string data;
  std::string json_file;
  std::string picture_file;
  bool keep = false;
  bool lies = false;
};

std::string all_harms() {
  std::string text;
  for (std::size_t i = 0; i < kHarms; ++i)
    text += (i == 0 ? "" : ",") + std::string(torture::name_of(static_cast<Harm>(i)));
  return text;
}

std::string command_of(const TortureOptions& o) {
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%g", o.seconds);
  std::string text = "holdfast torture --seed " + std::to_string(o.seed) + " --seconds " + seconds;
  if (!o.faults.empty()) text += " --faults " + o.faults;
  const TortureOptions defaults;
  const auto add = [&](const char* name, unsigned value, unsigned otherwise) {
    if (value != otherwise) text += std::string(" ") + name + " " + std::to_string(value);
  };
  add("--clients", o.clients, defaults.clients);
  add("--workers", o.workers, defaults.workers);
  add("--readers", o.readers, defaults.readers);
  add("--sessions", o.sessions, defaults.sessions);
  add("--ready-seconds", o.ready_seconds, defaults.ready_seconds);
  return text;
}

Result<std::vector<Harm>> harms_of(const std::string& list) {
  std::vector<Harm> harms;
  for (const auto& name : CLI::detail::split(list.empty() ? all_harms() : list, ',')) {
    const auto harm = parse_harm(name);
    if (!harm) return fail(ErrorCode::invalid_request, "--faults: \"" + name + "\" is none; there are " + all_harms());
    harms.push_back(*harm);
  }
  return harms;
}

// The folder of a run: a new one, removed in the end unless it shows something.
class Folder {
 public:
  static Result<Folder> make(const std::string& wanted) {
    std::error_code error;
    Folder folder;
    if (wanted.empty()) {
      auto pattern = (fs::temp_directory_path() / "holdfast-torture-XXXXXX").string();
      if (::mkdtemp(pattern.data()) == nullptr)
        return fail(ErrorCode::invalid_request, "cannot make " + pattern + "; name a folder with --data");
      folder.path = pattern;
      return folder;
    }
    folder.path = wanted;
    fs::create_directories(folder.path, error);
    if (error || !fs::is_empty(folder.path, error))
      return fail(ErrorCode::invalid_request,
                  "--data " + wanted + " must be a new or an empty folder: what it holds would be tortured");
    return folder;
  }
  fs::path path;
};

// The actors, each in a thread of its own.
class Crew {
 public:
  Crew() = default;
  ~Crew() { join(); }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  void add(std::unique_ptr<Actor> actor) {
    actors_.push_back(std::move(actor));
    threads_.emplace_back([actor = actors_.back().get()] { actor->run(); });
  }
  void join() {
    for (auto& thread : threads_)
      if (thread.joinable()) thread.join();
  }
  void take(History& history) {
    for (auto& actor : actors_) {
      auto operations = actor->take();
      history.operations.insert(history.operations.end(), std::make_move_iterator(operations.begin()),
                                std::make_move_iterator(operations.end()));
    }
  }

 private:
  std::vector<std::unique_ptr<Actor>> actors_;
  std::vector<std::thread> threads_;
};

// One line on a terminal, redrawn; a line every ten seconds elsewhere. On standard error.
class Status {
 public:
  explicit Status(const TortureOptions& o) : seconds_(o.seconds), terminal_(::isatty(STDERR_FILENO) != 0) {}

  void show(const Arena& arena, const Mischief& mischief) {
    const auto now = static_cast<double>(arena.now_us()) / 1e6;
    if (!terminal_ && now < next_) return;
    next_ = now + 10;
    char line[256];
    std::snprintf(line, sizeof line, "%5.1f/%g s  %llu operations  %llu admitted  %llu completed  %zu faults  %s", now,
                  seconds_, static_cast<unsigned long long>(arena.operations),
                  static_cast<unsigned long long>(arena.admitted), static_cast<unsigned long long>(arena.completed),
                  mischief.done().size(), mischief.done().empty() ? "" : mischief.done().back().what.c_str());
    say(line);
  }
  void say(const std::string& text) const {
    std::fprintf(stderr, terminal_ ? "\r\033[K%.100s" : "%s\n", text.c_str());
    std::fflush(stderr);
  }
  ~Status() {
    if (terminal_) std::fprintf(stderr, "\r\033[K");
  }
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

 private:
  double seconds_;
  bool terminal_;
  double next_ = 10;
};

// Load and harm, then calm, and the whole state. What went wrong besides what the checker will find.
std::optional<Violation> torment(const TortureOptions& o, Arena& arena, Mischief& mischief, History& history) {
  Status status(o);
  Crew readers;
  Crew workers;
  auto bad = mischief.begin();
  if (bad) return bad;
  unsigned number = 0;
  {
    Crew clients;
    for (unsigned i = 0; i < o.clients; ++i) clients.add(make_admitter(arena, ++number));
    for (unsigned i = 0; i < o.workers; ++i) workers.add(make_worker(arena, ++number));
    for (unsigned i = 0; i < o.readers; ++i) readers.add(make_reader(arena, ++number));
    std::mt19937_64 random(o.seed);
    while (!bad && static_cast<double>(arena.now_us()) < o.seconds * 1e6) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100 + random() % 700));
      bad = mischief.once();
      status.show(arena, mischief);
    }
    arena.phase = Phase::drain;
    if (!bad) bad = mischief.settle();
    if (bad) arena.phase = Phase::end;
    clients.join();
    clients.take(history);
  }
  const auto unavailable = [](const Error& error) { return Violation{Rule::available, error.detail, {}, {}, {}}; };
  if (!bad) {
    status.say("draining");
    if (auto ok = drain(arena, kDrainMax); !ok) bad = unavailable(ok.error());
  }
  if (!bad) bad = mischief.settle();  // what is read now is what is on disk
  if (!bad)
    if (auto ok = read_end_state(arena, history); !ok) bad = unavailable(ok.error());
  arena.phase = Phase::end;
  if (bad) arena.port = 0;
  for (auto* crew : {&workers, &readers}) {
    crew->join();
    crew->take(history);
  }
  history.operations.insert(history.operations.end(), mischief.looks().begin(), mischief.looks().end());
  return bad;
}

bool write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  return static_cast<bool>(out.flush());
}

int complain_of(const Verdict& verdict, const History& history, const TortureOptions& o, const fs::path& folder) {
  const auto& first = *std::min_element(verdict.violations.begin(), verdict.violations.end(),
                                        [](const auto& a, const auto& b) { return a.rule < b.rule; });
  std::map<std::string_view, std::uint64_t> more;
  for (const auto& v : verdict.violations) ++more[torture::name_of(v.rule)];
  std::fprintf(stderr, "%s %s\n",
               paint(Colour::red, "violation of " + std::string(torture::name_of(first.rule)) + ":").c_str(),
               first.sentence.c_str());
  for (const auto& [rule, count] : more)
    std::fprintf(stderr, "  %-16s %llu\n", std::string(rule).c_str(), static_cast<unsigned long long>(count));
  const auto smallest = folder / "violation.ndjson";
  const auto whole = folder / "history.ndjson";
  (void)write_file(whole.string(), to_ndjson(history));
  if (first.session.empty()) {
    std::fprintf(stderr, "what was done:          %s\n", whole.c_str());
  } else {
    (void)write_file(smallest.string(), to_ndjson(shrink(history, first)));
    std::fprintf(stderr, "what is needed to see it: %s\neverything:               %s\n", smallest.c_str(),
                 whole.c_str());
  }
  std::fprintf(stderr, "the server's log:         %s\nseed %llu; to repeat:     %s\n", (folder / "server.log").c_str(),
               static_cast<unsigned long long>(o.seed), command_of(o).c_str());
  return kRefused;
}

int torture_server(const TortureOptions& o) {
  auto harms = harms_of(o.faults);
  if (!harms) return complain(kUsage, harms.error().detail);
  auto folder = Folder::make(o.data);
  if (!folder) return complain(kUsage, folder.error().detail);
  const auto& path = folder->path;
  const ServerProcess::Place place{path / "store", path / "control", path / "server.log"};
  auto control = FaultControl::open(place.control);
  if (!control) return complain(kUsage, control.error().detail);
  std::signal(SIGPIPE, SIG_IGN);

  History history;
  Arena arena(o.seed, o.sessions);
  ServerProcess server(place);
  Mischief::Settings settings{*harms, o.seed, std::chrono::seconds(o.ready_seconds), o.lies};
  Mischief mischief(arena, server, **control, place.store, settings);
  const auto bad = torment(o, arena, mischief, history);
  server.kill();
  Verdict verdict;
  if (bad) verdict.violations.push_back(*bad);
  else verdict = check(history);
  verdict.facts[static_cast<std::size_t>(Rule::available)] = 1 + mischief.done().size();

  const auto all_us = static_cast<double>(arena.now_us());
  const auto harm_us = mischief.done().empty() ? all_us : static_cast<double>(mischief.done().back().end_us);
  const Report report{o.seed,  command_of(o),   all_us / 1e6,        harm_us / 1e6,
                      history, mischief.done(), mischief.restarts(), verdict};
  print_summary(report);
  std::fflush(stdout);
  if (!o.json_file.empty() && !write_file(o.json_file, torture::to_json(report)))
    (void)complain(kUsage, "cannot write " + o.json_file);
  if (!o.picture_file.empty() && !write_file(o.picture_file, to_svg(report)))
    (void)complain(kUsage, "cannot write " + o.picture_file);
  if (!verdict.violations.empty()) return complain_of(verdict, history, o, path);
  std::printf("%s\n", paint(Colour::green, "the server kept its word").c_str());
  if (o.keep) {
    (void)write_file((path / "history.ndjson").string(), to_ndjson(history));
    std::printf("kept: %s\n", path.c_str());
  } else {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  return kOk;
}

}  // namespace

void add_torture(CLI::App& app, int& exit) {
  auto o = std::make_shared<TortureOptions>();
  auto* command = app.add_subcommand("torture", "do harm to a server under load, and check that it keeps its word");
  command->add_option("--seconds", o->seconds, "how long harm is done [30]")->check(CLI::Range(1.0, 86'400.0));
  command->add_option("--seed", o->seed, "what the faults and the load are drawn from [1]");
  command->add_option("--faults", o->faults, "which, separated by commas [" + all_harms() + "]");
  command->add_option("--clients", o->clients, "that admit [4]")->check(CLI::Range(1, 256));
  command->add_option("--workers", o->workers, "that take turns [4]")->check(CLI::Range(1, 256));
  command->add_option("--readers", o->readers, "that follow events [2]")->check(CLI::Range(0, 256));
  command->add_option("--sessions", o->sessions, "that all of it goes to [24]")->check(CLI::Range(1, 10'000));
  command->add_option("--ready-seconds", o->ready_seconds, "a start or an answer that takes longer is a hang [60]")
      ->check(CLI::Range(1, 3'600));
  command->add_option("--data", o->data, "a new or empty folder [a temporary one]")->type_name("DIR");
  command->add_flag("--keep", o->keep, "keep the folder, with the whole history, when all is well, too");
  command->add_option("--json", o->json_file, "the summary, as JSON, into this file")->type_name("FILE");
  command->add_option("--picture", o->picture_file, "rates and faults over the time, as SVG, into this file")
      ->type_name("FILE");
  command->add_flag("--lie", o->lies, "for tests: every kill takes the end of the log with it")->group("");
  command->footer(
      "Exit code 0: every promise was kept. 1: one was broken; what is printed says which, and how to repeat it.\n\n"
      "Examples:\n"
      "  holdfast torture                                      30 seconds of everything\n"
      "  holdfast torture --seconds 600 --seed 7 --picture torture.svg\n"
      "  holdfast torture --faults kill,clock --clients 16     only these\n");
  command->callback([o, &exit] { exit = torture_server(*o); });
}

}  // namespace holdfast::cli
