// SessionSpec as JSON: the body of POST and PUT, and what a PATCH is merged into.
#pragma once

#include <holdfast/error.hpp>
#include <holdfast/options.hpp>
#include <holdfast/types.hpp>
#include <string>
#include <string_view>

#include "actors/session/entity.hpp"
#include "src/core/strict.hpp"

namespace holdfast::session {

// The settable part of a document, in the shape of the body that would set it; without secrets.
[[nodiscard]] std::string spec_json(const Document& document);

// Strict: an unknown field, a wrong type or a value out of range is invalid_body with a pointer; metadata over its
// limit is too_large.
[[nodiscard]] Result<SessionSpec> parse_spec(std::string_view text, const Limits& limits);

// Parts of it that a message's body has too.
[[nodiscard]] Result<OnBusy> parse_on_busy(json::Element e, const strict::Place& at);
[[nodiscard]] Result<Agent> parse_agent(json::Element e, const strict::Place& at);
[[nodiscard]] Result<Callback> parse_callback(json::Element e, const strict::Place& at, const Limits& limits);

}  // namespace holdfast::session
