#include "actors/runtime/runtime.hpp"

#include <array>
#include <span>

#include "src/core/check.hpp"
#include "src/core/crypto.hpp"
#include "src/core/json.hpp"
#include "storage/codec.hpp"
#include "storage/keys.hpp"

namespace holdfast::runtime {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::string_view kTokenPrefix = "hfr_";
constexpr std::size_t kTokenSecretHex = 64;
constexpr std::string_view kSecretLabel = "inbound_secret";

std::string random_hex(Random& random, std::size_t bytes) {
  std::string raw(bytes, '\0');
  random.fill(std::as_writable_bytes(std::span(raw)));
  return to_hex(raw);
}

// The vault's owner of a runtime's secret. The slash keeps it apart from every session: no name has one.
ObjectId owner(const Context& context) {
  return {std::string(context.project), "runtime/" + std::string(context.name)};
}

bool proves(const RuntimeProof& proof, const Record& record) {
  return !proof.token.empty() && !record.token_hash.empty() &&
         equal_constant_time(sha256(proof.token), record.token_hash);
}

tl::unexpected<Error> no_proof() { return fail(ErrorCode::unauthorized, {}); }
tl::unexpected<Error> removed(const Context& context) {
  return fail(ErrorCode::gone, "runtime " + std::string(context.name) + " was removed; register under another name");
}
tl::unexpected<Error> unknown(const Context& context) {
  return fail(ErrorCode::not_found, "there is no runtime " + std::string(context.name));
}

class Change {
 public:
  Change(const std::optional<Record>& before, const Context& context) : before_(before), context_(context) {
    if (before) record_ = *before;
    else record_.created_at = context.now;
    record_.name = context.name;
  }

  Step run(const Register& command) {
    if (before_ && before_->state == RuntimeState::removed) return refuse(removed(context_));
    Registration answer;
    const bool first = !before_ || before_->token_hash.empty();
    if (first) {
      if (command.proof.kind != RuntimeProof::Kind::operator_key && command.proof.kind != RuntimeProof::Kind::creator)
        return refuse(no_proof());
      answer.auth_token = issue_token();
    } else if (command.proof.kind != RuntimeProof::Kind::operator_key && !proves(command.proof, *before_)) {
      return refuse(no_proof());
    }
    auto secret = record_.has_secret ? open_secret() : make_secret();
    if (!secret) return refuse(tl::unexpected(std::move(secret.error())));
    answer.inbound_secret = std::move(*secret);
    answer.created = first;
    if (command.spec.url) record_.url = *command.spec.url;
    if (command.spec.labels) record_.labels = *command.spec.labels;
    if (command.spec.capacity) record_.capacity = *command.spec.capacity;
    record_.state = RuntimeState::online;
    record_.seen_at = context_.now;
    return done(std::move(answer));
  }

  Step run(const Heartbeat& command) {
    if (auto error = refusal(command.proof)) return std::move(*error);
    const bool quiet = before_->state == RuntimeState::online && before_->seen_at + kSeenMs > context_.now;
    record_.state = RuntimeState::online;
    record_.seen_at = context_.now;
    if (!quiet) return done({});
    Registration answer;
    answer.runtime = view(record_);
    return {std::move(answer), {}, {}, false, false};
  }

  Step run(const Rotate& command) {
    if (auto error = refusal(command.proof)) return std::move(*error);
    Registration answer;
    answer.auth_token = issue_token();
    return done(std::move(answer));
  }

  Step run(const Remove&) {
    if (!before_ || before_->state == RuntimeState::removed) return {Registration{}, {}, {}, false, false};
    record_.state = RuntimeState::removed;
    record_.token_hash.clear();
    record_.has_secret = false;
    const auto secrets = Vault::session_range(owner(context_));
    writes_.erase_range(Family::vault, secrets.from, secrets.to);
    auto step = done({});
    step.fence = true;
    step.shredded = true;
    return step;
  }

  Step run(const Look&) {
    const auto silent = [&](std::uint64_t ms) {
      return before_ && before_->seen_at + static_cast<Time>(ms) <= context_.now;
    };
    const bool counted =
        before_ && (before_->state == RuntimeState::online || before_->state == RuntimeState::degraded);
    if (counted && silent(context_.limits.runtime_offline_ms)) {
      record_.state = RuntimeState::offline;
      auto step = done({});
      step.fence = true;
      return step;
    }
    if (counted && before_->state == RuntimeState::online && silent(context_.limits.runtime_degraded_ms)) {
      record_.state = RuntimeState::degraded;
      return done({});
    }
    return {Registration{}, {}, {}, false, false};
  }

 private:
  std::optional<Step> refusal(const RuntimeProof& proof) const {
    if (!before_) return refuse(proof.kind == RuntimeProof::Kind::operator_key ? unknown(context_) : no_proof());
    if (before_->state == RuntimeState::removed) return refuse(removed(context_));
    if (proof.kind != RuntimeProof::Kind::operator_key && !proves(proof, *before_)) return refuse(no_proof());
    return std::nullopt;
  }
  static Step refuse(tl::unexpected<Error> error) { return {std::move(error), {}, {}, false, false}; }

  std::string issue_token() {
    auto token = std::string(kTokenPrefix) + record_.name + "." + random_hex(context_.random, kTokenSecretHex / 2);
    record_.token_hash = sha256(token);
    return token;
  }

  // In the form of Standard Webhooks: whsec_ and base64.
  Result<std::string> make_secret() {
    std::string raw(32, '\0');
    context_.random.fill(std::as_writable_bytes(std::span(raw)));
    const auto secret = "whsec_" + to_base64(raw);
    const auto key = context_.vault.make_session_key(owner(context_), context_.random);
    auto sealed = context_.vault.seal_value(owner(context_), key, kSecretLabel, secret, context_.random);
    if (!sealed) return sealed;
    writes_.put(Family::vault, Vault::session_key_key(owner(context_)), key);
    writes_.put(Family::vault, Vault::value_key(owner(context_), kSecretLabel), std::move(*sealed));
    record_.has_secret = true;
    return secret;
  }

  [[nodiscard]] Result<std::string> open_secret() const {
    auto key = context_.reader.get(Family::vault, Vault::session_key_key(owner(context_)));
    if (!key) return tl::unexpected(std::move(key.error()));
    auto sealed = context_.reader.get(Family::vault, Vault::value_key(owner(context_), kSecretLabel));
    if (!sealed) return tl::unexpected(std::move(sealed.error()));
    if (!*key || !*sealed) return fail(ErrorCode::internal, "the vault has no secret of this runtime");
    return context_.vault.open_value(owner(context_), **key, kSecretLabel, **sealed);
  }

  Step done(Registration answer) {
    record_.updated_at = context_.now;
    std::string value;
    encode(value, record_);
    writes_.put(Family::objects, keys::runtime(context_.project, context_.name), std::move(value));
    answer.runtime = view(record_);
    return {std::move(answer), std::move(writes_), std::move(record_), false, false};
  }

  const std::optional<Record>& before_;
  const Context& context_;
  Record record_;
  WriteSet writes_;
};

}  // namespace

void encode(std::string& out, const Record& r) {
  Encoder e(out);
  e.u8(kFormat);
  e.bytes(r.name);
  e.u8(static_cast<std::uint8_t>(r.state));
  e.bytes(r.token_hash);
  e.u8(r.has_secret ? 1 : 0);
  e.bytes(r.url);
  e.varint(r.labels.size());
  for (const auto& [name, value] : r.labels) {
    e.bytes(name);
    e.bytes(value);
  }
  e.varint(r.capacity);
  e.varint(static_cast<std::uint64_t>(r.created_at));
  e.varint(static_cast<std::uint64_t>(r.updated_at));
  e.varint(static_cast<std::uint64_t>(r.seen_at));
}

Result<Record> decode(std::string_view value) {
  Decoder d(value);
  Record r;
  const auto format = d.u8();
  r.name = d.text();
  const auto state = d.u8();
  r.token_hash = d.text();
  r.has_secret = d.u8() != 0;
  r.url = d.text();
  for (std::uint64_t n = d.varint(); n > 0 && d.ok(); --n) {
    auto name = d.text();
    r.labels.emplace(std::move(name), d.text());
  }
  r.capacity = static_cast<std::uint32_t>(d.varint());
  r.created_at = static_cast<Time>(d.varint());
  r.updated_at = static_cast<Time>(d.varint());
  r.seen_at = static_cast<Time>(d.varint());
  if (!d.done() || format != kFormat || state > static_cast<std::uint8_t>(RuntimeState::removed))
    return fail(ErrorCode::internal, "a stored runtime cannot be read: it is damaged or from a newer version");
  r.state = static_cast<RuntimeState>(state);
  return r;
}

Step apply(const std::optional<Record>& before, const Command& command, const Context& context) {
  return std::visit([&](const auto& c) { return Change(before, context).run(c); }, command);
}

std::optional<std::string> name_in_token(std::string_view token) {
  if (!token.starts_with(kTokenPrefix) || token.size() < kTokenPrefix.size() + kTokenSecretHex + 2) return std::nullopt;
  token.remove_prefix(kTokenPrefix.size());
  const auto dot = token.size() - kTokenSecretHex - 1;
  const auto name = token.substr(0, dot);
  if (token[dot] != '.' || !valid_name(name)) return std::nullopt;
  return std::string(name);
}

RuntimeInfo view(const Record& r) {
  return {r.name, r.state, r.url, r.labels, r.capacity, r.created_at, r.updated_at, r.seen_at};
}

}  // namespace holdfast::runtime
