// Ahead: by what an actor's memory runs ahead of the disk: its write sets in the commit pipeline.
//
// Operation: look() when an event comes, then read through reader(), then gate(). A full disk may refuse what was
// handed in; look() tells so before the next event sees a state that never was, and what was handed in meanwhile on top
// of it is refused by the pipeline. Concurrency: one thread at a time.
#pragma once

#include "actors/session/overlay.hpp"
#include "storage/commit_pipeline.hpp"

namespace holdfast::shell {

class Ahead {
 public:
  Ahead(const Store& store, CommitPipeline& pipeline) : pipeline_(pipeline), in_flight_(store) {}

  enum class Verdict : std::uint8_t {
    stands,
    refused,  // the store is what is true: drop what is in memory
  };
  [[nodiscard]] Verdict look();
  // `open` is called once `writes` and all that was written before are durable, or cannot be.
  void gate(WriteSet writes, CommitPipeline::Completion open,
            CommitPipeline::Runs runs = CommitPipeline::Runs::in_order);
  [[nodiscard]] bool durable() const noexcept { return last_commit_ <= pipeline_.durable(); }
  [[nodiscard]] const session::InFlight& reader() const noexcept { return in_flight_; }

 private:
  CommitPipeline& pipeline_;
  session::InFlight in_flight_;
  std::uint64_t epoch_ = 0;  // of the pipeline, when last_commit_ was handed in
  std::uint64_t last_commit_ = 0;
};

}  // namespace holdfast::shell
