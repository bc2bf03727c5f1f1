// merge_turns: on_busy = merge on two turns in canonical form.
#pragma once

#include <cstdint>
#include <holdfast/types.hpp>
#include <optional>
#include <string_view>

namespace holdfast::session {

// Strings are joined by a blank line, other content becomes a list; attachments follow each other. Nothing when the
// kinds differ or the content would be longer than `content_bytes_max`.
[[nodiscard]] std::optional<Json> merge_turns(std::string_view into, std::string_view added,
                                              std::uint64_t content_bytes_max);

}  // namespace holdfast::session
