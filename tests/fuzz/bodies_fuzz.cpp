// Any bytes as the body of a request: refused with a code and a pointer of this API, or read into a command that the
// canonical form of the body is read into too.
//
// The first byte of the input says as what the rest is read.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "actors/session/spec.hpp"
#include "http/bodies.hpp"
#include "src/core/check.hpp"
#include "src/core/ids.hpp"

using namespace holdfast;

namespace {

const Limits kLimits = [] {
  Limits l;
  l.content_bytes_max = 256;
  l.metadata_bytes_max = 128;
  l.attachments_max = 2;
  l.labels_max = 2;
  l.batch_messages_max = 3;
  l.batch_events_max = 3;
  l.reorder_messages_max = 3;
  return l;
}();

// What was wrong is one of these, and where is a place that RFC 6901 can name.
void check_refusal(const Error& error) {
  const auto code = error.code;
  HOLDFAST_CHECK(code == ErrorCode::invalid_body || code == ErrorCode::too_large || code == ErrorCode::invalid_name ||
                 code == ErrorCode::forbidden);
  HOLDFAST_CHECK(!error.detail.empty() && (error.pointer.empty() || error.pointer.front() == '/'));
}

// Reads `text`, and what it means written anew: both or neither.
template <class Read, class Same>
void check_body(std::string_view text, Read read, Same same) {
  json::Parser parser;
  const auto body = parser.parse(text);
  if (!body) return;
  const auto once = read(*body);
  if (!once) return check_refusal(once.error());
  json::Parser second;
  const auto canonical = json::canonical(*body);
  const auto again = second.parse(canonical);
  HOLDFAST_CHECK(again.has_value());
  const auto twice = read(*again);
  HOLDFAST_CHECK(twice.has_value());
  same(*once, *twice);
}

void check_admission(const AdmitRequest& a, const AdmitRequest& b) {
  HOLDFAST_CHECK(a.id.empty() || valid_name(a.id));
  HOLDFAST_CHECK(a.priority <= 9 && a.body_hash.size() == 32 && !a.turn.empty());
  HOLDFAST_CHECK(json::canonical_text(a.turn) == a.turn);
  HOLDFAST_CHECK(a.body_hash == b.body_hash && a.id == b.id && a.turn == b.turn && a.metadata == b.metadata &&
                 a.callback == b.callback && a.git_token == b.git_token && a.expires_at == b.expires_at);
}

void check_spec(std::string_view text) {
  const auto spec = session::parse_spec(text, kLimits);
  if (!spec) return check_refusal(spec.error());
  HOLDFAST_CHECK(spec->labels.size() <= kLimits.labels_max);
  // The document that it makes, shown as a body, is the same specification, but for its secrets.
  session::Document document;
  document.metadata = spec->metadata;
  document.agent = spec->agent;
  document.repository = spec->repository;
  document.repository.git_token.reset();
  document.queue_capacity = spec->queue_capacity;
  document.on_busy = spec->on_busy.value_or(OnBusy::enqueue);
  document.labels = spec->labels;
  document.delivery = spec->delivery;
  if (document.delivery) document.delivery->secret.reset();
  document.callback = spec->callback;
  if (document.callback) document.callback->headers.clear();
  document.ttl_ms = spec->ttl_ms;
  const auto shown = session::spec_json(document);
  const auto again = session::parse_spec(shown, kLimits);
  HOLDFAST_CHECK(again.has_value());
  HOLDFAST_CHECK(again->labels == spec->labels && again->metadata == spec->metadata && again->ttl_ms == spec->ttl_ms &&
                 again->queue_capacity == spec->queue_capacity && again->agent == spec->agent);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto any = [](const auto&, const auto&) {};
  switch ("abeqirfcvdFs"[*data % 12]) {
    case 'a':
      return check_body(
                 text, [](auto body) { return http::admit_request(body, kLimits); }, check_admission),
             0;
    case 'b':
      return check_body(
                 text, [](auto body) { return http::admit_batch(body, kLimits); },
                 [](const auto& a, const auto& b) {
                   HOLDFAST_CHECK(!a.empty() && a.size() <= kLimits.batch_messages_max && a.size() == b.size());
                   for (std::size_t i = 0; i < a.size(); ++i) check_admission(a[i], b[i]);
                 }),
             0;
    case 'e':
      return check_body(
                 text, [](auto body) { return http::message_edit(body, kLimits); },
                 [](const auto& a, const auto& b) {
                   HOLDFAST_CHECK(a.turn == b.turn && a.priority.value_or(0) <= 9 && a.expires_at == b.expires_at);
                 }),
             0;
    case 'q':
      return check_body(
                 text, [](auto body) { return http::queue_command(body, kLimits); },
                 [](const auto& a, const auto& b) { HOLDFAST_CHECK(a.action == b.action && a.order == b.order); }),
             0;
    case 'i':
      return check_body(
                 text, [](auto body) { return http::interrupt_request(body); }, any),
             0;
    case 'r':
      return check_body(
                 text, [](auto body) { return http::runtime_spec(body, kLimits); },
                 [](const auto& a, const auto& b) { HOLDFAST_CHECK(a.url == b.url && a.labels == b.labels); }),
             0;
    case 'f':
      return check_body(
                 text, [](auto body) { return http::fork_request(body); }, any),
             0;
    case 'c':
      return check_body(
                 text, [](auto body) { return http::claim_request(body, kLimits); },
                 [](const auto& a, const auto& b) {
                   HOLDFAST_CHECK(a.max >= 1 && a.max <= kLimits.claim_deliveries_max && a.sessions == b.sessions);
                 }),
             0;
    case 'v':
      return check_body(
                 text, [](auto body) { return http::runtime_events(body, kLimits); },
                 [](const auto& a, const auto&) {
                   for (const auto& event : a)
                     HOLDFAST_CHECK(!event.type.empty() && event.type.find_first_of("\r\n ,") == std::string::npos);
                 }),
             0;
    case 'd':
      return check_body(
                 text, [](auto body) { return http::completion(body, kLimits); },
                 [](const auto& a, const auto& b) { HOLDFAST_CHECK(a.result == b.result); }),
             0;
    case 'F':
      return check_body(
                 text, [](auto body) { return http::fail_report(body); }, any),
             0;
    default: check_spec(text);
  }
  return 0;
}
