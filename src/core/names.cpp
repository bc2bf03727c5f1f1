// The contract's spellings of the public enums.
#include <holdfast/types.hpp>

#include <array>

namespace holdfast {
namespace {

template <class E, std::size_t N>
std::string_view spell(const std::array<std::string_view, N>& names, E value) noexcept {
  const auto i = static_cast<std::size_t>(value);
  return i < N ? names[i] : std::string_view("unknown");
}

template <class E, std::size_t N>
std::optional<E> parse(const std::array<std::string_view, N>& names, std::string_view text) noexcept {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == text) return static_cast<E>(i);
  }
  return std::nullopt;
}

using Name = std::string_view;
constexpr std::array<Name, 4> kStatus{"idle", "queued", "running", "paused"};
constexpr std::array<Name, 10> kState{"queued",      "dispatched", "running", "completed", "failed",
                                      "interrupted", "cancelled",  "expired", "replaced",  "merged"};
constexpr std::array<Name, 6> kOnBusy{"enqueue", "reject", "interrupt", "replace", "merge", "steer"};
constexpr std::array<Name, 5> kOutcome{"enqueued", "merged", "replaced", "interrupting", "steered"};
constexpr std::array<Name, 5> kRepository{"none", "git", "github", "gitlab", "bitbucket"};
constexpr std::array<Name, 2> kWorkspace{"cold", "warm"};
constexpr std::array<Name, 5> kRuntime{"provisioning", "online", "degraded", "offline", "removed"};
constexpr std::array<Name, 2> kDelivery{"pull", "push"};
constexpr std::array<Name, 2> kScope{"running", "all"};
constexpr std::array<Name, 4> kCredential{"none", "stored", "server_managed", "ignored"};

}  // namespace

std::string_view name_of(SessionStatus v) noexcept { return spell(kStatus, v); }
std::string_view name_of(MessageState v) noexcept { return spell(kState, v); }
std::string_view name_of(OnBusy v) noexcept { return spell(kOnBusy, v); }
std::string_view name_of(Outcome v) noexcept { return spell(kOutcome, v); }
std::string_view name_of(RepositoryKind v) noexcept { return spell(kRepository, v); }
std::string_view name_of(WorkspaceState v) noexcept { return spell(kWorkspace, v); }
std::string_view name_of(CredentialOutcome v) noexcept { return spell(kCredential, v); }
std::string_view name_of(RuntimeState v) noexcept { return spell(kRuntime, v); }
std::string_view name_of(InterruptScope v) noexcept { return spell(kScope, v); }
std::string_view name_of(DeliveryMode v) noexcept { return spell(kDelivery, v); }
std::optional<DeliveryMode> delivery_mode(std::string_view t) noexcept { return parse<DeliveryMode>(kDelivery, t); }
std::optional<SessionStatus> session_status(std::string_view t) noexcept { return parse<SessionStatus>(kStatus, t); }
std::optional<MessageState> message_state(std::string_view t) noexcept { return parse<MessageState>(kState, t); }
std::optional<OnBusy> on_busy(std::string_view t) noexcept { return parse<OnBusy>(kOnBusy, t); }
std::optional<InterruptScope> interrupt_scope(std::string_view t) noexcept { return parse<InterruptScope>(kScope, t); }
std::optional<RepositoryKind> repository_kind(std::string_view t) noexcept {
  return parse<RepositoryKind>(kRepository, t);
}
std::optional<WorkspaceState> workspace_state(std::string_view t) noexcept {
  return parse<WorkspaceState>(kWorkspace, t);
}

}  // namespace holdfast
