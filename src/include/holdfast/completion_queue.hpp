// CompletionQueue: where answers come to that a thread with an event loop of its own asked for (Engine::begin_round).
//
// The engine's writer hands over what a sync made durable all at once and goes on; the thread that asked runs it, where
// the memory of it is at hand. It may also get answers to what others asked of a session that it was just running.
#pragma once

namespace holdfast {

class CompletionQueue {
 public:
  virtual ~CompletionQueue() = default;
  // Runs what is there. On the loop's thread, and not within a completion. False when there was nothing.
  virtual bool run() = 0;
  // What is there runs now, and what comes later on the engine's writer. Idempotent; any thread, not from a completion.
  // To be called when the loop has ended; the engine does it when it closes.
  virtual void close() = 0;

 protected:
  CompletionQueue() = default;
  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;
};

}  // namespace holdfast
