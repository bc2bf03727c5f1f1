#include "src/cli/torture/end_state.hpp"

#include <thread>

namespace holdfast::cli::torture {
namespace {

constexpr std::chrono::seconds kAnswerMax{60};

Client client_of(const Arena& arena) {
  Target target;
  target.host = "127.0.0.1";
  target.port = std::to_string(arena.port);
  target.url = "http://127.0.0.1:" + target.port;
  return Client(target);
}

Result<Response> get(Client& client, const std::string& path) {
  auto answer = client.request("GET", path, {}, {{"Accept", "application/json"}}, kAnswerMax);
  if (answer && answer->status != 200 && answer->status != 404)
    return fail(ErrorCode::internal, "GET " + path + " in the end: " + problem_text(*answer));
  return answer;
}

std::string text_in(json::Element e, const char* pointer) {
  std::string_view text;
  return e.at_pointer(pointer).get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

std::uint64_t number_in(json::Element e, const char* pointer) {
  std::uint64_t number = 0;
  return e.at_pointer(pointer).get(number) == simdjson::SUCCESS ? number : 0;
}

EndMessage message_of(json::Element e) {
  EndMessage m;
  m.session = text_in(e, "/session");
  m.message = text_in(e, "/message");
  m.seq = number_in(e, "/seq");
  m.body_hash = text_in(e, "/body_hash");
  m.state = text_in(e, "/state");
  m.attempt = number_in(e, "/attempt");
  m.by_delivery = text_in(e, "/result/delivery");
  json::Element turn;
  if (e.at_key("turn").get(turn) == simdjson::SUCCESS)
    m.content_hash = hash_of("{\"id\":" + json::quote(m.message) + ",\"turn\":" + json::canonical(turn) + "}");
  return m;
}

EndEvent event_of(const std::string& session, json::Element e) {
  const auto seen = seen_of(e);
  EndEvent event;
  event.session = session;
  event.id = seen.id;
  event.digest = seen.digest;
  event.type = text_in(e, "/type");
  event.at = json::parse_time(text_in(e, "/at")).value_or(0);
  if (event.type.starts_with("message.")) {
    event.message = text_in(e, "/data/message");
    event.seq = number_in(e, "/data/seq");
    event.attempt = number_in(e, "/data/attempt");
    event.delivery = text_in(e, "/data/result/delivery");
  } else if (event.type.starts_with("session.")) {
    event.message = text_in(e, "/data/running");
  } else {
    event.delivery = text_in(e, "/data/delivery");
    event.number = number_in(e, "/data/number");
  }
  return event;
}

// All items of a list, page by page; `next` names the parameter that goes on behind a page.
template <class Each>
Result<void> each_item(Client& client, const std::string& path, const std::string& next, const Each& each) {
  std::string cursor;
  do {
    const auto page = get(client, path + "?limit=1000" + (cursor.empty() ? "" : "&" + next + "=" + cursor));
    if (!page) return tl::unexpected(page.error());
    if (page->status == 404) return {};  // nobody came to this session
    json::Parser parser;
    const auto body = parser.parse(page->body);
    json::Array items;
    if (!body || body->at_key("items").get(items) != simdjson::SUCCESS)
      return fail(ErrorCode::internal, "GET " + path + " is not a list");
    for (const auto item : items) each(item);
    cursor = text_in(*body, "/next");
  } while (!cursor.empty());
  return {};
}

}  // namespace

Result<void> drain(Arena& arena, std::chrono::seconds at_most) {
  auto client = client_of(arena);
  for (unsigned s = 0; s < arena.sessions(); ++s)
    (void)client.request("POST", "/v1/sessions/" + arena.session(s) + "/queue", R"({"action":"resume"})", {},
                         kAnswerMax);
  const auto until = std::chrono::steady_clock::now() + at_most;
  for (unsigned s = 0; s < arena.sessions();) {
    const auto answer = get(client, "/v1/sessions/" + arena.session(s));
    if (!answer) return tl::unexpected(answer.error());
    const auto status = answer->status == 404 ? std::string("idle") : Body(answer->body).text("/status");
    if (status == "idle") ++s;
    else if (std::chrono::steady_clock::now() > until)
      return fail(ErrorCode::timed_out, "session " + arena.session(s) + " is still " + status + " " +
                                            std::to_string(at_most.count()) +
                                            " s after the last fault, with workers at hand");
    else std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return {};
}

Result<void> read_end_state(Arena& arena, History& history) {
  auto client = client_of(arena);
  for (unsigned s = 0; s < arena.sessions(); ++s) {
    const auto session = arena.session(s);
    const auto path = "/v1/sessions/" + session;
    if (auto ok = each_item(client, path + "/messages", "cursor",
                            [&](json::Element e) { history.messages.push_back(message_of(e)); });
        !ok)
      return ok;
    if (auto ok = each_item(client, path + "/events", "after",
                            [&](json::Element e) { history.events.push_back(event_of(session, e)); });
        !ok)
      return ok;
  }
  return {};
}

}  // namespace holdfast::cli::torture
