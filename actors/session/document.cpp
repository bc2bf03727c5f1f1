// The JSON forms of the public types: the documents of the HTTP contract and of every event.
#include <holdfast/types.hpp>

#include "src/core/crypto.hpp"
#include "src/core/json.hpp"

namespace holdfast {
namespace {

using json::ObjectWriter;

std::string object(const Labels& labels) {
  std::string out;
  ObjectWriter o(out);
  for (const auto& [name, value] : labels) o.text(name, value);
  o.end();
  return out;
}

std::string object(const Agent& agent) {
  std::string out;
  ObjectWriter o(out);
  if (agent.mode) o.text("mode", *agent.mode);
  if (agent.model) o.text("model", *agent.model);
  o.end();
  return out;
}

std::string object(const Callback& callback) {
  std::string out;
  ObjectWriter o(out);
  o.text("url", callback.url);
  std::string events = "[";
  for (const auto& event : callback.events) {
    if (events.size() > 1) events += ',';
    json::append_string(events, event);
  }
  o.raw("events", events + "]");
  o.end();
  return out;
}

std::string object(const Repository& repository, const std::optional<Credential>& credential) {
  std::string out;
  ObjectWriter o(out);
  o.text("kind", name_of(repository.kind)).text_if("url", repository.url);
  if (credential) {
    std::string c;
    ObjectWriter(c).number("version", credential->version).time("updated_at", credential->updated_at).end();
    o.raw("credential", c);
  } else {
    o.null("credential");
  }
  o.end();
  return out;
}

std::string object(const DeliveryRoute& route) {
  std::string out;
  ObjectWriter o(out);
  o.text("mode", name_of(route.mode)).text_if("url", route.url);
  if (route.secret) o.text("secret", *route.secret);
  o.end();
  return out;
}

std::string workspace_object(WorkspaceState state) {
  std::string out;
  ObjectWriter(out).text("state", name_of(state)).end();
  return out;
}

std::string timestamps(const Message& m) {
  std::string out;
  ObjectWriter(out)
      .time("admitted_at", m.admitted_at)
      .time_if("edited_at", m.edited_at)
      .time_if("dispatched_at", m.dispatched_at)
      .time_if("accepted_at", m.accepted_at)
      .time_if("finished_at", m.finished_at)
      .end();
  return out;
}

}  // namespace

std::string etag_of(const Session& s) { return std::to_string(s.revision); }
std::string etag_of(const Message& m) { return std::to_string(m.edits); }

std::string to_json(const Session& s) {
  std::string queue;
  ObjectWriter q(queue);
  q.number("capacity", s.queue_capacity).text("on_busy", name_of(s.on_busy)).number("queued", s.queued);
  q.boolean("paused", s.paused);
  if (s.head.empty()) q.null("head");
  else q.text("head", s.head);
  q.end();

  std::string out;
  ObjectWriter o(out);
  o.text("session", s.session).text("project", s.project).number("revision", s.revision);
  o.time("created_at", s.created_at).time("updated_at", s.updated_at);
  o.text("status", name_of(s.status)).number("last_seq", s.last_seq);
  o.raw("metadata", s.metadata.empty() ? std::string_view("{}") : std::string_view(s.metadata));
  o.raw("agent", object(s.agent)).raw("repository", object(s.repository, s.credential)).raw("queue", queue);
  if (s.runtime.empty()) o.null("runtime");
  else o.text("runtime", s.runtime);
  o.raw("workspace", workspace_object(s.workspace));
  if (s.callback) o.raw("callback", object(*s.callback));
  else o.null("callback");
  o.raw("labels", object(s.labels));
  if (s.delivery) o.raw("delivery", object(*s.delivery));
  if (s.ttl_ms != 0) o.number("ttl_ms", static_cast<std::uint64_t>(s.ttl_ms));
  o.end();
  return out;
}

void append_json(std::string& out, const Admitted& a) {
  const bool sent = a.state == MessageState::dispatched || a.state == MessageState::running;
  ObjectWriter o(out);
  o.text("message", a.message).text("session", a.session).number("seq", a.seq);
  o.text("delivery", sent ? "sent" : name_of(a.state)).text("outcome", name_of(a.outcome));
  if (a.position != 0) o.number("position", a.position);
  else o.null("position");
  o.time("admitted_at", a.admitted_at).text("body_hash", a.body_hash);
  if (a.credential != CredentialOutcome::none) o.text("credential", name_of(a.credential));
  o.text_if("merged_into", a.merged_into);
  o.end();
}

std::string to_json(const Admitted& a) {
  std::string out;
  append_json(out, a);
  return out;
}

std::string to_json(const Message& m) {
  std::string out;
  out.reserve(512 + m.turn.size() + m.result.size() + m.metadata.size());
  ObjectWriter o(out);
  o.text("message", m.message).text("session", m.session).number("seq", m.seq);
  o.text("state", name_of(m.state)).number("attempt", m.attempt);
  if (m.position != 0) o.number("position", m.position);
  else o.null("position");
  if (m.waiting_for) {
    std::string w;
    ObjectWriter(w)
        .text("kind", m.waiting_for->kind)
        .text_if("message", m.waiting_for->message)
        .time_if("at", m.waiting_for->at)
        .end();
    o.raw("waiting_for", w);
  } else {
    o.null("waiting_for");
  }
  o.raw("turn", m.turn.empty() ? std::string_view("null") : std::string_view(m.turn)).raw("agent", object(m.agent));
  if (m.author.empty()) o.null("author");
  else o.text("author", m.author);
  o.number("priority", m.priority).raw_if("metadata", m.metadata).raw_if("budget", m.budget);
  if (m.callback) o.raw("callback", object(*m.callback));
  o.time_if("not_before", m.not_before).time_if("expires_at", m.expires_at);
  o.raw("timestamps", timestamps(m)).text("body_hash", m.body_hash).text_if("traceparent", m.traceparent);
  o.raw("result", m.result.empty() ? std::string_view("null") : std::string_view(m.result));
  if (m.failure) {
    std::string f;
    ObjectWriter(f)
        .text("code", m.failure->code)
        .text("reason", m.failure->reason)
        .number("attempts", m.failure->attempts)
        .text_if("detail", m.failure->detail)
        .end();
    o.raw("failure", f);
  } else {
    o.null("failure");
  }
  o.text_if("merged_into", m.merged_into).text_if("steered_into", m.steered_into);
  o.end();
  return out;
}

std::string to_json(const Interrupted& i) {
  std::string out;
  ObjectWriter o(out);
  o.text("session", i.session).text("scope", name_of(i.scope));
  if (i.running.empty()) o.null("running");
  else o.text("running", i.running);
  o.number("messages", i.messages).time_if("grace_until", i.grace_until).end();
  return out;
}

namespace {
void runtime_members(ObjectWriter& o, const RuntimeInfo& r) {
  o.text("runtime", r.runtime).text("state", name_of(r.state));
  if (r.url.empty()) o.null("url");
  else o.text("url", r.url);
  o.raw("labels", object(r.labels)).number("capacity", r.capacity);
  o.time("created_at", r.created_at).time("updated_at", r.updated_at).time("seen_at", r.seen_at);
}
}  // namespace

std::string to_json(const RuntimeInfo& r) {
  std::string out;
  ObjectWriter o(out);
  runtime_members(o, r);
  o.end();
  return out;
}

std::string to_json(const Registration& r) {
  std::string out;
  ObjectWriter o(out);
  runtime_members(o, r.runtime);
  o.text_if("auth_token", r.auth_token).text_if("inbound_secret", r.inbound_secret).end();
  return out;
}

std::string to_json(const Receipt& r) {
  std::string out;
  ObjectWriter(out).raw("receipt", r.receipt).text("key", r.key).text("signature", r.signature).end();
  return out;
}

std::string to_json(const Event& e) {
  std::string out;
  out.reserve(96 + e.data.size());
  ObjectWriter(out)
      .text("id", std::to_string(e.id))
      .text("type", e.type)
      .time("at", e.at)
      .raw("data", e.data.empty() ? std::string_view("null") : std::string_view(e.data))
      .end();
  return out;
}

std::string to_json(const Heartbeat& h) {
  std::string commands = h.interrupt ? R"([{"kind":"interrupt"})" : "[";
  for (const auto& message : h.steer) {
    if (commands.size() > 1) commands += ',';
    commands += R"({"kind":"steer","message":)" + to_json(message) + "}";
  }
  std::string out;
  ObjectWriter(out).time("lease_expires_at", h.lease_expires_at).raw("commands", commands + "]").end();
  return out;
}

std::string to_json(const Delivery& d) {
  std::string workspace;
  ObjectWriter w(workspace);
  w.text("state", name_of(d.workspace));
  if (d.workspace_credential != 0) w.number("credential_version", d.workspace_credential);
  else w.null("credential_version");
  w.end();

  std::string out;
  ObjectWriter o(out);
  o.text("delivery", d.delivery).text("lease", d.lease).time("lease_expires_at", d.lease_expires_at);
  o.number("attempt", d.attempt).raw("session", to_json(d.session)).raw("message", to_json(d.message));
  o.raw("workspace", workspace);
  if (d.credential) {
    std::string c;
    ObjectWriter(c).text("token", d.credential->token).number("version", d.credential->version).end();
    o.raw("credential", c);
  }
  std::string steer = "[";
  for (const auto& message : d.steer) {
    if (steer.size() > 1) steer += ',';
    steer += to_json(message);
  }
  o.raw("steer", steer + "]").text_if("traceparent", d.traceparent);
  o.end();
  return out;
}

namespace {
AdmitRequest turn_of(std::string_view kind, std::string_view text) {
  // Canonical member order: attachments, content, kind.
  AdmitRequest request;
  request.turn = "{\"content\":";
  json::append_string(request.turn, text);
  request.turn += ",\"kind\":\"";
  request.turn += kind;
  request.turn += "\"}";
  return request;
}
}  // namespace

AdmitRequest AdmitRequest::prompt(std::string_view text) { return turn_of("prompt", text); }
AdmitRequest AdmitRequest::command(std::string_view text) { return turn_of("command", text); }

}  // namespace holdfast
