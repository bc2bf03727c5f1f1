// Overlay: reads through write sets that are not in the store yet, the newest first, then through what lies below.
//
// Two places need it: a command reads what it has itself written so far, and an actor reads what it has committed
// but the pipeline has not made durable yet. Layers are few and small, so they are searched in line.
#pragma once

#include <boost/container/small_vector.hpp>
#include <memory>
#include <utility>

#include "actors/session/journal.hpp"

namespace holdfast::session {

// `below` with one write set on top, which may grow between reads.
class StepReader final : public Reader {
 public:
  StepReader(const Reader& below, const WriteSet& writes) : below_(below), writes_(writes) {}
  [[nodiscard]] Result<std::optional<std::string>> get(Family family, std::string_view key) const override;
  [[nodiscard]] Result<void> scan(Family family, const Range& range,
                                  const std::function<Visit(std::string_view, std::string_view)>& visit) const override;

 private:
  const Reader& below_;
  const WriteSet& writes_;
};

// The store with the write sets of one actor that are on their way to it. The pipeline holds them until they are there:
// an actor that rests holds none.
class InFlight final : public Reader {
 public:
  explicit InFlight(const Store& store) : store_(store) {}

  void add(std::uint64_t commit, const WriteSetPtr& writes) { layers_.emplace_back(commit, writes); }
  void prune(std::uint64_t durable);
  void clear() noexcept { layers_.clear(); }
  [[nodiscard]] bool empty() const noexcept { return layers_.empty(); }

  [[nodiscard]] Result<std::optional<std::string>> get(Family family, std::string_view key) const override;
  [[nodiscard]] Result<void> scan(Family family, const Range& range,
                                  const std::function<Visit(std::string_view, std::string_view)>& visit) const override;

 private:
  const Store& store_;
  boost::container::small_vector<std::pair<std::uint64_t, std::weak_ptr<const WriteSet>>, 1> layers_;  // oldest first
};

}  // namespace holdfast::session
