// Callbacks: the outbox of a session. A message that becomes terminal leaves a row in the index of due callbacks, in
// the same write set. The courier reads the row when it is due, sends, and says here what became of it: the row goes,
// or moves to the next delay. A crash in between sends again, with the same webhook-id.
#include <algorithm>

#include "actors/session/work.hpp"
#include "src/core/crypto.hpp"
#include "src/core/json.hpp"
#include "src/egress/webhook.hpp"
#include "storage/codec.hpp"

namespace holdfast::session {
namespace {

constexpr std::uint8_t kFormat = 1;

std::string label_of_headers(std::string_view hash) { return "callback/" + to_hex(hash); }

// What the sealed text of keep_headers says.
Labels headers_in(std::string_view sealed) {
  Labels headers;
  Decoder d(sealed);
  for (std::uint64_t n = d.varint(); n > 0 && d.ok(); --n) {
    auto name = d.text();
    headers.emplace(std::move(name), d.text());
  }
  return headers;
}

std::string text_of(const Labels& headers) {
  std::string text;
  Encoder e(text);
  e.varint(headers.size());
  for (const auto& [name, value] : headers) {
    e.bytes(name);
    e.bytes(value);
  }
  return text;
}

bool wanted(const Callback& callback, MessageState state) {
  const auto& events = callback.events;
  return events.empty() ||
         std::find(events.begin(), events.end(), "message." + std::string(name_of(state))) != events.end();
}

// How often it was tried. Nothing when the row is gone: the attempt is not the last word.
std::optional<std::uint64_t> tries_of(const Work& work, const std::string& key) {
  const auto value = work.journal.get(Family::index, key);
  if (!value) return std::nullopt;
  Decoder d(*value);
  const bool known = d.u8() == kFormat;
  const auto tries = d.varint();
  return known && d.done() ? std::optional(tries) : std::nullopt;
}

}  // namespace

std::string tries_value(std::uint64_t tries) {
  std::string value;
  Encoder e(value);
  e.u8(kFormat);
  e.varint(tries);
  return value;
}

std::string push_secret(Work& work) {
  if (auto secret = work.unseal(kPushLabel)) return std::move(*secret);
  auto secret = egress::make_webhook_secret(work.context.random);
  work.seal(kPushLabel, secret);
  work.state_changed();
  return secret;
}

std::string hash_of_headers(const Labels& headers) {
  return headers.empty() ? std::string() : sha256(text_of(headers));
}

std::string keep_headers(Work& work, const Labels& headers) {
  auto hash = hash_of_headers(headers);
  if (hash.empty()) return hash;
  const auto label = label_of_headers(hash);
  if (work.journal.get(Family::vault, Vault::value_key(work.context.id, label))) return hash;
  work.seal(label, text_of(headers));
  work.state_changed();
  return hash;
}

Result<Reply> run(Work& work, const ReadCallback& command) {
  CallbackJob job;
  if (!work.document.exists || work.document.deleted) return job;
  const auto m = work.journal.at(command.position);
  if (!m || !terminal(m->row.state) || !m->intent.callback || !wanted(*m->intent.callback, m->row.state)) return job;
  // The event that the message ended with: its latest marker, or its only one.
  std::uint64_t ended = command.position;
  if (const auto pointer = work.journal.get(Family::journal, keys::delivery(work.context.id, command.position)))
    ended = Decoder(*pointer).varint();
  const auto marker = work.journal.marker(ended);
  if (!marker) return job;
  job.url = m->intent.callback->url;
  job.id = m->intent.id;
  job.traceparent = m->intent.traceparent;
  job.body = to_json(Event{ended, event_type(*marker), marker->at, event_data(*marker, work.context.id, work.journal)});
  if (m->intent.callback_headers.empty()) return job;
  const auto headers = work.unseal(label_of_headers(m->intent.callback_headers));
  if (headers) job.headers = headers_in(*headers);
  return job;
}

Result<Reply> run(Work& work, const EndCallback& command) {
  using Result = EndCallback::Result;
  const auto key = keys::callback({command.due, work.context.id, command.position});
  const auto tries = tries_of(work, key);
  if (!tries) return Nothing{};
  work.writes.erase(Family::index, key);
  if (command.result == Result::sent || work.document.deleted) return Nothing{};
  const auto& delays = work.context.limits.callback_retry_ms;
  if (command.result == Result::failed && *tries < delays.size()) {
    keys::Callback next{work.context.now + static_cast<Time>(delays[*tries]), work.context.id, command.position};
    work.writes.put(Family::index, keys::callback(next), tries_value(*tries + 1));
    work.effects.callbacks.push_back(std::move(next));
    return Nothing{};
  }
  std::string data;
  json::ObjectWriter o(data);
  if (const auto marker = work.journal.marker(command.position)) o.text("message", marker->intent.id);
  o.number("attempts", *tries + 1).text("detail", command.detail).end();
  work.operation("session.callback_failed", std::move(data));
  return Nothing{};
}

}  // namespace holdfast::session
