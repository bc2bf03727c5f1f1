// Mischief with files: a byte of a closed file is flipped, or its end is torn off, while no server runs. The next start
// must refuse the store, or serve what was acknowledged all the same. Then the file is put back.
#include <algorithm>
#include <fstream>
#include <iterator>

#include "src/cli/torture/mischief.hpp"

namespace holdfast::cli::torture {
namespace {

namespace fs = std::filesystem;
constexpr int kStoreRefused = 3;
constexpr std::size_t kLooksMax = 200;

std::string contents(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void overwrite(const fs::path& file, const std::string& bytes) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << bytes;
}

// Where the content of a log ends: it has its size ahead of that, in zeros.
std::size_t used(const std::string& log) {
  const auto last = log.find_last_not_of('\0');
  return last == std::string::npos ? 0 : last + 1;
}

std::vector<fs::path> files_of(const fs::path& store, std::string_view extension) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(store, ignored))
    if (entry.path().extension() == extension && entry.file_size(ignored) > 0) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

// A table, or a log that is not the last one: what the server had finished writing long before it died.
std::optional<fs::path> Mischief::closed_file() {
  auto files = files_of(store_, ".sst");
  auto logs = files_of(store_, ".log");
  if (!logs.empty()) logs.pop_back();
  for (auto& log : logs)
    if (used(contents(log)) > 0) files.push_back(std::move(log));
  if (files.empty()) return std::nullopt;
  return files[draw(files.size())];
}

std::string Mischief::damage(Harm harm) {
  arena_.port = 0;
  down_us_ = arena_.now_us();
  server_.kill();
  const auto file = closed_file();
  if (!file) {
    restart();
    return {};
  }
  const auto whole = contents(*file);
  auto damaged = whole;
  std::string what;
  const auto size = file->extension() == ".log" ? used(whole) : whole.size();
  const auto at = draw(size);
  if (harm == Harm::flip) {
    damaged[at] = static_cast<char>(damaged[at] ^ (1U << draw(8)));
    what = "byte " + std::to_string(at) + " of " + file->filename().string() + " flipped";
  } else {
    damaged.resize(at);
    what = file->filename().string() + " torn at byte " + std::to_string(at);
  }
  overwrite(*file, damaged);
  const auto answer = start_damaged();
  if (violation_) return what;
  // A server that served may have merged the file into others, and dropped it.
  if (answer != "served" || fs::exists(*file)) overwrite(*file, whole);
  restart();
  return what + ": " + answer;
}

std::string Mischief::start_damaged() {
  const auto how = server_.start(settings_.ready_max);
  if (how == ServerProcess::Start::ready) {
    look_at_everything(server_.port());
    server_.kill();
    return "served";
  }
  if (how == ServerProcess::Start::ended && server_.exit_code() == kStoreRefused) return "refused";
  violation_ = Violation{Rule::available,
                         how == ServerProcess::Start::hangs
                             ? "the server neither served nor refused a damaged store within " +
                                   std::to_string(settings_.ready_max.count()) + " s"
                             : "the server left a damaged store with exit code " + std::to_string(server_.exit_code()) +
                                   ", and not with 3: " + server_.last_words(),
                         {},
                         {},
                         {}};
  return {};
}

// Whatever it answers with 200 or 404 counts as said; the checker compares that with what was acknowledged.
void Mischief::look_at_everything(int port) {
  Target target;
  target.host = "127.0.0.1";
  target.port = std::to_string(port);
  target.url = "http://127.0.0.1:" + target.port;
  Client client(target);
  const auto all = arena_.acknowledged();
  const auto count = std::min(all.size(), kLooksMax);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& [session, message] = all[draw(all.size())];
    Operation look;
    look.kind = Kind::look;
    look.session = session;
    look.message = message;
    look.begin_us = arena_.now_us();
    const auto answer =
        client.request("GET", "/v1/sessions/" + session + "/messages/" + message, {}, {}, settings_.ready_max);
    look.end_us = arena_.now_us();
    if (!answer) continue;
    look.status = answer->status;
    if (answer->status == 404) look.state = "absent";
    else if (answer->status != 200) continue;  // it says that it cannot read
    look.outcome = Outcome::ok;
    if (answer->status == 200) {
      const Body body(answer->body);
      look.state = body.text("/state");
      look.seq = body.number("/seq");
      look.body_hash = body.text("/body_hash");
    }
    looks_.push_back(std::move(look));
  }
}

// For tests of the harness: what a store does that answers before its log is on disk. The last log loses its end at
// a place that recovery takes for a torn tail.
void Mischief::truncate_log() {
  const auto logs = files_of(store_, ".log");
  if (logs.empty()) return;
  auto log = contents(logs.back());
  log.resize(used(log) / 2);
  overwrite(logs.back(), log);
}

}  // namespace holdfast::cli::torture
