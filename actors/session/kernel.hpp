// The session kernel: one command in, one write set and one reply out.
//
// apply() decides and changes the entity in memory; it does no I/O but reads through the Reader, reads no clock and
// throws nothing. When the reply is an error and there is nothing to write, the entity is as it was (or `reload` is
// set). The shell makes the write set durable before the reply, or anything of `effects`, leaves the process.
//
// Order of an admission: idempotency, if_seq, overlap, capacity; then credential, marker, ready index and alarm in the
// one write set.
#pragma once

#include "actors/session/commands.hpp"
#include "actors/session/entity.hpp"
#include "actors/session/journal.hpp"
#include "src/core/crypto.hpp"
#include "storage/keys.hpp"
#include "storage/vault.hpp"

namespace holdfast::session {

// What a command may use. Everything outlives the call.
struct Context {
  const ObjectId& id;
  Time now;
  Random& random;
  const Limits& limits;
  const Vault& vault;
  const Signer& signer;
  std::string_view store_id;
  Durability durability;
  const Reader& reader;
};

// What may leave once the write set is durable.
struct Effects {
  bool events = false;  // readers of the session's events and waits have something to look at
  bool ready_changed = false;
  std::optional<ReadyMark> ready;         // the entry in the ready index, when it changed to one
  Time alarm = 0;                         // an alarm was set
  std::vector<keys::Callback> callbacks;  // fell due
  bool shredded = false;                  // the session's secrets were erased: rewrite the vault's files
  std::uint32_t admitted = 0;
  std::uint32_t replayed = 0;
  std::uint32_t delivered = 0;
  std::uint32_t completed = 0;
  std::uint32_t retried = 0;
  std::uint32_t dead = 0;
};

struct Step {
  Result<Reply> reply;
  WriteSet writes;
  Effects effects;
  bool reload = false;  // the store refused a read midway: the entity in memory is void, load it anew
};

[[nodiscard]] Step apply(Entity& entity, const Command& command, const Context& context);

// Whether it adds to what is stored: refused while the disk is full. What ends, deletes or steers goes on.
[[nodiscard]] bool grows(const Command& command) noexcept;

// The RFC 8785 hash of an admission that came typed instead of as a body: the same for the same content.
[[nodiscard]] std::string body_hash_of(const AdmitRequest& request);

}  // namespace holdfast::session
