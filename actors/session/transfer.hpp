// What export and import share.
#pragma once

#include <cstdint>

#include "actors/session/entity.hpp"

namespace holdfast::session {

inline constexpr std::uint64_t kExportVersion = 1;

// Without what lies in the index and the vault of one store, and means nothing in another.
[[nodiscard]] State without_places(State state);

}  // namespace holdfast::session
