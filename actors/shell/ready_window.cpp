#include "actors/shell/ready_window.hpp"

#include "storage/keys.hpp"

namespace holdfast::shell {
namespace {

// Nothing when the entry cannot be read: the session itself stays what the truth is.
std::optional<ReadySession> parse(std::string_view key, std::string_view value) {
  auto entry = keys::parse_ready(key);
  auto terms = session::decode_terms(value);
  if (!entry || !terms) return std::nullopt;
  return ReadySession{entry->priority, entry->at, ObjectId{std::move(entry->project), std::move(entry->name)},
                      std::move(*terms)};
}

}  // namespace

Result<void> ReadyWindow::refill() {
  partial_ = true;
  bool whole = true;
  auto scanned =
      store_.scan(Family::index, keys::all_ready(of_ == Of::pushes), [&](std::string_view key, std::string_view value) {
        auto ready = parse(key, value);
        if (!ready) return Visit::next;
        whole = order_.size() < kWindow;
        if (!whole) return Visit::stop;
        put(std::move(*ready));
        return Visit::next;
      });
  if (scanned && whole) partial_ = false;
  return scanned;
}

void ReadyWindow::put(ReadySession ready) {
  erase(ready.session);
  const auto placed = order_.insert(std::move(ready)).first;
  by_session_.emplace(placed->session, placed);
  if (order_.size() > 2 * kWindow) {
    erase(std::prev(order_.end())->session);
    partial_ = true;
  }
}

void ReadyWindow::erase(const ObjectId& session) {
  if (by_session_.empty()) return;
  const auto found = by_session_.find(session);
  if (found == by_session_.end()) return;
  order_.erase(found->second);
  by_session_.erase(found);
}

std::optional<ReadySession> ReadyWindow::take(const std::function<bool(const ReadySession&)>& fits) {
  if (order_.empty() && partial_ && !refill()) return std::nullopt;
  for (const auto& ready : order_) {
    if (!fits(ready)) continue;
    ReadySession taken = ready;
    erase(taken.session);
    return taken;
  }
  return partial_ ? find_on_disk(fits) : std::nullopt;
}

std::optional<ReadySession> ReadyWindow::find_on_disk(const std::function<bool(const ReadySession&)>& fits) const {
  std::optional<ReadySession> found;
  std::size_t looked = 0;
  const auto scanned =
      store_.scan(Family::index, keys::all_ready(of_ == Of::pushes), [&](std::string_view key, std::string_view value) {
        auto ready = parse(key, value);
        if (!ready) return Visit::next;
        if (fits(*ready) && !by_session_.contains(ready->session)) found = std::move(ready);
        return found || ++looked >= kLookMax ? Visit::stop : Visit::next;
      });
  return scanned ? found : std::nullopt;
}

Time ReadyWindow::oldest() const {
  constexpr int kPriorities = 10;
  Time oldest = 0;
  for (int priority = 0; priority < kPriorities; ++priority) {
    const auto first = order_.lower_bound({static_cast<std::uint8_t>(priority), INT64_MIN, {}, {}});
    if (first == order_.end() || first->priority != priority) continue;
    if (oldest == 0 || first->at < oldest) oldest = first->at;
  }
  return oldest;
}

void ReadyWindow::each(const std::function<void(const ReadySession&)>& visit) const {
  for (const auto& ready : order_) visit(ready);
}

std::optional<ReadySession> ReadyWindow::take(const ObjectId& session,
                                              const std::function<bool(const ReadySession&)>& fits) {
  const auto found = by_session_.find(session);
  if (found == by_session_.end() || !fits(*found->second)) return std::nullopt;
  ReadySession taken = *found->second;
  erase(session);
  return taken;
}

}  // namespace holdfast::shell
