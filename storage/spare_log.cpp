#include "storage/spare_log.hpp"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "storage/background.hpp"

namespace holdfast {
namespace {

using rocksdb::IOStatus;

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
constexpr std::chrono::milliseconds kPieceTime{4};                         // 64 MiB/s
constexpr std::chrono::milliseconds kLateMax{16};                          // that is made up for without rests
constexpr std::uint64_t kKeepFreeBytes = std::uint64_t{1} << 30;           // of the disk, beside a spare
constexpr std::uint64_t kNeededBytes = kKeepFreeBytes + SpareLog::kBytes;  // to make one

}  // namespace

SpareLog::SpareLog(std::shared_ptr<rocksdb::FileSystem> files, std::string directory)
    : files_(std::move(files)), directory_(std::move(directory)), path_(directory_ + "/spare.zeros") {}

SpareLog::~SpareLog() {
  State before = State::stopping;
  {
    const std::lock_guard lock(mutex_);
    std::swap(state_, before);
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
  if (before == State::ready) remove();
}

void SpareLog::want() {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::none) return;
    if (!thread_.joinable() && !begin()) return;
    state_ = State::wanted;
  }
  changed_.notify_one();
}

// A commit asks for a spare and can do without: a process that may have no more threads goes on.
bool SpareLog::begin() {
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

std::unique_ptr<rocksdb::FSWritableFile> SpareLog::take(const std::string& path, const rocksdb::FileOptions& options,
                                                        rocksdb::IODebugContext* debug) {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(looked_, true)) remove();
  if (state_ != State::ready) return nullptr;
  state_ = State::none;
  std::unique_ptr<rocksdb::FSWritableFile> file;
  if (files_->ReuseWritableFile(path, path_, options, &file, debug).ok()) return file;
  remove();
  return nullptr;
}

void SpareLog::run() {
  ::pthread_setname_np(::pthread_self(), "hf-spare-log");
  give_way_to_commits();
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return state_ == State::wanted || state_ == State::stopping; });
    if (state_ == State::stopping) return;
    state_ = State::making;
    lock.unlock();
    const bool filled = fill();
    if (!filled) remove();
    lock.lock();
    if (state_ == State::stopping) return;
    state_ = filled ? State::ready : State::none;  // who wants one asks again
  }
}

bool SpareLog::fill() {
  const rocksdb::IOOptions plain;
  std::uint64_t free = 0;
  if (!files_->GetFreeSpace(directory_, plain, &free, nullptr).ok() || free < kNeededBytes) return false;
  std::unique_ptr<rocksdb::FSWritableFile> file;
  if (!files_->NewWritableFile(path_, rocksdb::FileOptions(), &file, nullptr).ok()) return false;
  auto due = std::chrono::steady_clock::now();
  const std::string zeros(kPieceBytes, '\0');
  IOStatus status;
  for (std::uint64_t at = 0; at < kBytes && status.ok(); at += kPieceBytes) {
    status = file->Append(zeros, plain, nullptr);
    if (status.ok())
      status = file->RangeSync(at, kPieceBytes, plain, nullptr);  // begins to write it, waits for nothing
    due = std::max(due + kPieceTime, std::chrono::steady_clock::now() - kLateMax);
    if (!rest_until(due)) return false;
  }
  if (status.ok()) status = file->Fsync(plain, nullptr);
  if (status.ok()) status = file->Close(plain, nullptr);
  return status.ok();
}

// False when it is time to stop.
bool SpareLog::rest_until(std::chrono::steady_clock::time_point due) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_until(lock, due, [this] { return state_ == State::stopping; });
}

void SpareLog::remove() const {
  if (files_->FileExists(path_, {}, nullptr).ok()) files_->DeleteFile(path_, {}, nullptr).PermitUncheckedError();
}

}  // namespace holdfast
