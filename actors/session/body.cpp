// The canonical body of a typed admission, so that a host and an HTTP client who send the same have the same hash.
#include "actors/session/kernel.hpp"
#include "src/core/json.hpp"

namespace holdfast::session {

std::string body_hash_of(const AdmitRequest& r) {
  // RFC 8785: members in the order of their names.
  std::string body;
  json::ObjectWriter o(body);
  if (r.agent.mode || r.agent.model) {
    std::string agent;
    json::ObjectWriter a(agent);
    if (r.agent.mode) a.text("mode", *r.agent.mode);
    if (r.agent.model) a.text("model", *r.agent.model);
    a.end();
    o.raw("agent", agent);
  }
  o.text_if("author", r.author).raw_if("budget", r.budget);
  if (r.callback) {
    std::string callback;
    json::ObjectWriter c(callback);
    if (!r.callback->events.empty()) {
      std::string events = "[";
      for (const auto& event : r.callback->events) {
        if (events.size() > 1) events += ',';
        json::append_string(events, event);
      }
      c.raw("events", events + "]");
    }
    c.text("url", r.callback->url).end();
    o.raw("callback", callback);
  }
  o.time_if("expires_at", r.expires_at).text_if("id", r.id);
  if (r.if_seq) o.number("if_seq", *r.if_seq);
  o.raw_if("metadata", r.metadata).time_if("not_before", r.not_before);
  if (r.on_busy) o.text("on_busy", name_of(*r.on_busy));
  if (r.priority != 0) o.number("priority", r.priority);
  o.raw("turn", r.turn);
  o.end();
  return sha256(body);
}

}  // namespace holdfast::session
