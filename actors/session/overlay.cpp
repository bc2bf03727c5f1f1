#include "actors/session/overlay.hpp"

#include <map>

namespace holdfast::session {
namespace {

using VisitPair = std::function<Visit(std::string_view, std::string_view)>;

bool within(const Range& range, std::string_view key) {
  return key >= range.from && (range.to.empty() || key < range.to);
}

// What one write set says of a key: a value, an erasure (inner nullopt), or nothing (outer nullopt).
std::optional<std::optional<std::string>> find_in(const WriteSet& writes, Family family, std::string_view key) {
  for (auto op = writes.ops.rbegin(); op != writes.ops.rend(); ++op) {
    if (op->family != family) continue;
    switch (op->kind) {
      case WriteOp::Kind::put:
        if (op->key == key) return std::optional<std::string>(op->value);
        break;
      case WriteOp::Kind::erase:
        if (op->key == key) return std::optional<std::string>();
        break;
      case WriteOp::Kind::erase_range:
        if (key >= op->key && key < op->value) return std::optional<std::string>();
        break;
    }
  }
  return std::nullopt;
}

// The changes of the layers within a range, the later ones winning.
class Changes {
 public:
  Changes(Family family, const Range& range) : family_(family), range_(range) {}

  void add(const WriteSet& writes) {
    for (const auto& op : writes.ops) {
      if (op.family != family_) continue;
      if (op.kind == WriteOp::Kind::erase_range) {
        erased_.emplace_back(op.key, op.value);
        keys_.erase(keys_.lower_bound(op.key), keys_.lower_bound(op.value));
      } else if (within(range_, op.key)) {
        keys_[op.key] = op.kind == WriteOp::Kind::put ? std::optional<std::string>(op.value) : std::nullopt;
      }
    }
  }

  template <class Below>
  Result<void> merge(const Below& below, const VisitPair& visit) const {
    if (keys_.empty() && erased_.empty()) return below.scan(family_, range_, visit);
    if (range_.order == Range::Order::ascending) return merge_ordered(below, keys_.begin(), keys_.end(), visit);
    return merge_ordered(below, keys_.rbegin(), keys_.rend(), visit);
  }

 private:
  template <class Below, class Iterator>
  Result<void> merge_ordered(const Below& below, Iterator next, Iterator end, const VisitPair& visit) const {
    const bool up = range_.order == Range::Order::ascending;
    bool stopped = false;
    const auto emit_before = [&](std::string_view key, bool all) {
      while (!stopped && next != end && (all || (up ? next->first < key : next->first > key))) {
        if (next->second && visit(next->first, *next->second) == Visit::stop) stopped = true;
        ++next;
      }
    };
    auto done = below.scan(family_, range_, [&](std::string_view key, std::string_view value) {
      emit_before(key, false);
      if (stopped) return Visit::stop;
      if (next != end && next->first == key) return Visit::next;  // the change speaks for it, in its turn
      if (erased(key)) return Visit::next;
      if (visit(key, value) == Visit::stop) stopped = true;
      return stopped ? Visit::stop : Visit::next;
    });
    if (done) emit_before({}, true);
    return done;
  }

  [[nodiscard]] bool erased(std::string_view key) const {
    for (const auto& [from, to] : erased_) {
      if (key >= from && key < to) return true;
    }
    return false;
  }

  Family family_;
  const Range& range_;
  std::map<std::string, std::optional<std::string>, std::less<>> keys_;
  std::vector<std::pair<std::string, std::string>> erased_;
};

}  // namespace

Result<std::optional<std::string>> StepReader::get(Family family, std::string_view key) const {
  if (auto found = find_in(writes_, family, key)) return std::move(*found);
  return below_.get(family, key);
}

Result<void> StepReader::scan(Family family, const Range& range, const VisitPair& visit) const {
  Changes changes(family, range);
  changes.add(writes_);
  return changes.merge(below_, visit);
}

void InFlight::prune(std::uint64_t durable) {
  auto keep = layers_.begin();
  while (keep != layers_.end() && keep->first <= durable) ++keep;
  layers_.erase(layers_.begin(), keep);
}

Result<std::optional<std::string>> InFlight::get(Family family, std::string_view key) const {
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
    const auto writes = layer->second.lock();
    if (!writes) break;  // this one is in the store, and so are the older ones
    if (auto found = find_in(*writes, family, key)) return std::move(*found);
  }
  return store_.get(family, key);
}

Result<void> InFlight::scan(Family family, const Range& range, const VisitPair& visit) const {
  boost::container::small_vector<WriteSetPtr, 4> above;  // the store; the newest first
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
    auto writes = layer->second.lock();
    if (!writes) break;  // this one is in the store, and so are the older ones, held by somebody or not
    above.push_back(std::move(writes));
  }
  Changes changes(family, range);
  for (auto writes = above.rbegin(); writes != above.rend(); ++writes) changes.add(**writes);
  return changes.merge(store_, visit);
}

}  // namespace holdfast::session
