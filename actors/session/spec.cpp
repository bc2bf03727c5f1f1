#include "actors/session/spec.hpp"

#include "actors/session/checks.hpp"
#include "src/core/ids.hpp"
#include "src/egress/outbound.hpp"
#include "src/egress/webhook.hpp"

namespace holdfast::session {
namespace {

using json::Element;
using strict::Place;

constexpr std::size_t kUrlBytesMax = 4'096;
constexpr std::size_t kHeaderValueBytesMax = 4'096;
constexpr std::size_t kTokenBytesMax = 16 << 10;

bool header_name(std::string_view text) noexcept {
  constexpr std::string_view kToken = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return !text.empty() && text.find_first_not_of(kToken) == std::string_view::npos;
}

bool header_value(std::string_view text) noexcept {
  for (const char c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) return false;
  return true;
}

Result<std::string> web_url(Element e, const Place& at) {
  std::string_view url;
  HOLDFAST_TRY(url, strict::filled_text(e, at, kUrlBytesMax));
  if (!egress::origin_of(url)) return strict::bad(at, "must be an http or https URL with a host and no user name");
  return std::string(url);
}

Result<Labels> callback_headers(Element e, const Place& at, const Limits& limits) {
  Labels headers;
  HOLDFAST_TRY(headers, strict::labels(e, at, limits.labels_max));
  for (const auto& [name, value] : headers)
    if (!header_name(name) || !header_value(value) || value.size() > kHeaderValueBytesMax)
      return strict::bad(Place(at, name), "is not a valid HTTP header");
  return headers;
}

Result<std::vector<std::string>> callback_events(Element e, const Place& at, const Limits& limits) {
  json::Array list;
  HOLDFAST_TRY(list, strict::array(e, at));
  if (list.size() > limits.batch_events_max) return strict::too_large(at, "batch_events_max", limits.batch_events_max);
  std::vector<std::string> events;
  for (const auto item : list) {
    const Place here(at, events.size());
    std::string_view type;
    HOLDFAST_TRY(type, strict::text(item, here));
    constexpr std::string_view kPrefix = "message.";
    const auto state = type.starts_with(kPrefix) ? message_state(type.substr(kPrefix.size())) : std::nullopt;
    if (!state || !terminal(*state)) return strict::bad(here, "must be message.<state> of a final state");
    events.emplace_back(type);
  }
  return events;
}

Result<Repository> repository_of(Element e, const Place& at) {
  json::Object members;
  HOLDFAST_TRY(members, strict::object(e, at));
  Repository repository;
  bool has_kind = false;
  for (const auto [key, value] : members) {
    const Place here(at, key);
    std::string_view text;
    if (key != "kind" && key != "url" && key != "git_token") return strict::unknown(here);
    HOLDFAST_TRY(text, strict::text(value, here));
    if (key == "kind") {
      const auto kind = repository_kind(text);
      if (!kind) return strict::bad(here, "must be one of none, git, github, gitlab, bitbucket");
      repository.kind = *kind;
      has_kind = true;
    } else if (key == "url") {
      if (text.size() > kUrlBytesMax) return strict::too_large(here, "bytes of a URL", kUrlBytesMax);
      repository.url = text;
    } else {
      if (text.size() > kTokenBytesMax) return strict::too_large(here, "bytes of a token", kTokenBytesMax);
      repository.git_token = std::string(text);
    }
  }
  if (!has_kind) return strict::missing(at, "kind");
  return repository;
}

Result<void> read_queue(SessionSpec& spec, Element e, const Place& at, const Limits& limits) {
  json::Object members;
  HOLDFAST_TRY(members, strict::object(e, at));
  for (const auto [key, value] : members) {
    const Place here(at, key);
    if (key == "capacity")
      HOLDFAST_TRY(spec.queue_capacity, strict::number(value, here, 1, limits.queue_capacity_max - 1));
    else if (key == "on_busy") HOLDFAST_TRY(spec.on_busy, parse_on_busy(value, here));
    else return strict::unknown(here);
  }
  return {};
}

Result<DeliveryRoute> delivery_of(Element e, const Place& at) {
  json::Object members;
  HOLDFAST_TRY(members, strict::object(e, at));
  std::string_view mode;
  DeliveryRoute route;
  for (const auto [key, value] : members) {
    const Place here(at, key);
    if (key == "mode") {
      HOLDFAST_TRY(mode, strict::text(value, here));
    } else if (key == "url") {
      HOLDFAST_TRY(route.url, web_url(value, here));
    } else if (key == "secret") {
      std::string_view secret;
      HOLDFAST_TRY(secret, strict::text(value, here));
      if (!egress::webhook_key(secret)) return strict::bad(here, "must be whsec_ and 16 to 64 bytes in base64");
      route.secret = std::string(secret);
    } else {
      return strict::unknown(here);
    }
  }
  const auto known = delivery_mode(mode);
  if (!known) return strict::bad(Place(at, "mode"), "must be \"pull\" or \"push\"");
  route.mode = *known;
  const bool push = route.mode == DeliveryMode::push;
  if (push && route.url.empty()) return strict::missing(at, "url");
  if (!push && !route.url.empty()) return strict::bad(Place(at, "url"), "is only for mode \"push\"");
  if (!push && route.secret) return strict::bad(Place(at, "secret"), "is only for mode \"push\"");
  return route;
}

}  // namespace

Result<OnBusy> parse_on_busy(Element e, const Place& at) {
  std::string_view value;
  HOLDFAST_TRY(value, strict::text(e, at));
  if (const auto policy = on_busy(value)) return *policy;
  return strict::bad(at, "must be one of enqueue, reject, interrupt, replace, merge, steer");
}

Result<Agent> parse_agent(Element e, const Place& at) {
  json::Object members;
  HOLDFAST_TRY(members, strict::object(e, at));
  Agent agent;
  for (const auto [key, value] : members) {
    const Place here(at, key);
    if (key == "mode") HOLDFAST_TRY(agent.mode, strict::text(value, here));
    else if (key == "model") HOLDFAST_TRY(agent.model, strict::text(value, here));
    else return strict::unknown(here);
  }
  return agent;
}

Result<Callback> parse_callback(Element e, const Place& at, const Limits& limits) {
  json::Object members;
  HOLDFAST_TRY(members, strict::object(e, at));
  Callback callback;
  for (const auto [key, value] : members) {
    const Place here(at, key);
    if (key == "url") HOLDFAST_TRY(callback.url, web_url(value, here));
    else if (key == "events") HOLDFAST_TRY(callback.events, callback_events(value, here, limits));
    else if (key == "headers") HOLDFAST_TRY(callback.headers, callback_headers(value, here, limits));
    else return strict::unknown(here);
  }
  if (callback.url.empty()) return strict::missing(at, "url");
  return callback;
}

Result<SessionSpec> parse_spec(std::string_view body, const Limits& limits) {
  json::Parser parser;
  Element root;
  HOLDFAST_TRY(root, parser.parse(body, limits.json_depth_max));
  const Place top("");
  json::Object members;
  HOLDFAST_TRY(members, strict::object(root, top));
  SessionSpec spec;
  for (const auto [key, value] : members) {
    const Place here(top, key);
    if (key == "metadata") {
      HOLDFAST_TRY(spec.metadata, strict::document(value, here, "metadata_bytes_max", limits.metadata_bytes_max));
      if (spec.metadata == "{}") spec.metadata.clear();
    } else if (key == "agent") {
      HOLDFAST_TRY(spec.agent, parse_agent(value, here));
    } else if (key == "repository") {
      HOLDFAST_TRY(spec.repository, repository_of(value, here));
    } else if (key == "queue") {
      if (auto ok = read_queue(spec, value, here, limits); !ok) return tl::unexpected(std::move(ok.error()));
    } else if (key == "labels") {
      HOLDFAST_TRY(spec.labels, strict::labels(value, here, limits.labels_max));
    } else if (key == "delivery") {
      HOLDFAST_TRY(spec.delivery, delivery_of(value, here));
    } else if (key == "callback") {
      HOLDFAST_TRY(spec.callback, parse_callback(value, here, limits));
    } else if (key == "ttl_ms") {
      HOLDFAST_TRY(spec.ttl_ms, strict::number(value, here, 0, kTtlMsMax));
    } else {
      return strict::unknown(here);
    }
  }
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
  if (d.delivery) {
    std::string route;
    json::ObjectWriter(route).text("mode", name_of(d.delivery->mode)).text_if("url", d.delivery->url).end();
    o.raw("delivery", route);
  }
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
