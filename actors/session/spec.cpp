#include "actors/session/spec.hpp"

#include <functional>

#include "src/core/ids.hpp"
#include "src/core/json.hpp"

namespace holdfast::session {
namespace {

using json::Element;

tl::unexpected<Error> bad(std::string detail, std::string pointer) {
  return fail(ErrorCode::invalid_body, std::move(detail), std::move(pointer));
}

std::string child(std::string_view pointer, std::string_view name) {
  std::string out(pointer);
  out += '/';
  for (const char c : name) {
    if (c == '~') out += "~0";
    else if (c == '/') out += "~1";
    else out += c;
  }
  return out;
}

Result<std::string> text(Element e, const std::string& at) {
  std::string_view v;
  if (e.get(v) != simdjson::SUCCESS) return bad("must be a string", at);
  return std::string(v);
}

Result<std::uint64_t> number(Element e, std::uint64_t min, std::uint64_t max, const std::string& at) {
  std::uint64_t v = 0;
  if (e.get(v) != simdjson::SUCCESS || v < min || v > max)
    return bad("must be a whole number from " + std::to_string(min) + " to " + std::to_string(max), at);
  return v;
}

// Calls `member` for each member; it returns false for a name it does not know.
using Member = std::function<Result<bool>(std::string_view name, Element value, const std::string& at)>;
Result<void> each(Element e, const std::string& pointer, const Member& member) {
  json::Object object;
  if (e.get(object) != simdjson::SUCCESS) return bad("must be an object", pointer);
  for (const auto [name, value] : object) {
    const auto at = child(pointer, name);
    auto known = member(name, value, at);
    if (!known) return tl::unexpected(std::move(known.error()));
    if (!*known) return bad("is not a field of this document", at);
  }
  return {};
}

template <class T, class U>
Result<bool> put(T& target, Result<U> value) {
  if (!value) return tl::unexpected(std::move(value.error()));
  target = std::move(*value);
  return true;
}

Result<bool> done(Result<void> result) {
  if (!result) return tl::unexpected(std::move(result.error()));
  return true;
}

template <class T>
Result<bool> choice(T& target, std::optional<T> (*parse)(std::string_view) noexcept, Element e, const std::string& at,
                    std::string_view choices) {
  std::string_view v;
  if (e.get(v) != simdjson::SUCCESS) return bad("must be a string", at);
  const auto parsed = parse(v);
  if (!parsed) return bad("must be one of " + std::string(choices), at);
  target = *parsed;
  return true;
}

Result<void> parse_labels(Labels& labels, Element e, const std::string& at, std::uint64_t max) {
  auto ok = each(e, at, [&](std::string_view name, Element value, const std::string& here) -> Result<bool> {
    return put(labels[std::string(name)], text(value, here));
  });
  if (ok && labels.size() > max)
    return fail(ErrorCode::too_large, "has more than " + std::to_string(max) + " members", at);
  return ok;
}

Result<void> parse_agent(Agent& agent, Element e, const std::string& at) {
  return each(e, at, [&](std::string_view name, Element value, const std::string& here) -> Result<bool> {
    if (name == "mode") return put(agent.mode, text(value, here));
    if (name == "model") return put(agent.model, text(value, here));
    return false;
  });
}

Result<void> parse_repository(Repository& repository, Element e, const std::string& at) {
  bool kind = false;
  auto ok = each(e, at, [&](std::string_view name, Element value, const std::string& here) -> Result<bool> {
    if (name == "kind") {
      kind = true;
      return choice(repository.kind, &repository_kind, value, here, "none, git, github, gitlab, bitbucket");
    }
    if (name == "url") return put(repository.url, text(value, here));
    if (name == "git_token") return put(repository.git_token, text(value, here));
    return false;
  });
  if (ok && !kind) return bad("a repository needs its kind", at + "/kind");
  return ok;
}

Result<void> parse_queue(SessionSpec& spec, Element e, const std::string& at, const Limits& limits) {
  return each(e, at, [&](std::string_view name, Element value, const std::string& here) -> Result<bool> {
    if (name == "capacity") return put(spec.queue_capacity, number(value, 1, limits.queue_capacity_max - 1, here));
    if (name == "on_busy") {
      OnBusy policy{};
      auto ok = choice(policy, &on_busy, value, here, "enqueue, reject, interrupt, replace, merge, steer");
      spec.on_busy = policy;
      return ok;
    }
    return false;
  });
}

Result<Callback> parse_callback(Element e, const std::string& at, const Limits& limits) {
  Callback callback;
  auto ok = each(e, at, [&](std::string_view name, Element value, const std::string& here) -> Result<bool> {
    if (name == "url") return put(callback.url, text(value, here));
    if (name == "headers") return done(parse_labels(callback.headers, value, here, limits.labels_max));
    if (name != "events") return false;
    json::Array events;
    if (value.get(events) != simdjson::SUCCESS) return bad("must be a list of strings", here);
    std::size_t i = 0;
    for (const auto event : events) {
      auto type = text(event, here + "/" + std::to_string(i++));
      if (!type) return tl::unexpected(std::move(type.error()));
      callback.events.push_back(std::move(*type));
    }
    return true;
  });
  if (!ok) return tl::unexpected(std::move(ok.error()));
  if (!callback.url.starts_with("http://") && !callback.url.starts_with("https://"))
    return bad("must be an http or https URL", at + "/url");
  return callback;
}

Result<Json> parse_delivery(Element e, const std::string& at) {
  std::string mode;
  auto ok = each(e, at, [&](std::string_view name, Element value, const std::string& here) -> Result<bool> {
    if (name == "mode") return put(mode, text(value, here));
    return false;
  });
  if (!ok) return tl::unexpected(std::move(ok.error()));
  if (mode != "pull") return bad("must be \"pull\"", at + "/mode");
  return json::canonical(e);
}

Result<Json> parse_metadata(Element e, const std::string& at, const Limits& limits) {
  if (!e.is_object()) return bad("must be an object", at);
  auto canonical = json::canonical(e);
  if (canonical.size() > limits.metadata_bytes_max)
    return fail(ErrorCode::too_large,
                "metadata is over metadata_bytes_max = " + std::to_string(limits.metadata_bytes_max), at);
  return canonical == "{}" ? Json{} : canonical;
}

}  // namespace

Result<SessionSpec> parse_spec(std::string_view body, const Limits& limits) {
  json::Parser parser;
  auto root = parser.parse(body, limits.json_depth_max);
  if (!root) return tl::unexpected(std::move(root.error()));
  SessionSpec spec;
  auto ok = each(*root, "", [&](std::string_view name, Element value, const std::string& at) -> Result<bool> {
    if (name == "metadata") return put(spec.metadata, parse_metadata(value, at, limits));
    if (name == "agent") return done(parse_agent(spec.agent, value, at));
    if (name == "repository") return done(parse_repository(spec.repository, value, at));
    if (name == "queue") return done(parse_queue(spec, value, at, limits));
    if (name == "labels") return done(parse_labels(spec.labels, value, at, limits.labels_max));
    if (name == "delivery") return put(spec.delivery, parse_delivery(value, at));
    if (name == "callback") return put(spec.callback, parse_callback(value, at, limits));
    if (name == "ttl_ms") return put(spec.ttl_ms, number(value, 0, std::uint64_t{1} << 50, at));
    return false;
  });
  if (!ok) return tl::unexpected(std::move(ok.error()));
  return spec;
}

std::string spec_json(const Document& d) {
  std::string out;
  json::ObjectWriter o(out);
  o.raw_if("metadata", d.metadata);
  if (d.agent.mode || d.agent.model) {
    std::string agent;
    json::ObjectWriter a(agent);
    if (d.agent.mode) a.text("mode", *d.agent.mode);
    if (d.agent.model) a.text("model", *d.agent.model);
    a.end();
    o.raw("agent", agent);
  }
  if (d.repository.kind != RepositoryKind::none || !d.repository.url.empty()) {
    std::string repository;
    json::ObjectWriter(repository).text("kind", name_of(d.repository.kind)).text_if("url", d.repository.url).end();
    o.raw("repository", repository);
  }
  if (d.queue_capacity || d.on_busy != OnBusy::enqueue) {
    std::string queue;
    json::ObjectWriter q(queue);
    if (d.queue_capacity) q.number("capacity", *d.queue_capacity);
    q.text("on_busy", name_of(d.on_busy)).end();
    o.raw("queue", queue);
  }
  if (!d.labels.empty()) {
    std::string labels;
    json::ObjectWriter l(labels);
    for (const auto& [name, value] : d.labels) l.text(name, value);
    l.end();
    o.raw("labels", labels);
  }
  o.raw_if("delivery", d.delivery);
  if (d.callback) {
    std::string events = "[";
    for (const auto& event : d.callback->events) {
      if (events.size() > 1) events += ',';
      json::append_string(events, event);
    }
    std::string callback;
    json::ObjectWriter(callback).raw("events", events + "]").text("url", d.callback->url).end();
    o.raw("callback", callback);
  }
  if (d.ttl_ms != 0) o.number("ttl_ms", static_cast<std::uint64_t>(d.ttl_ms));
  o.end();
  return out;
}

}  // namespace holdfast::session
