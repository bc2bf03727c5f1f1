// Readiness: what /readyz says. Ready means that a request would be taken now.
//
//     recovering   the store is being read                         -> ready
//     draining     it finishes what it has, and then stops
//     broken       a write failed: nothing is promised any more until a restart has looked
#pragma once

#include <holdfast/engine.hpp>

#include "http/answer.hpp"

namespace holdfast::http {

enum class Stopping : std::uint8_t { no, yes };

// `engine`: nullptr while it opens. A store that broke is told even while the server stops because of it.
[[nodiscard]] Health readiness(const Engine* engine, Stopping stopping) noexcept;
[[nodiscard]] Health readiness(Health engine, Stopping stopping) noexcept;
enum class Disk : std::uint8_t { has_room, full };
// 200 when ready, else 503 with Retry-After. `recovery` may be empty.
void write_readiness(Answer& answer, Health health, Disk disk, const Recovery* recovery);

}  // namespace holdfast::http
