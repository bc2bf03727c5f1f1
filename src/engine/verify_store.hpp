// Verify a whole store: every session and object, every row of the index, and rows that belong to nobody.
//
// Who knows what a row means does the looking (actors/session/verify.hpp, actors/object/verify.hpp); this leads through
// the families, from owner to owner. Memory does not depend on how many there are. The store is at rest: no engine
// writes it.
#pragma once

#include <cstdint>
#include <functional>

#include "storage/finding.hpp"
#include "storage/store.hpp"

namespace holdfast {

struct VerifiedStore {
  std::uint64_t sessions = 0;  // living
  std::uint64_t objects = 0;
  std::uint64_t index_rows = 0;
  std::uint64_t findings = 0;
};

// `watch` learns how many sessions and objects of how many were looked at.
[[nodiscard]] VerifiedStore verify_store(const Readable& reader, const Findings& findings,
                                         const std::function<void(std::uint64_t done, std::uint64_t total)>& watch);

}  // namespace holdfast
