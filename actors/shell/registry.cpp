#include "actors/shell/registry.hpp"

#include <mutex>

#include "actors/shell/lane.hpp"
#include "storage/keys.hpp"

namespace holdfast::shell {

std::optional<std::string> RuntimeDirectory::proven_by(std::string_view token) const {
  auto name = runtime::name_in_token(token);
  if (!name) return std::nullopt;
  const auto hash = sha256(token);
  const std::shared_lock lock(mutex_);
  const auto found = records_.find(*name);
  if (found == records_.end() || found->second.token_hash.empty()) return std::nullopt;
  if (!equal_constant_time(hash, found->second.token_hash)) return std::nullopt;
  return name;
}

Page<RuntimeInfo> RuntimeDirectory::list(std::string_view after, std::size_t limit) const {
  Page<RuntimeInfo> page;
  const std::shared_lock lock(mutex_);
  for (auto it = after.empty() ? records_.begin() : records_.upper_bound(after); it != records_.end(); ++it) {
    if (page.items.size() >= limit) {
      page.next = page.items.back().runtime;
      break;
    }
    page.items.push_back(runtime::view(it->second));
  }
  return page;
}

std::uint64_t RuntimeDirectory::online() const {
  const std::shared_lock lock(mutex_);
  std::uint64_t n = 0;
  for (const auto& [name, record] : records_) n += record.state == RuntimeState::online ? 1 : 0;
  return n;
}

void RuntimeDirectory::publish(const runtime::Record& record) {
  const std::unique_lock lock(mutex_);
  records_[record.name] = record;
}

std::map<std::string, runtime::Record, std::less<>> RuntimeDirectory::all() const {
  const std::shared_lock lock(mutex_);
  return records_;
}

Registry::Registry(caf::actor_config& config, Services& services, RuntimeDirectory& directory, Fence fence,
                   std::vector<runtime::Record> known)
    : Actor(config),
      services_(services),
      directory_(directory),
      fence_(std::move(fence)),
      ahead_(services.store, services.pipeline) {
  // Nobody could be heard while the engine was down: silence counts from now.
  for (auto& record : known) {
    record.seen_at = services_.clock.now();
    directory_.publish(record);
    auto name = record.name;
    records_.emplace(std::move(name), std::move(record));
  }
  hand_over(this);
}

Result<std::vector<runtime::Record>> Registry::load(const Store& store, std::string_view project) {
  std::vector<runtime::Record> records;
  std::optional<Error> error;
  auto scanned = store.scan(Family::objects, keys::runtimes(project), [&](std::string_view, std::string_view value) {
    auto record = runtime::decode(value);
    if (!record) {
      error = std::move(record.error());
      return Visit::stop;
    }
    records.push_back(std::move(*record));
    return Visit::next;
  });
  if (!scanned) return tl::unexpected(std::move(scanned.error()));
  if (error) return tl::unexpected(std::move(*error));
  return records;
}

caf::behavior Registry::make_behavior() {
  const Handling setting_up(this);
  return {[this](const RegistryEnvelopePtr& envelope) {
    const Handling handling(this);
    handle(envelope);
  }};
}

// What was published was durable. When a runtime was last heard of is on no disk.
void Registry::forget() {
  auto durable = directory_.all();
  for (auto& [name, record] : durable)
    if (const auto known = records_.find(name); known != records_.end()) record.seen_at = known->second.seen_at;
  records_ = std::move(durable);
}

void Registry::handle(const RegistryEnvelopePtr& envelope) {
  if (ahead_.look() == Ahead::Verdict::refused) forget();
  if (!envelope->runtime.empty()) return apply(envelope->runtime, envelope);
  std::vector<std::string> names;
  for (const auto& [name, record] : records_) names.push_back(name);
  for (const auto& name : names) apply(name, envelope);
}

void Registry::apply(const std::string& name, const RegistryEnvelopePtr& envelope) {
  const auto found = records_.find(name);
  const auto before = found == records_.end() ? std::nullopt : std::optional(found->second);
  const bool registers = std::holds_alternative<runtime::Register>(envelope->command);
  if (!before && registers && records_.size() >= services_.limits.runtimes_max) {
    if (envelope->done)
      envelope->done(fail(ErrorCode::too_large, "there are runtimes_max runtimes already; remove some or raise it"));
    return;
  }
  const runtime::Context context{
      kDefaultProject, name,           services_.clock.now(), services_.random, services_.limits,
      services_.vault, ahead_.reader()};
  auto step = runtime::apply(before, envelope->command, context);
  const bool heartbeat = std::holds_alternative<runtime::Heartbeat>(envelope->command);
  if (step.reply && heartbeat && !step.record && before) records_[name].seen_at = context.now;
  if (step.record) records_[name] = *step.record;

  // The registry may be gone when this runs, what it is made of is not.
  auto open = [&services = services_, &directory = directory_, fence_of = fence_, envelope,
               reply = std::make_shared<Result<Registration>>(std::move(step.reply)), record = std::move(step.record),
               fence = step.fence, shredded = step.shredded](const Result<void>& durable) {
    const NoLane on_writer;
    if (durable && record) directory.publish(*record);
    if (durable && fence) fence_of(record->name);
    if (durable && shredded) services.on_shredded({});
    if (!envelope->done) return;
    if (durable) envelope->done(std::move(*reply));
    else envelope->done(tl::unexpected(durable.error()));
  };
  ahead_.gate(std::move(step.writes), std::move(open));
}

}  // namespace holdfast::shell
