#include "actors/shell/ahead.hpp"

namespace holdfast::shell {

Ahead::Verdict Ahead::look() {
  const auto durable = pipeline_.durable();  // before the epoch: a refused commit counts only once that has changed
  const auto epoch = pipeline_.epoch();
  if (epoch == epoch_) {
    in_flight_.prune(durable);
    return Verdict::stands;
  }
  const auto verdict = pipeline_.refused(last_commit_, epoch_) ? Verdict::refused : Verdict::stands;
  epoch_ = epoch;
  last_commit_ = 0;
  in_flight_.clear();
  return verdict;
}

void Ahead::gate(WriteSet writes, CommitPipeline::Completion open, CommitPipeline::Runs runs) {
  if (writes.empty()) return pipeline_.after(last_commit_, epoch_, std::move(open));
  const auto kept = std::make_shared<const WriteSet>(std::move(writes));
  last_commit_ = pipeline_.submit(kept, epoch_, std::move(open), runs);
  in_flight_.add(last_commit_, kept);
}

}  // namespace holdfast::shell
