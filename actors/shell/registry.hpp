// Registry: the actor that owns the runtimes of an engine. One single-threaded actor for all of them: registrations
// are rare, and two of the same name must be ordered.
//
// RuntimeDirectory is what other threads may see of it: who exists, in which state, under which token hash. It
// changes when the write set that says so is durable, before its reply leaves, so that a rotation takes effect at once.
#pragma once

#include <caf/all.hpp>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>

#include "actors/runtime/runtime.hpp"
#include "actors/shell/actor.hpp"
#include "actors/shell/ahead.hpp"
#include "actors/shell/services.hpp"

namespace holdfast::shell {

class RuntimeDirectory {
 public:
  // The runtime that this auth token proves; nothing when it proves none. Any thread.
  [[nodiscard]] std::optional<std::string> proven_by(std::string_view token) const;
  [[nodiscard]] Page<RuntimeInfo> list(std::string_view after, std::size_t limit) const;
  [[nodiscard]] std::uint64_t online() const;

  // For the registry.
  [[nodiscard]] std::map<std::string, runtime::Record, std::less<>> all() const;
  void publish(const runtime::Record& record);

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, runtime::Record, std::less<>> records_;
};

struct RegistryEnvelope {
  std::string runtime;  // empty: look at all (the reconciler)
  runtime::Command command;
  std::function<void(Result<Registration>&&)> done;  // may be empty
};
using RegistryEnvelopePtr = std::shared_ptr<RegistryEnvelope>;

class Registry final : public Actor {
 public:
  // `fence` is called for a runtime that is gone, once that is durable.
  using Fence = std::function<void(const std::string& runtime)>;
  Registry(caf::actor_config& config, Services& services, RuntimeDirectory& directory, Fence fence,
           std::vector<runtime::Record> known);

  // All that is on disk: read once, at start.
  [[nodiscard]] static Result<std::vector<runtime::Record>> load(const Store& store, std::string_view project);

 protected:
  caf::behavior make_behavior() override;

 private:
  void handle(const RegistryEnvelopePtr& envelope);
  void forget();
  void apply(const std::string& name, const RegistryEnvelopePtr& envelope);

  Services& services_;
  RuntimeDirectory& directory_;
  Fence fence_;
  std::map<std::string, runtime::Record, std::less<>> records_;
  Ahead ahead_;
};

}  // namespace holdfast::shell

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(holdfast::shell::RegistryEnvelopePtr)
