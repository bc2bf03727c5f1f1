// The session document: PUT, PATCH, read, delete.
#include "actors/session/spec.hpp"
#include "actors/session/work.hpp"
#include "src/core/crypto.hpp"
#include "src/core/json.hpp"

namespace holdfast::session {
namespace {

Session view(const Work& work) { return session_view(work.context.id, work.entity, work.journal, work.context.limits); }

std::optional<std::string> etag(const Work& work) {
  if (!work.document.exists) return std::nullopt;
  return std::to_string(work.document.revision + work.state.operations);
}

Document document_of(const SessionSpec& spec) {
  Document d;
  d.exists = true;
  d.metadata = spec.metadata;
  d.agent = spec.agent;
  d.repository = spec.repository;
  d.repository.git_token.reset();
  d.queue_capacity = spec.queue_capacity;
  d.on_busy = spec.on_busy.value_or(OnBusy::enqueue);
  d.labels = spec.labels;
  d.delivery = spec.delivery;
  if (d.delivery) d.delivery->secret.reset();
  d.callback = spec.callback;
  if (d.callback) {
    d.callback_headers_hash = hash_of_headers(d.callback->headers);
    d.callback->headers.clear();
  }
  d.ttl_ms = spec.ttl_ms;
  return d;
}

bool same(const Document& a, const Document& b) {
  return a.metadata == b.metadata && a.agent == b.agent && a.repository == b.repository &&
         a.queue_capacity == b.queue_capacity && a.on_busy == b.on_busy && a.labels == b.labels &&
         a.delivery == b.delivery && a.callback == b.callback && a.callback_headers_hash == b.callback_headers_hash &&
         a.ttl_ms == b.ttl_ms;
}

// Sets what `next` says and keeps what a document has of its own. True when anything changed.
bool replace(Work& work, Document next) {
  auto& document = work.document;
  next.revision = document.revision + 1;
  next.created_at = document.created_at;
  if (same(document, next)) return false;
  if (document.labels != next.labels || document.delivery != next.delivery) work.relabelled();
  document = std::move(next);
  work.document_changed();
  work.state.updated_at = work.context.now;
  return true;
}

// Seals the secrets that came. Returns the push secret if this call made it.
std::optional<std::string> take_secrets(Work& work, const SessionSpec& spec) {
  std::optional<std::string> made;
  if (spec.callback) (void)keep_headers(work, spec.callback->headers);
  if (spec.delivery && spec.delivery->mode == DeliveryMode::push) {
    const auto before = work.unseal(kPushLabel);
    if (spec.delivery->secret && spec.delivery->secret != before) {
      work.seal(kPushLabel, *spec.delivery->secret);
      work.state_changed();
    } else if (!before) {
      made = push_secret(work);
    }
  } else if (work.unseal(kPushLabel)) {
    work.unkeep(kPushLabel);
  }
  const auto& token = spec.repository.git_token;
  if (token && credential_outcome(work.document.repository.kind, *token) == CredentialOutcome::stored)
    store_credential(work, *token);
  return made;
}

Session view(const Work& work, std::optional<std::string> made_secret) {
  Session session = view(work);
  if (session.delivery) session.delivery->secret = std::move(made_secret);
  return session;
}

}  // namespace

Result<Reply> run(Work& work, const Put& command) {
  if (work.document.deleted) return no_session(work);
  if (auto ok = check(command.precondition, etag(work)); !ok) return tl::unexpected(std::move(ok.error()));
  const bool creates = !work.document.exists;
  work.create_if_absent();
  PutResult result;
  if (creates) {
    auto document = document_of(command.spec);
    document.revision = 1;
    document.created_at = work.context.now;
    work.document = std::move(document);
    result.outcome = PutOutcome::created;
  } else if (replace(work, document_of(command.spec))) {
    work.operation("session.updated", "{\"revision\":" + *etag(work) + "}");
    result.outcome = PutOutcome::replaced;
  } else {
    result.outcome = PutOutcome::unchanged;
  }
  result.session = view(work, take_secrets(work, command.spec));
  return result;
}

Result<Reply> run(Work& work, const Get&) {
  if (!work.document.exists || work.document.deleted) return no_session(work);
  return view(work);
}

Result<Reply> run(Work& work, const Patch& command) {
  if (!work.document.exists || work.document.deleted) return no_session(work);
  if (auto ok = check(command.precondition, etag(work)); !ok) return tl::unexpected(std::move(ok.error()));
  auto merged = json::merge_patch(spec_json(work.document), command.patch);
  if (!merged) return tl::unexpected(std::move(merged.error()));
  auto spec = parse_spec(*merged, work.context.limits);
  if (!spec) return tl::unexpected(std::move(spec.error()));
  auto next = document_of(*spec);
  // The headers are write-only: a patch that does not name them keeps them.
  if (next.callback && spec->callback->headers.empty())
    next.callback_headers_hash = work.document.callback_headers_hash;
  if (replace(work, std::move(next))) work.operation("session.updated", "{\"revision\":" + *etag(work) + "}");
  return view(work, take_secrets(work, *spec));
}

Result<Reply> run(Work& work, const Remove& command) {
  const bool there = work.document.exists && !work.document.deleted;
  if (auto ok = check(command.precondition, there ? etag(work) : std::nullopt); !ok)
    return tl::unexpected(std::move(ok.error()));
  if (!there) return Nothing{};
  work.bury();
  return Nothing{};
}

}  // namespace holdfast::session
