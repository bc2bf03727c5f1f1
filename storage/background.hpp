// Work beside the commits: flushes, compactions and the making of logs.
#pragma once

#include <sys/resource.h>

namespace holdfast {

// The calling thread gives way to those that admit and commit, once and for good: on a machine without a processor to
// spare, a flush that takes its turns like everybody else delays commits by milliseconds. It keeps a quarter of a
// processor beside a busy thread, since a flush that starves stops the commits in the end. Best effort.
inline void give_way_to_commits() noexcept {
  constexpr int kNicer = 5;
  static thread_local const int result = ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + kNicer);
  (void)result;
}

}  // namespace holdfast
