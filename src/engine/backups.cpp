#include "src/engine/backups.hpp"

#include <system_error>

#include "storage/backup.hpp"

namespace holdfast {

using State = BackupStatus::State;

Result<void> Backups::begin(const BackupRequest& request) {
  if (stopped_) return fail(ErrorCode::shutting_down, "the server is stopping; make the backup after its restart");
  if (status_.state == State::copying || status_.state == State::verifying) {
    return fail(ErrorCode::conflict, "a backup into " + status_.directory.string() + " is under way since " +
                                         std::to_string(clock_.now() - status_.began_at) +
                                         " ms; wait until it is done");
  }
  status_ = {};
  status_.state = State::copying;
  status_.directory = request.directory;
  status_.began_at = clock_.now();
  return {};
}

Result<BackupStatus> Backups::start(BackupRequest request) {
  const std::lock_guard lock(mutex_);
  if (auto ok = begin(request); !ok) return tl::unexpected(std::move(ok.error()));
  if (thread_.joinable()) thread_.join();  // of the one before, which has said that it is done
  try {
    thread_ = std::thread([this, request = std::move(request)] { (void)run(request); });
  } catch (const std::system_error& error) {
    status_.state = State::failed;
    status_.error = Error{ErrorCode::overloaded,
                          std::string("no thread can be started for the backup (") + error.what() +
                              "); nothing was written, try again later",
                          {},
                          0,
                          {}};
    return tl::unexpected(*status_.error);
  }
  return status_;
}

Result<Backup> Backups::make(const BackupRequest& request) {
  {
    const std::lock_guard lock(mutex_);
    if (auto ok = begin(request); !ok) return tl::unexpected(std::move(ok.error()));
  }
  return run(request);
}

Result<Backup> Backups::run(const BackupRequest& request) {
  BackupTask task;
  task.request = request;
  task.master_key_file = master_key_file_;
  task.store = store_id_;
  task.now = status().began_at;
  task.stop = &stopped_;
  task.watch = [this](State state, std::uint64_t done, std::uint64_t total) {
    const std::lock_guard lock(mutex_);
    status_.state = state;
    status_.done_bytes = done;
    status_.total_bytes = total;
  };
  auto made = store_.backup(task);
  if (made)
    logger_.info("backup {} in {}: {} bytes, {} of them new", made->id, request.directory.string(), made->bytes,
                 made->new_bytes);
  else logger_.error("the backup into {} failed: {}", request.directory.string(), made.error().detail);
  const std::lock_guard lock(mutex_);
  status_.state = made ? State::done : State::failed;
  if (made) status_.backup = *made;
  else status_.error = made.error();
  return made;
}

BackupStatus Backups::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void Backups::stop() {
  std::thread ending;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    ending = std::move(thread_);
  }
  if (ending.joinable()) ending.join();
}

}  // namespace holdfast
