// The runtime kernel: who drains queues, and how a runtime proves that it is the one it says it is.
//
// A runtime registers once and gets two secrets. Its auth token proves it from then on; it is shown once, and only
// its hash is kept. Its inbound secret signs what is pushed to it; it is sealed in the vault and shown again to
// whoever proves to be the runtime. Every transition is conditional on the state before:
//
//     provisioning -> online <-> degraded -> offline -> online ...     any -> removed, which is final
//
// Pure: apply() reads and writes nothing but its arguments, reads no clock and throws nothing.
#pragma once

#include <holdfast/error.hpp>
#include <holdfast/options.hpp>
#include <holdfast/types.hpp>
#include <optional>
#include <string>
#include <variant>

#include "actors/session/overlay.hpp"
#include "src/core/ids.hpp"
#include "src/core/random.hpp"
#include "storage/store.hpp"
#include "storage/vault.hpp"

namespace holdfast::runtime {

// What is on disk of a runtime.
struct Record {
  std::string name;
  RuntimeState state = RuntimeState::provisioning;
  std::string token_hash;  // SHA-256 of the auth token; empty: none was issued
  bool has_secret = false;
  std::string url;
  Labels labels;
  std::uint32_t capacity = 0;
  Time created_at = 0;
  Time updated_at = 0;
  Time seen_at = 0;
};
void encode(std::string& out, const Record& record);
[[nodiscard]] Result<Record> decode(std::string_view value);

// A heartbeat moves what is on disk at most this often: between two of them `seen_at` lives in memory.
inline constexpr Time kSeenMs = 15'000;

struct Register {
  RuntimeProof proof;
  RuntimeSpec spec;
};
struct Heartbeat {
  RuntimeProof proof;
};
struct Rotate {
  RuntimeProof proof;
};
struct Remove {};
struct Look {};  // the reconciler: not heard of for too long?
using Command = std::variant<Register, Heartbeat, Rotate, Remove, Look>;

struct Context {
  std::string_view project;
  std::string_view name;
  Time now;
  Random& random;
  const Limits& limits;
  const Vault& vault;
  const session::Reader& reader;  // of the vault
};

struct Step {
  Result<Registration> reply;
  WriteSet writes;
  std::optional<Record> record;  // afterwards; nothing: as before
  bool fence = false;            // its turns go back to their queues
  bool shredded = false;
};

[[nodiscard]] Step apply(const std::optional<Record>& before, const Command& command, const Context& context);

// The name in an auth token `hfr_<name>.<64 hex>`; nothing when the text is not of that form.
[[nodiscard]] std::optional<std::string> name_in_token(std::string_view token);
[[nodiscard]] RuntimeInfo view(const Record& record);

}  // namespace holdfast::runtime
