#include "storage/memtable_blocks.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <cstdlib>
#include <exception>
#include <new>
#include <utility>

#include "storage/background.hpp"

namespace holdfast {

MemtableBlocks::~MemtableBlocks() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
  release(spare_);
}

MemtableBlocks::Block* MemtableBlocks::take() {
  Block* block = nullptr;
  bool fewer = false;
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(begun_, true)) begin();
    ++taken_;
    block = pop();
    fewer = spares_ < kAhead;
  }
  if (fewer) changed_.notify_one();
  if (block == nullptr) block = make();
  budget_->ReserveMem(kBytes);
  return new (block) Block;
}

void MemtableBlocks::give_back(Block* first, std::size_t blocks) noexcept {
  budget_->FreeMem(blocks * kBytes);
  {
    const std::lock_guard lock(mutex_);
    while (first != nullptr) push(std::exchange(first, first->next));
  }
  changed_.notify_one();
}

std::size_t MemtableBlocks::spare() {
  const std::lock_guard lock(mutex_);
  return spares_;
}

MemtableBlocks::Block* MemtableBlocks::make() {
  auto* memory = std::aligned_alloc(kBytes, kBytes);
  if (memory == nullptr) throw std::bad_alloc();
  ::madvise(memory, kBytes, MADV_HUGEPAGE);  // best effort
  return new (memory) Block;
}

void MemtableBlocks::release(Block* first) noexcept {
  while (first != nullptr) std::free(std::exchange(first, first->next));
}

// A memtable can do without: a process that may have no more threads goes on.
void MemtableBlocks::begin() noexcept {
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::exception&) {
  }
}

void MemtableBlocks::run() {
  ::pthread_setname_np(::pthread_self(), "hf-memory");
  give_way_to_commits();
  constexpr std::size_t kPageBytes = 4'096;  // or a multiple of it
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (spares_ < kAhead) {
      lock.unlock();
      Block* block = nullptr;
      try {
        block = make();
        for (std::size_t at = 0; at < kBytes; at += kPageBytes) reinterpret_cast<volatile char*>(block)[at] = 0;
      } catch (const std::bad_alloc&) {
      }
      lock.lock();
      if (block != nullptr) push(block);
      else if (!stopping_) changed_.wait_for(lock, kept_);  // who takes one hears of it
    } else if (spares_ == kAhead) {
      changed_.wait(lock);
    } else {
      const auto taken = taken_;
      const auto in_use = [&] { return stopping_ || taken_ != taken; };
      if (changed_.wait_for(lock, kept_, in_use)) continue;
      Block* unused = nullptr;
      while (spares_ > kAhead) {
        auto* block = pop();
        block->next = unused;
        unused = block;
      }
      lock.unlock();
      release(unused);
      lock.lock();
    }
  }
}

MemtableBlocks::Block* MemtableBlocks::pop() noexcept {
  if (spare_ == nullptr) return nullptr;
  --spares_;
  return std::exchange(spare_, spare_->next);
}

void MemtableBlocks::push(Block* block) noexcept {
  block->next = std::exchange(spare_, block);
  ++spares_;
}

}  // namespace holdfast
