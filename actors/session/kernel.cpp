#include "actors/session/kernel.hpp"

#include "actors/session/work.hpp"

namespace holdfast::session {
namespace {

// A batch may be refused in its middle, when earlier messages have changed the entity already; so may an import. The
// rest decides before it changes anything.
bool may_fail_late(const Command& command) {
  if (const auto* admit = std::get_if<Admit>(&command)) return admit->messages.size() > 1;
  return std::holds_alternative<Import>(command);
}

template <class... Commands>
bool is_one_of(const Command& command) noexcept {
  return (std::holds_alternative<Commands>(command) || ...);
}

}  // namespace

bool grows(const Command& command) noexcept {
  return is_one_of<Put, Patch, Admit, Edit, Redrive, AppendEvents, Import, Fork>(command);
}

Step apply(Entity& entity, const Command& command, const Context& context) {
  std::optional<Entity> before;
  if (may_fail_late(command)) before = entity;
  Work work(entity, context);
  fill_window(entity, work.journal, context.limits.queue_window_messages);
  auto reply = std::visit([&](const auto& c) { return run(work, c); }, command);
  if (reply && !work.document.deleted) work.settle();
  if (work.journal.failed()) return {tl::unexpected(work.journal.error()), {}, {}, true};
  if (!reply) {
    if (before) entity = std::move(*before);
    return {std::move(reply), {}, {}, false};
  }
  if (work.refusal) reply = tl::unexpected(std::move(*work.refusal));
  return {std::move(reply), std::move(work.writes), std::move(work.effects), false};
}

}  // namespace holdfast::session
