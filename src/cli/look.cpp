// holdfast tail and sessions: look at what there is.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <thread>

#include "src/cli/cli.hpp"
#include "src/cli/client.hpp"
#include "src/cli/event_lines.hpp"
#include "src/cli/terminal.hpp"
#include "src/core/json.hpp"

namespace holdfast::cli {
namespace {

struct TailOptions {
  Target target;
  std::string session;
  std::string after;
  std::string types;
  bool json = false;
  bool no_follow = false;
};

Colour colour_of(std::string_view type) {
  if (type == "message.completed") return Colour::green;
  if (type == "message.failed" || type == "message.cancelled" || type == "message.expired") return Colour::red;
  if (type.starts_with("message.")) return Colour::blue;
  return type.starts_with("session.") ? Colour::yellow : Colour::none;
}

// One event as a person reads it: time, type, and what matters of its data.
void print_event(std::string_view text, const TailOptions& o, std::string& last) {
  json::Parser parser;
  const auto event = parser.parse(text);
  std::string_view id;
  std::string_view type;
  std::string_view at;
  if (!event || event->at_key("id").get(id) != simdjson::SUCCESS ||
      event->at_key("type").get(type) != simdjson::SUCCESS || event->at_key("at").get(at) != simdjson::SUCCESS)
    return;
  last = id;
  if (o.json) {
    std::printf("%s\n", std::string(text).c_str());
  } else {
    json::Element data;
    std::string shown;
    if (event->at_key("data").get(data) == simdjson::SUCCESS) {
      std::string_view message;
      json::Element part;
      if (data.at_key("message").get(message) == simdjson::SUCCESS) {
        shown = message;
        const char* what = type == "message.queued" ? "turn" : type == "message.completed" ? "result" : "failure";
        if (data.at_key(what).get(part) == simdjson::SUCCESS && !part.is_null()) shown += "  " + json::canonical(part);
      } else {
        shown = json::canonical(data);
      }
    }
    std::printf("%s  %s  %s\n", paint(Colour::dim, at).c_str(), paint(colour_of(type), type).c_str(), shown.c_str());
  }
  std::fflush(stdout);
}

int print_page(const TailOptions& o, Client& client) {
  std::string last = o.after;
  for (;;) {
    std::string path = "/v1/sessions/" + o.session + "/events?limit=1000";
    if (!last.empty()) path += "&after=" + last;
    if (!o.types.empty()) path += "&types=" + o.types;
    auto page = client.request("GET", path, {}, {{"Accept", "application/json"}});
    if (!page) return complain(kRefused, page.error().detail);
    if (page->status != 200) return complain(kRefused, problem_text(*page));
    json::Parser parser;
    const auto parsed = parser.parse(page->body);
    json::Array items;
    if (!parsed || parsed->at_key("items").get(items) != simdjson::SUCCESS) return kRefused;
    for (const auto item : items) print_event(json::canonical(item), o, last);
    std::string_view next;
    if (parsed->at_key("next").get(next) != simdjson::SUCCESS) return kOk;
    last = next;
  }
}

int tail(TailOptions& o) {
  if (auto ok = o.target.resolve(); !ok) return complain(kUsage, ok.error().detail);
  Client client(o.target);
  if (o.no_follow) return print_page(o, client);
  std::string last = o.after;
  auto pause = std::chrono::milliseconds(200);
  for (;;) {
    Headers headers{{"Accept", "text/event-stream"}};
    if (!last.empty()) headers["Last-Event-ID"] = last;
    EventLines lines;
    const std::string before = last;
    auto ended = client.stream("/v1/sessions/" + o.session + "/events" + (o.types.empty() ? "" : "?types=" + o.types),
                               headers, [&](std::string_view piece) {
                                 lines.feed(piece, [&](std::string_view data) { print_event(data, o, last); });
                                 return true;
                               });
    if (ended && ended->status != 200) return complain(kRefused, problem_text(*ended));
    if (!ended && before.empty() && last.empty()) return complain(kRefused, ended.error().detail);
    if (last != before) pause = std::chrono::milliseconds(200);
    std::this_thread::sleep_for(pause);  // the connection ended: go on behind the last event
    pause = std::min(pause * 2, std::chrono::milliseconds(5'000));
  }
}

struct SessionsOptions {
  Target target;
  std::string status;
  std::string prefix;
  bool json = false;
};

std::string_view text_at(json::Element e, const char* pointer) {
  std::string_view value;
  return e.at_pointer(pointer).get(value) == simdjson::SUCCESS ? value : std::string_view("-");
}

std::uint64_t number_at(json::Element e, const char* pointer) {
  std::uint64_t value = 0;
  return e.at_pointer(pointer).get(value) == simdjson::SUCCESS ? value : 0;
}

int sessions(SessionsOptions& o) {
  if (auto ok = o.target.resolve(); !ok) return complain(kUsage, ok.error().detail);
  Client client(o.target);
  std::string path = "/v1/sessions?limit=1000";
  if (!o.status.empty()) path += "&status=" + o.status;
  if (!o.prefix.empty()) path += "&prefix=" + o.prefix;
  if (!o.json) std::printf("%-32s %-8s %8s %8s  %s\n", "SESSION", "STATUS", "QUEUED", "SEQ", "UPDATED");
  std::string cursor;
  do {
    auto page = client.request("GET", path + (cursor.empty() ? "" : "&cursor=" + cursor));
    if (!page) return complain(kRefused, page.error().detail);
    if (page->status != 200) return complain(kRefused, problem_text(*page));
    json::Parser parser;
    const auto parsed = parser.parse(page->body);
    json::Array items;
    if (!parsed || parsed->at_key("items").get(items) != simdjson::SUCCESS) return kRefused;
    for (const auto item : items) {
      if (o.json) {
        std::printf("%s\n", json::canonical(item).c_str());
        continue;
      }
      std::printf("%-32s %-8s %8llu %8llu  %s\n", std::string(text_at(item, "/session")).c_str(),
                  std::string(text_at(item, "/status")).c_str(),
                  static_cast<unsigned long long>(number_at(item, "/queue/queued")),
                  static_cast<unsigned long long>(number_at(item, "/last_seq")),
                  std::string(text_at(item, "/updated_at")).c_str());
    }
    std::string_view next;
    cursor = parsed->at_key("next").get(next) == simdjson::SUCCESS ? std::string(next) : std::string();
  } while (!cursor.empty());
  return kOk;
}

}  // namespace

void add_tail(CLI::App& app, int& exit) {
  auto o = std::make_shared<TailOptions>();
  auto* command = app.add_subcommand("tail", "watch the events of a session");
  o->target.declare(*command);
  command->add_option("session", o->session, "the session")->required();
  command->add_option("--after", o->after, "start behind this event id [the oldest kept]");
  command->add_option("--types", o->types, "only these types, separated by commas");
  command->add_flag("--json", o->json, "one JSON envelope a line");
  command->add_flag("--no-follow", o->no_follow, "print what is there and end");
  command->footer(
      "Examples:\n"
      "  holdfast tail chat-1                                    everything, then live\n"
      "  holdfast tail chat-1 --types message.completed --json   results, for a script\n");
  command->callback([o, &exit] { exit = tail(*o); });
}

void add_sessions(CLI::App& app, int& exit) {
  auto o = std::make_shared<SessionsOptions>();
  auto* command = app.add_subcommand("sessions", "list sessions");
  o->target.declare(*command);
  command->add_option("--status", o->status, "idle, queued, running or paused");
  command->add_option("--prefix", o->prefix, "names that start with this");
  command->add_flag("--json", o->json, "one JSON document a line");
  command->footer("Example:\n  holdfast sessions --status queued\n");
  command->callback([o, &exit] { exit = sessions(*o); });
}

}  // namespace holdfast::cli
