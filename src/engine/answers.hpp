// Turns the Reply of a command into the typed answer of a public call.
#pragma once

#include <holdfast/engine.hpp>

#include "actors/session/commands.hpp"
#include "src/core/check.hpp"
#include "storage/commit_pipeline.hpp"

namespace holdfast {

template <class T>
[[nodiscard]] std::function<void(Result<session::Reply>&&)> answer(Done<T> done) {
  return [done = std::move(done)](Result<session::Reply>&& reply) {
    if (!reply) return done(tl::unexpected(std::move(reply.error())));
    if constexpr (std::is_same_v<T, Nothing>) {
      done(Nothing{});
    } else {
      auto* value = std::get_if<T>(&*reply);
      HOLDFAST_CHECK(value != nullptr);  // each command has one kind of reply
      done(std::move(*value));
    }
  };
}

// The blocking form of an asynchronous call. The caller has to wait for the disk anyway, so it writes if nobody does.
template <class T, class Call>
[[nodiscard]] Result<T> wait_for(CommitPipeline& pipeline, const Call& call) {
  std::promise<Result<T>> promise;
  auto future = promise.get_future();
  {
    const CommitPipeline::Lend lend(pipeline);
    call([&promise](Result<T> result) { promise.set_value(std::move(result)); });
  }
  return future.get();
}

}  // namespace holdfast
