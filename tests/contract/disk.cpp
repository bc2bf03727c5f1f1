#include "tests/contract/disk.hpp"

#include <algorithm>
#include <fstream>

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;
using Kind = FileOperation::Kind;

constexpr std::uint64_t kSector = 512;

bool takes_space(Kind kind) {
  return kind == Kind::create || kind == Kind::write || kind == Kind::reserve || kind == Kind::make_directory;
}

void fill_with_zeros(const std::string& path, std::uint64_t from, std::uint64_t to) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(from));
  const std::string zeros(static_cast<std::size_t>(to - from), '\0');
  file.write(zeros.data(), static_cast<std::streamsize>(zeros.size()));
}

}  // namespace

Disk::Disk(fs::path graveyard) : graveyard_(std::move(graveyard)) { fs::create_directories(graveyard_); }

void Disk::fail_at(std::uint64_t n, FaultVerdict verdict, std::uint64_t times) {
  const std::scoped_lock lock(mutex_);
  fail_at_ = n;
  verdict_ = verdict;
  times_ = times;
}

std::uint64_t Disk::operations() const {
  const std::scoped_lock lock(mutex_);
  return operations_;
}

bool Disk::failed() const {
  const std::scoped_lock lock(mutex_);
  return failed_ > 0;
}

std::string Disk::what_failed() const {
  const std::scoped_lock lock(mutex_);
  return what_failed_;
}

FaultVerdict Disk::on(const FileOperation& operation) {
  const std::scoped_lock lock(mutex_);
  ++operations_;
  const bool can_fail = verdict_.kind != FaultVerdict::Kind::no_space || takes_space(operation.kind);
  const bool fails = fail_at_ != 0 && operations_ >= fail_at_ && failed_ < times_ && can_fail;
  if (!fails) {
    note(operation, operation.bytes);
    return {};
  }
  if (failed_++ == 0)
    what_failed_ = "operation " + std::to_string(static_cast<int>(operation.kind)) + " on " +
                   std::string(operation.path) + ", number " + std::to_string(operations_);
  if (operation.kind == Kind::write && verdict_.first_bytes > 0)
    note(operation, std::min(verdict_.first_bytes, operation.bytes));
  return verdict_;
}

void Disk::note(const FileOperation& operation, std::uint64_t bytes) {
  const std::string path(operation.path);
  switch (operation.kind) {
    case Kind::create: {
      const bool there = fs::exists(path);
      files_[path] = {};
      if (!there) changes_.push_back({Change::Kind::created, path, {}, {}});
      break;
    }
    case Kind::write: files_[path].written = operation.offset + bytes; break;
    case Kind::reserve: files_[path].reserved = operation.offset + bytes; break;
    case Kind::truncate: {
      auto& file = files_[path];
      file.reserved = 0;
      file.written = operation.offset;
      file.synced = std::min(file.synced, file.written);
      break;
    }
    case Kind::sync: files_[path].synced = files_[path].written; break;
    case Kind::rename: {
      const std::string to(operation.to);
      changes_.push_back({Change::Kind::renamed, path, to, bury(to)});
      if (auto file = files_.extract(path)) {
        file.key() = to;
        files_.erase(to);
        files_.insert(std::move(file));
      }
      break;
    }
    case Kind::remove:
      changes_.push_back({Change::Kind::removed, path, {}, bury(path)});
      files_.erase(path);
      break;
    case Kind::sync_directory:
      changes_.clear();
      for (const auto& entry : fs::directory_iterator(graveyard_)) fs::remove(entry.path());
      break;
    case Kind::reopen:
    case Kind::open:
    case Kind::read:
    case Kind::close:
    case Kind::link:
    case Kind::list:
    case Kind::make_directory: break;
  }
}

std::string Disk::bury(const std::string& path) {
  std::error_code none;
  const auto grave = graveyard_ / std::to_string(++buried_);
  fs::create_hard_link(path, grave, none);
  return none ? std::string() : grave.string();
}

void Disk::undo(const Change& change) {
  std::error_code ignored;
  const auto& name = change.kind == Change::Kind::renamed ? change.to : change.path;
  if (change.kind == Change::Kind::renamed) fs::rename(change.to, change.path, ignored);
  if (change.kind == Change::Kind::created) fs::remove(change.path, ignored);
  if (!change.buried.empty()) fs::rename(change.buried, name, ignored);
}

void Disk::tear(const std::string& path, const File& file, Random& random) {
  if (file.written <= file.synced && file.reserved <= file.written) return;
  const auto pick = [&](std::uint64_t n) { return random.next() % n; };
  std::error_code ignored;
  const std::uint64_t unsynced = file.written - std::min(file.synced, file.written);
  switch (pick(4)) {
    case 0: break;  // all of it was written back in time
    case 1: fs::resize_file(path, file.synced, ignored); return;
    case 2: fs::resize_file(path, file.synced + pick(unsynced + 1), ignored); break;
    default:
      // Sectors that were never written are zeros, where the file's size is ahead of them.
      if (!path.ends_with(".log")) break;
      for (auto at = file.synced; at < file.written;) {
        const auto end = std::min(file.written, at - at % kSector + kSector);
        if (pick(2) == 0) fill_with_zeros(path, at, end);
        at = end;
      }
  }
  if (file.reserved > file.written && pick(2) == 0)
    fs::resize_file(path, std::min(fs::file_size(path), file.written), ignored);
}

void Disk::after_power_cut(Random& random) {
  const std::scoped_lock lock(mutex_);
  for (const auto& [path, file] : files_)
    if (fs::exists(path)) tear(path, file, random);
  const auto kept = random.next() % (changes_.size() + 1);
  while (changes_.size() > kept) {
    undo(changes_.back());
    changes_.pop_back();
  }
}

}  // namespace holdfast::test
