// holdfast backup and restore.
#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <optional>
#include <thread>

#include "src/cli/cli.hpp"
#include "src/cli/client.hpp"
#include "src/cli/offline.hpp"
#include "src/cli/terminal.hpp"
#include "src/core/clock.hpp"
#include "src/core/json.hpp"
#include "storage/backup.hpp"

namespace holdfast::cli {
namespace {

using State = BackupStatus::State;

// A bar for each state of the work, in KiB.
class Bars {
 public:
  ~Bars() { end(); }
  void at(std::string_view state, std::uint64_t done, std::uint64_t total) {
    if (state != state_) {
      end();
      state_ = state;
      bar_.emplace(state_ + ", KiB", total / 1'024);
      total_ = total;
    }
    if (total != total_ && total > total_) bar_->grow(total / 1'024), total_ = total;
    bar_->at(done / 1'024);
  }
  void end() {
    if (bar_) bar_->finish();
    bar_.reset();
  }

 private:
  std::string state_;
  std::uint64_t total_ = 0;
  std::optional<Progress> bar_;
};

BackupWatch watch_with(Bars& bars) {
  return [&bars](State state, std::uint64_t done, std::uint64_t total) { bars.at(name_of(state), done, total); };
}

struct BackupOptions {
  Target target;
  std::string to;
  std::string data;
  std::string master_key_file;
  std::uint32_t keep = 0;
  bool with_master_key = false;
  bool verify = false;
  bool json = false;
};

int report(const Backup& backup, const BackupOptions& o) {
  if (o.json) {
    std::printf("%s\n", to_json(backup).c_str());
    return kOk;
  }
  std::printf("backup %llu of %s in %s: %s, %s of it new\n", static_cast<unsigned long long>(backup.id),
              json::format_time(backup.began_at).c_str(), o.to.c_str(), show_bytes(backup.bytes).c_str(),
              show_bytes(backup.new_bytes).c_str());
  if (!o.with_master_key)
    std::printf("it does not hold the master key: keep a copy of that file elsewhere, or use --with-master-key\n");
  return kOk;
}

// Opens the store itself.
int back_up_offline(const BackupOptions& o) {
  const auto offline = OfflineStore::open(o.data);
  if (!offline) {
    return complain(exit_of(offline.error()),
                    offline.error().detail +
                        " (a server that runs makes its backup itself: `holdfast backup --to DIR "
                        "--url URL`)");
  }
  Bars bars;
  BackupTask task;
  task.request.directory = o.to;
  task.request.keep = o.keep;
  if (o.with_master_key) task.request.master_key = BackupRequest::MasterKey::copy;
  task.master_key_file =
      o.master_key_file.empty() ? (std::filesystem::path(o.data) / kMasterKeyFile).string() : o.master_key_file;
  task.store = (*offline)->identity().id;
  task.now = SystemClock().now();
  task.watch = watch_with(bars);
  const auto made = (*offline)->store().backup(task);
  bars.end();
  return made ? report(*made, o) : complain(exit_of(made.error()), made.error().detail);
}

std::string_view text_in(json::Element e, const char* pointer) {
  std::string_view value;
  return e.at_pointer(pointer).get(value) == simdjson::SUCCESS ? value : std::string_view();
}

std::uint64_t number_in(json::Element e, const char* pointer) {
  std::uint64_t value = 0;
  return e.at_pointer(pointer).get(value) == simdjson::SUCCESS ? value : 0;
}

std::string request_body(const BackupOptions& o) {
  std::string body;
  json::ObjectWriter w(body);
  w.text("directory", o.to);
  if (o.keep != 0) w.number("keep", o.keep);
  if (o.with_master_key) w.boolean("with_master_key", true);
  w.end();
  return body;
}

// Asks the server, and looks until it is done.
int back_up_online(BackupOptions& o) {
  if (auto ok = o.target.resolve(); !ok) return complain(kUsage, ok.error().detail);
  Client client(o.target);
  const auto started = client.request("POST", "/v1/backups", request_body(o));
  if (!started)
    return complain(kRefused, started.error().detail + "; without a server, name the store with --data DIR");
  if (started->status != 202) return complain(kRefused, problem_text(*started));
  json::Parser parser;
  const auto first = parser.parse(started->body);
  const std::string began(first ? text_in(*first, "/began_at") : std::string_view());
  Bars bars;
  for (;;) {
    const auto answer = client.request("GET", "/v1/backups");
    if (!answer) return complain(kRefused, answer.error().detail + "; the backup is not known to be done");
    if (answer->status != 200) return complain(kRefused, problem_text(*answer));
    const auto now = parser.parse(answer->body);
    if (!now || text_in(*now, "/status/began_at") != began)
      return complain(kRefused,
                      "the server makes another backup meanwhile, or was restarted; this one is not known to "
                      "be done, list them with `holdfast restore --list`");
    const auto state = text_in(*now, "/status/state");
    if (state == "done") {
      bars.end();
      Backup backup;
      backup.id = number_in(*now, "/status/backup/id");
      backup.began_at = json::parse_time(began).value_or(0);
      backup.bytes = number_in(*now, "/status/backup/bytes");
      backup.new_bytes = number_in(*now, "/status/backup/new_bytes");
      backup.files = number_in(*now, "/status/backup/files");
      backup.store = text_in(*now, "/status/backup/store");
      return report(backup, o);
    }
    if (state == "failed") {
      bars.end();
      return complain(kStore, std::string(text_in(*now, "/status/detail")));
    }
    bars.at(state, number_in(*now, "/status/done_bytes"), number_in(*now, "/status/total_bytes"));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

int verify(const BackupOptions& o) {
  const auto backups = list_backups(o.to);
  if (!backups) return complain(exit_of(backups.error()), backups.error().detail);
  int exit = kOk;
  for (const auto& backup : *backups) {
    Bars bars;
    const auto ok = verify_backup(o.to, backup.id, watch_with(bars));
    bars.end();
    if (ok) std::printf("backup %llu: whole\n", static_cast<unsigned long long>(backup.id));
    else exit = complain(kStore, ok.error().detail);
  }
  return exit;
}

int back_up(BackupOptions& o) {
  if (o.verify) return verify(o);
  return o.data.empty() ? back_up_online(o) : back_up_offline(o);
}

struct RestoreOptions {
  std::string from;
  std::string data;
  std::string at;
  bool list = false;
  bool json = false;
};

int list(const RestoreOptions& o, const std::vector<Backup>& backups) {
  if (!o.json) std::printf("%6s  %-24s %10s %7s  %s\n", "ID", "BEGAN", "SIZE", "FILES", "STORE");
  for (const auto& backup : backups) {
    if (o.json) {
      std::printf("%s\n", to_json(backup).c_str());
      continue;
    }
    std::printf("%6llu  %-24s %10s %7llu  %s\n", static_cast<unsigned long long>(backup.id),
                json::format_time(backup.began_at).c_str(), show_bytes(backup.bytes).c_str(),
                static_cast<unsigned long long>(backup.files), backup.store.c_str());
  }
  return kOk;
}

// The newest backup, the one with this id, or the newest that began at or before this time.
Result<Backup> choose(const std::vector<Backup>& backups, const std::string& at) {
  std::uint64_t id = 0;
  const auto parsed = std::from_chars(at.data(), at.data() + at.size(), id);
  const bool by_id = !at.empty() && parsed.ec == std::errc() && parsed.ptr == at.data() + at.size();
  const auto time = at.empty() || by_id ? std::optional<Time>(std::numeric_limits<Time>::max()) : json::parse_time(at);
  if (!time)
    return fail(ErrorCode::invalid_request,
                "--at " + at + " is neither the id of a backup nor a time like 2026-01-31T12:00:00Z");
  std::optional<Backup> best;
  for (const auto& backup : backups) {
    if (by_id ? backup.id == id : backup.began_at <= *time) best = backup;
  }
  if (best) return *best;
  return fail(ErrorCode::invalid_request, "there is no backup" +
                                              std::string(at.empty() ? ""
                                                          : by_id    ? " "
                                                                     : " of or before ") +
                                              at + "; `holdfast restore --list` shows what there is");
}

int restore(const RestoreOptions& o) {
  const auto backups = list_backups(o.from);
  if (!backups) return complain(exit_of(backups.error()), backups.error().detail);
  if (o.list) return list(o, *backups);
  if (o.data.empty()) return complain(kUsage, "name an empty directory with --data, or look with --list");
  const auto backup = choose(*backups, o.at);
  if (!backup) return complain(exit_of(backup.error()), backup.error().detail);
  const auto logger = make_logger(LogLevel::warn, LogFormat::text);
  Bars bars;
  const auto ok = restore_backup(o.from, *backup, o.data, watch_with(bars), *logger);
  bars.end();
  if (!ok) return complain(exit_of(ok.error()), ok.error().detail);
  std::printf("restored backup %llu of %s into %s (store %s)\n", static_cast<unsigned long long>(backup->id),
              json::format_time(backup->began_at).c_str(), o.data.c_str(), backup->store.c_str());
  if (!std::filesystem::exists(std::filesystem::path(o.data) / kMasterKeyFile))
    std::printf("the backup holds no master key: put the store's own at %s (mode 0600) before the start\n",
                (std::filesystem::path(o.data) / kMasterKeyFile).c_str());
  std::printf("never let it run beside the store that it is a copy of: both would send what is due\n");
  return kOk;
}

}  // namespace

void add_backup(CLI::App& app, int& exit) {
  auto o = std::make_shared<BackupOptions>();
  auto* command = app.add_subcommand("backup", "copy a store while it is used; what was copied before is not again");
  command->add_option("--to", o->to, "directory of the backups; of a server: below its --backup-directory")
      ->required()
      ->type_name("DIR");
  o->target.declare(*command);
  auto* data = command->add_option("--data", o->data, "open this store, which no server uses")->type_name("DIR");
  data->excludes(command->get_option("--url"));
  command->add_option("--keep", o->keep, "remove all but the newest N backups [keep all]")
      ->type_name("N")
      ->check(CLI::Range(1U, 1'000'000'000U));
  command->add_flag("--with-master-key", o->with_master_key,
                    "copy the master key too, mode 0600: who has the backup then has the secrets");
  command->add_option("--master-key-file", o->master_key_file, "where that is, with --data [DIR/master.key]")
      ->type_name("FILE");
  command->add_flag("--verify", o->verify, "make none, but read all backups of the directory back");
  command->add_flag("--json", o->json, "say what was made in JSON");
  command->footer(
      "Without the master key a backup's sealed secrets stay closed, and no server starts on it.\n"
      "Exit code 1 when the server refused, 2 for a directory that cannot be used, 3 when something is damaged.\n\n"
      "Examples:\n"
      "  holdfast serve --backup-directory /backups &\n"
      "  holdfast backup --to nightly --keep 7            the server makes it, in /backups/nightly\n"
      "  holdfast backup --to /backups/b --data data      of a store that no server uses\n"
      "  holdfast backup --to /backups/b --verify         are they all whole?\n");
  command->callback([o, &exit] { exit = back_up(*o); });
}

void add_restore(CLI::App& app, int& exit) {
  auto o = std::make_shared<RestoreOptions>();
  auto* command = app.add_subcommand("restore", "make a store from a backup, in an empty directory");
  command->add_option("--from", o->from, "directory of the backups")->required()->type_name("DIR");
  command->add_option("--data", o->data, "where the store is made: empty, or not there yet")->type_name("DIR");
  command->add_option("--at", o->at, "a backup's id, or a time: the newest backup at or before it [the newest]")
      ->type_name("TIME|ID");
  command->add_flag("--list", o->list, "show the backups");
  command->add_flag("--json", o->json, "with --list: one JSON document a line");
  command->footer(
      "Exit code 2 when the directory is not empty or there is no such backup, 3 when the backup is damaged.\n\n"
      "Examples:\n"
      "  holdfast restore --from /backups/b --list\n"
      "  holdfast restore --from /backups/b --data restored\n"
      "  holdfast restore --from /backups/b --data restored --at 2026-01-31T12:00:00Z\n"
      "  holdfast check --data restored --deep && holdfast serve --data restored\n");
  command->callback([o, &exit] { exit = restore(*o); });
}

}  // namespace holdfast::cli
