#include "actors/shell/ready_window.hpp"

#include "storage/codec.hpp"
#include "storage/keys.hpp"

namespace holdfast::shell {
namespace {

Labels decode_labels(std::string_view value) {
  Labels labels;
  Decoder d(value);
  while (d.ok() && !d.done()) {
    auto name = d.text();
    labels.emplace(std::move(name), d.text());
  }
  return labels;
}

}  // namespace

Result<void> ReadyWindow::refill() {
  partial_ = false;
  return store_.scan(Family::index, keys::all_ready(), [&](std::string_view key, std::string_view value) {
    auto entry = keys::parse_ready(key);
    if (!entry) return Visit::next;
    if (order_.size() >= kWindow) {
      partial_ = true;
      return Visit::stop;
    }
    put({entry->priority, entry->at, SessionId{std::move(entry->project), std::move(entry->name)},
         decode_labels(value)});
    return Visit::next;
  });
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

void ReadyWindow::erase(const SessionId& session) {
  const auto found = by_session_.find(session);
  if (found == by_session_.end()) return;
  order_.erase(found->second);
  by_session_.erase(found);
}

std::optional<SessionId> ReadyWindow::take(const std::function<bool(const ReadySession&)>& fits) {
  if (order_.empty() && partial_ && !refill()) return std::nullopt;
  for (const auto& ready : order_) {
    if (!fits(ready)) continue;
    const SessionId session = ready.session;
    erase(session);
    return session;
  }
  return partial_ ? find_on_disk(fits) : std::nullopt;
}

std::optional<SessionId> ReadyWindow::find_on_disk(const std::function<bool(const ReadySession&)>& fits) const {
  std::optional<SessionId> found;
  std::size_t looked = 0;
  const auto scanned = store_.scan(Family::index, keys::all_ready(), [&](std::string_view key, std::string_view value) {
    auto entry = keys::parse_ready(key);
    if (!entry) return Visit::next;
    ReadySession ready{entry->priority, entry->at, SessionId{std::move(entry->project), std::move(entry->name)},
                       decode_labels(value)};
    if (fits(ready) && !by_session_.contains(ready.session)) found = std::move(ready.session);
    return found || ++looked >= kLookMax ? Visit::stop : Visit::next;
  });
  return scanned ? found : std::nullopt;
}

std::optional<SessionId> ReadyWindow::take(const SessionId& session,
                                           const std::function<bool(const ReadySession&)>& fits) {
  const auto found = by_session_.find(session);
  if (found == by_session_.end() || !fits(*found->second)) return std::nullopt;
  erase(session);
  return session;
}

}  // namespace holdfast::shell
