// holdfast send: one message, or a recorded history.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "src/cli/cli.hpp"
#include "src/cli/client.hpp"
#include "src/cli/replay.hpp"
#include "src/cli/terminal.hpp"
#include "src/core/json.hpp"

namespace holdfast::cli {
namespace {

struct SendOptions {
  Target target;
  std::string session;
  std::string text;
  std::string id;
  std::string file;
  std::string git_token_file;
  std::string replay;
  unsigned connections = 16;
  bool wait = false;
  bool json = false;
  bool no_verify = false;
};

std::string read_all(std::istream& in) { return {std::istreambuf_iterator<char>(in), {}}; }

Result<std::string> text_of(const SendOptions& o) {
  if (!o.file.empty()) {
    std::ifstream in(o.file, std::ios::binary);
    if (!in) return fail(ErrorCode::invalid_request, "cannot read " + o.file);
    return read_all(in);
  }
  if (o.text == "-" || o.text.empty()) return read_all(std::cin);
  return o.text;
}

// Polls with Prefer: wait until the message is terminal, and prints its result.
int wait_for_end(Client& client, const SendOptions& o, const std::string& message) {
  for (;;) {
    auto response = client.request("GET", "/v1/sessions/" + o.session + "/messages/" + message, {},
                                   {{"Prefer", "wait=30"}}, std::chrono::seconds(60));
    if (!response) return complain(kRefused, response.error().detail);
    if (response->status != 200) return complain(kRefused, problem_text(*response));
    json::Parser parser;
    const auto document = parser.parse(response->body);
    std::string_view state;
    if (!document || document->at_key("state").get(state) != simdjson::SUCCESS)
      return complain(kRefused, "the server's answer is not a message");
    if (state == "queued" || state == "dispatched" || state == "running") continue;
    std::printf("%s\n", o.json ? response->body.c_str() : std::string(state).c_str());
    return state == "completed" ? kOk : kRefused;
  }
}

int send(SendOptions& o) {
  if (auto ok = o.target.resolve(); !ok) return complain(kUsage, ok.error().detail);
  if (!o.replay.empty()) {
    ReplayOptions replay{o.target, o.replay, o.connections,
                         o.no_verify ? ReplayOptions::Verify::no : ReplayOptions::Verify::yes};
    return run_replay(replay);
  }
  if (o.session.empty()) return complain(kUsage, "send needs a SESSION, or --replay FILE");
  auto text = text_of(o);
  if (!text) return complain(kUsage, text.error().detail);
  std::string turn;
  json::ObjectWriter(turn).text("kind", "prompt").text("content", *text).end();
  std::string body;
  json::ObjectWriter b(body);
  b.text_if("id", o.id).raw("turn", turn);
  if (!o.git_token_file.empty()) {
    std::ifstream in(o.git_token_file);
    std::string token;
    if (!std::getline(in, token)) return complain(kUsage, "cannot read " + o.git_token_file);
    b.text("git_token", token);
  }
  b.end();
  Client client(o.target);
  auto response = client.request("POST", "/v1/sessions/" + o.session + "/messages", body);
  if (!response) return complain(kRefused, response.error().detail);
  if (response->status != 202) return complain(kRefused, problem_text(*response));
  json::Parser parser;
  const auto admitted = parser.parse(response->body);
  std::string_view message;
  std::uint64_t seq = 0;
  if (!admitted || admitted->at_key("message").get(message) != simdjson::SUCCESS ||
      admitted->at_key("seq").get(seq) != simdjson::SUCCESS)
    return complain(kRefused, "the server's answer is not an admission");
  if (!o.wait) {
    if (o.json) std::printf("%s\n", response->body.c_str());
    else
      std::printf("%s %s  seq %llu%s\n", paint(Colour::green, "admitted").c_str(), std::string(message).c_str(),
                  static_cast<unsigned long long>(seq),
                  response->headers.contains("idempotency-replayed") ? "  (it was there already)" : "");
    return kOk;
  }
  return wait_for_end(client, o, std::string(message));
}

}  // namespace

void add_send(CLI::App& app, int& exit) {
  auto o = std::make_shared<SendOptions>();
  auto* command = app.add_subcommand("send", "send a message to a session, or replay a recorded history");
  o->target.declare(*command);
  command->add_option("session", o->session, "the session; made on first use");
  command->add_option("text", o->text, "the prompt; - or nothing reads standard input");
  command->add_option("--id", o->id, "message id: sending it again changes nothing");
  command->add_option("--file", o->file, "read the prompt from a file");
  command->add_option("--git-token-file", o->git_token_file, "send the first line of this file as the git credential");
  command->add_flag("--wait", o->wait, "wait until the message has ended");
  command->add_flag("--json", o->json, "print the server's answer");
  command->add_option("--replay", o->replay, "NDJSON file of {session, id, at, content, files}");
  command->add_option("--connections", o->connections, "for --replay [16]")->check(CLI::Range(1, 1024));
  command->add_flag("--no-verify", o->no_verify, "for --replay: do not compare the queues with the file at the end");
  command->footer(
      "Examples:\n"
      "  holdfast send chat-1 'hello'                     admit one prompt\n"
      "  git diff | holdfast send review-7 - --id diff-1  exactly once, however often it runs\n"
      "  holdfast send --replay history.ndjson            a history; run it again to resume\n");
  command->callback([o, &exit] { exit = send(*o); });
}

}  // namespace holdfast::cli
