// Names and minted ids, parsed once at the edge.
//
// A name is [A-Za-z0-9][A-Za-z0-9._~:-]{0,127}. A minted id is a prefix and the 32 hex digits of a UUIDv7 (RFC 9562).
// A minted message id carries its journal position, so that finding the message needs no index: of the UUID's 74
// free bits, the 12 after the version and the last 22 are random, the 40 between are the position.
#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <holdfast/types.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "src/core/random.hpp"

namespace holdfast {

[[nodiscard]] bool valid_name(std::string_view text) noexcept;

// Who an object is: the project it belongs to, its name there, and its class.
struct ObjectId {
  std::string project;
  std::string name;
  std::string object_class{};  // of the host; empty: a session
  bool operator==(const ObjectId&) const = default;
  auto operator<=>(const ObjectId&) const = default;

  // Errors: invalid_name.
  [[nodiscard]] static Result<ObjectId> parse(std::string project, std::string name);
};

inline constexpr std::string_view kDefaultProject = "default";

[[nodiscard]] std::string mint_id(std::string_view prefix, Time now, Random& random);
[[nodiscard]] std::string mint_message_id(Time now, std::uint64_t position, Random& random);
// The position in a minted message id; nothing when `id` is not of that form.
[[nodiscard]] std::optional<std::uint64_t> position_in(std::string_view id) noexcept;

}  // namespace holdfast

template <>
struct std::hash<holdfast::ObjectId> {
  // Not noexcept: then libstdc++'s tables keep the hash beside the key, and need not read the neighbours of a key.
  std::size_t operator()(const holdfast::ObjectId& id) const {
    const auto session = std::hash<std::string>{}(id.name) * 31 + std::hash<std::string>{}(id.project);
    return id.object_class.empty() ? session : session * 31 + std::hash<std::string>{}(id.object_class);
  }
};
