// holdfast export and import: a session as a file.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "src/cli/cli.hpp"
#include "src/cli/client.hpp"
#include "src/core/ids.hpp"
#include "src/core/json.hpp"

namespace holdfast::cli {
namespace {

constexpr std::chrono::minutes kPatience{10};  // a long session is one answer

struct TransferOptions {
  Target target;
  std::string session;
  std::string file;
};

int export_session(TransferOptions& o) {
  if (auto ok = o.target.resolve(); !ok) return complain(kUsage, ok.error().detail);
  if (!valid_name(o.session)) return complain(kUsage, o.session + " is not the name of a session");
  if (::isatty(STDOUT_FILENO) != 0)
    return complain(kUsage, "an export is a file: holdfast export " + o.session + " > " + o.session + ".ndjson");
  Client client(o.target);
  const auto answer = client.request("GET", "/v1/sessions/" + o.session + "/export", {}, {}, kPatience);
  if (!answer) return complain(kRefused, answer.error().detail);
  if (answer->status != 200) return complain(kRefused, problem_text(*answer));
  const bool written = std::fwrite(answer->body.data(), 1, answer->body.size(), stdout) == answer->body.size();
  if (!written || std::fflush(stdout) != 0) return complain(kRefused, "the file could not be written; it is not whole");
  return kOk;
}

int import_session(TransferOptions& o) {
  if (auto ok = o.target.resolve(); !ok) return complain(kUsage, ok.error().detail);
  if (!o.session.empty() && !valid_name(o.session))
    return complain(kUsage, o.session + " cannot be the name of a session");
  std::ifstream in(o.file, std::ios::binary);
  if (o.file != "-" && !in) return complain(kUsage, "cannot read " + o.file);
  auto& source = o.file == "-" ? std::cin : static_cast<std::istream&>(in);
  const std::string content{std::istreambuf_iterator<char>(source), {}};
  Client client(o.target);
  const auto answer = client.request("POST", "/v1/sessions/import" + (o.session.empty() ? "" : "?name=" + o.session),
                                     content, {}, kPatience);
  if (!answer)
    return complain(kRefused, answer.error().detail + "; the session may be there, look with `holdfast sessions`");
  if (answer->status != 201) return complain(kRefused, problem_text(*answer));
  json::Parser parser;
  const auto session = parser.parse(answer->body);
  std::string_view name;
  std::uint64_t messages = 0;
  if (!session || session->at_key("session").get(name) != simdjson::SUCCESS ||
      session->at_key("last_seq").get(messages) != simdjson::SUCCESS)
    return complain(kRefused, "the server's answer is not a session");
  std::printf("imported %s: %llu messages; secrets stayed behind, set them anew\n", std::string(name).c_str(),
              static_cast<unsigned long long>(messages));
  return kOk;
}

}  // namespace

void add_export(CLI::App& app, int& exit) {
  auto o = std::make_shared<TransferOptions>();
  auto* command = app.add_subcommand("export", "write a session with all its messages and events to standard output");
  o->target.declare(*command);
  command->add_option("session", o->session, "the session")->required();
  command->footer("Secrets stay behind. Example:\n  holdfast export chat-1 > chat-1.ndjson\n");
  command->callback([o, &exit] { exit = export_session(*o); });
}

void add_import(CLI::App& app, int& exit) {
  auto o = std::make_shared<TransferOptions>();
  auto* command = app.add_subcommand("import", "make a session from a file that `holdfast export` wrote");
  o->target.declare(*command);
  command->add_option("file", o->file, "the file; - is standard input")->required();
  command->add_option("--name", o->session, "another name for it [the one in the file]");
  command->footer(
      "A turn that ran when the file was written is queued again. Examples:\n"
      "  holdfast import chat-1.ndjson\n"
      "  holdfast import chat-1.ndjson --name chat-1-copy\n");
  command->callback([o, &exit] { exit = import_session(*o); });
}

}  // namespace holdfast::cli
