#include "storage/fault_control.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

namespace holdfast {
namespace {

constexpr std::uint64_t kMagic = 0x31746c7561666668;  // "hffault1"

static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "shared between processes");

tl::unexpected<Error> refused(const std::filesystem::path& file, const std::string& why) {
  return fail(ErrorCode::invalid_request, "--fault-control " + file.string() + ": " + why +
                                              "; name a file that `holdfast torture` made, or one that is not there");
}

}  // namespace

Result<std::unique_ptr<FaultControl>> FaultControl::open(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return refused(file, std::strerror(errno));
  struct stat about {};
  const bool sized = ::fstat(fd, &about) == 0;
  const bool fresh = sized && about.st_size == 0;
  if (!sized || (!fresh && about.st_size != sizeof(FaultBlock)) ||
      (fresh && ::ftruncate(fd, sizeof(FaultBlock)) != 0)) {
    ::close(fd);
    return refused(file, "it is no control block");
  }
  void* at = ::mmap(nullptr, sizeof(FaultBlock), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at == MAP_FAILED) return refused(file, std::strerror(errno));
  std::unique_ptr<FaultControl> control(new FaultControl(static_cast<FaultBlock*>(at)));  // zeros: all faults off
  if (fresh) control->block().magic = kMagic;
  if (control->block().magic != kMagic) return refused(file, "it is no control block");
  return control;
}

FaultControl::~FaultControl() { ::munmap(block_, sizeof(FaultBlock)); }

void FaultControl::calm() const noexcept {
  block_->sync_delay_us = 0;
  block_->syncs_to_fail = 0;
  block_->no_space = 0;
}

FaultVerdict FaultControl::on(const FileOperation& operation) {
  using Kind = FileOperation::Kind;
  using Verdict = FaultVerdict::Kind;
  if (operation.kind == Kind::sync) {
    if (const auto delay = block_->sync_delay_us.load(); delay != 0)
      std::this_thread::sleep_for(std::chrono::microseconds(delay));
    auto left = block_->syncs_to_fail.load();
    while (left != 0) {
      if (!block_->syncs_to_fail.compare_exchange_weak(left, left - 1)) continue;
      ++block_->injected;
      return {Verdict::io_error, 0};
    }
  }
  const bool grows = operation.kind == Kind::write || operation.kind == Kind::reserve || operation.kind == Kind::create;
  if (grows && block_->no_space != 0) {
    ++block_->injected;
    return {Verdict::no_space, 0};
  }
  return {};
}

}  // namespace holdfast
