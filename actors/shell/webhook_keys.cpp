#include "actors/shell/webhook_keys.hpp"

#include <algorithm>
#include <thread>

#include "actors/session/codec_parts.hpp"
#include "actors/shell/lane.hpp"
#include "src/egress/webhook.hpp"
#include "storage/codec.hpp"

namespace holdfast::shell {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::string_view kLabel = "callbacks";

// The vault's owner of the secrets. The slash keeps it apart from every session: no name has one.
ObjectId owner() { return {std::string(kDefaultProject), "webhooks/project"}; }

}  // namespace

Result<void> WebhookKeys::load() {
  const std::lock_guard lock(mutex_);
  return read();
}

Result<void> WebhookKeys::read() {
  auto key = services_.store.get(Family::vault, Vault::session_key_key(owner()));
  if (!key) return tl::unexpected(std::move(key.error()));
  auto sealed = services_.store.get(Family::vault, Vault::value_key(owner(), kLabel));
  if (!sealed) return tl::unexpected(std::move(sealed.error()));
  keys_.clear();
  sealed_key_ = key->value_or("");
  if (!*key || !*sealed) return {};
  auto plain = services_.vault.open_value(owner(), **key, kLabel, **sealed);
  if (!plain) return tl::unexpected(std::move(plain.error()));
  Decoder d(*plain);
  const bool known = d.u8() == kFormat;
  Keys keys;
  for (std::uint64_t n = d.varint(); n > 0 && d.ok(); --n) {
    auto secret = d.text();
    keys.push_back({std::move(secret), static_cast<Time>(d.varint())});
  }
  if (!known || !d.done()) return session::damaged("list of webhook secrets");
  keys_ = std::move(keys);
  return {};
}

Result<void> WebhookKeys::look_behind() {
  const auto epoch = services_.pipeline.epoch();
  if (epoch == epoch_) return {};
  auto ok = read();
  if (ok) epoch_ = epoch;
  return ok;
}

std::vector<std::string> WebhookKeys::secrets() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      (void)look_behind();  // without the store, those that signed before
      if (!keys_.empty()) return signing();
    }
    // Who is making the first one has it in a moment.
    const std::unique_lock making(making_, std::try_to_lock);
    if (!making) std::this_thread::yield();
    else if (none()) make([](auto) {});
  }
}

bool WebhookKeys::none() {
  const std::lock_guard lock(mutex_);
  return keys_.empty();
}

std::vector<std::string> WebhookKeys::signing() const {
  std::vector<std::string> secrets;
  for (const auto& key : keys_)
    if (key.until == 0 || key.until > services_.clock.now()) secrets.push_back(key.secret);
  return secrets;
}

void WebhookKeys::rotate(std::function<void(Result<std::string>)> done) {
  Result<void> seen;
  {
    const std::lock_guard making(making_);
    seen = see();
    if (seen) make(done);
  }
  if (!seen) done(tl::unexpected(std::move(seen.error())));
}

Result<void> WebhookKeys::see() {
  const std::lock_guard lock(mutex_);
  return look_behind();
}

Result<WriteSet> WebhookKeys::put_in_front() {
  const Time now = services_.clock.now();
  if (!keys_.empty()) keys_.front().until = now + static_cast<Time>(services_.limits.webhook_overlap_ms);
  std::erase_if(keys_, [&](const Key& key) { return key.until != 0 && key.until <= now; });
  if (keys_.size() >= kKeys) keys_.pop_back();
  keys_.insert(keys_.begin(), {egress::make_webhook_secret(services_.random), 0});

  WriteSet writes;
  if (sealed_key_.empty()) {
    sealed_key_ = services_.vault.make_session_key(owner(), services_.random);
    writes.put(Family::vault, Vault::session_key_key(owner()), sealed_key_);
  }
  std::string plain;
  Encoder e(plain);
  e.u8(kFormat);
  e.varint(keys_.size());
  for (const auto& key : keys_) {
    e.bytes(key.secret);
    e.varint(static_cast<std::uint64_t>(key.until));
  }
  auto sealed = services_.vault.seal_value(owner(), sealed_key_, kLabel, plain, services_.random);
  if (!sealed) return tl::unexpected(std::move(sealed.error()));
  writes.put(Family::vault, Vault::value_key(owner(), kLabel), std::move(*sealed));
  return writes;
}

void WebhookKeys::make(const std::function<void(Result<std::string>)>& done) {
  Result<WriteSet> writes;
  std::string secret;
  std::uint64_t epoch = 0;
  {
    const std::lock_guard lock(mutex_);
    writes = put_in_front();
    if (!writes) return done(tl::unexpected(std::move(writes.error())));
    secret = keys_.front().secret;
    epoch = epoch_;
  }
  // A secret that signs before it is durable is harmless: if it never becomes so it is forgotten, or the engine that
  // signed with it is latched broken.
  services_.pipeline.submit(*writes, epoch, [done, secret = std::move(secret)](const Result<void>& durable) {
    const NoLane on_writer;
    if (durable) done(secret);
    else done(tl::unexpected(durable.error()));
  });
}

}  // namespace holdfast::shell
