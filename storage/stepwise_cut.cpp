#include "storage/stepwise_cut.hpp"

#include <filesystem>
#include <memory>
#include <vector>

namespace holdfast {
namespace {

// What is in it, as it is now, survives a crash.
bool sync_directory_of(rocksdb::FileSystem& files, const std::string& path, const rocksdb::IOOptions& options,
                       rocksdb::IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> directory;
  const auto name = std::filesystem::path(path).parent_path().string();
  return files.NewDirectory(name, options, &directory, debug).ok() && directory->Fsync(options, debug).ok();
}

}  // namespace

rocksdb::IOStatus cut_in_steps(rocksdb::FSWritableFile& file, std::uint64_t from, std::uint64_t size,
                               const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) {
  while (from - size > kCutStepBytes) {
    from -= kCutStepBytes;
    if (!file.Truncate(from, options, debug).ok()) break;  // the end is what counts
  }
  return file.Truncate(size, options, debug);
}

rocksdb::IOStatus delete_in_steps(rocksdb::FileSystem& files, const std::string& path,
                                  const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) {
  std::uint64_t bytes = 0;
  std::uint64_t links = 0;
  const bool large = files.GetFileSize(path, options, &bytes, debug).ok() && bytes > kCutStepBytes &&
                     files.NumFileLinks(path, options, &links, debug).ok() && links == 1;
  const auto gone = path + std::string(kGoneSuffix);
  if (!large || !files.RenameFile(path, gone, options, debug).ok()) return files.DeleteFile(path, options, debug);
  std::unique_ptr<rocksdb::FSWritableFile> file;
  // Not before the new name is on the disk: with its old one, a log that was cut would be damaged. A file that cannot
  // be cut is deleted all the same.
  if (sync_directory_of(files, path, options, debug) && files.ReopenWritableFile(gone, {}, &file, debug).ok()) {
    cut_in_steps(*file, bytes, 0, options, debug).PermitUncheckedError();
    file->Close(options, debug).PermitUncheckedError();
  }
  return files.DeleteFile(gone, options, debug);
}

void remove_gone(rocksdb::FileSystem& files, const std::string& directory) {
  std::vector<std::string> names;
  files.GetChildren(directory, {}, &names, nullptr).PermitUncheckedError();
  for (const auto& name : names)
    if (name.ends_with(kGoneSuffix)) files.DeleteFile(directory + "/" + name, {}, nullptr).PermitUncheckedError();
}

}  // namespace holdfast
