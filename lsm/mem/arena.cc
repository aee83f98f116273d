// lsm/mem/arena.cc - where blocks come from. Contract: arena.h.

#include "lsm/mem/arena.h"

#include <sys/mman.h>

#include <cassert>
#include <cstring>
#include <new>

#include "lsm/io/map_aligned.h"

namespace varve::lsm {

Arena::~Arena() {
  for (const Block& block : blocks_) Free(block);
}

void Arena::Free(const Block& block) {
  if (block.mapped) {
    munmap(block.data, block.size);
  } else {
    ::operator delete(block.data);
  }
}

char* Arena::AllocateSlow(size_t size) {
  if (size > kPieceSizeMax) return AddBlock(size, /*own=*/true);
  const size_t block_size = NextBlockSize(size);
  char* const block = AddBlock(block_size, /*own=*/false);
  next_ = block + size;
  limit_ = block + block_size;
  return block;
}

size_t Arena::NextBlockSize(size_t piece_size) {
  if (memory_bytes() >= kHugeFrom) return kHugeBlockSize;
  while (next_block_size_ < kBlockSize && next_block_size_ < 3 * piece_size) next_block_size_ *= 2;
  const size_t size = next_block_size_;
  if (next_block_size_ < kBlockSize) next_block_size_ *= 2;
  return size;
}

char* Arena::AddBlock(size_t size, bool own) {
  Block& block = blocks_.emplace_back(Block{nullptr, 0, false, own});  // its place first: either may find no memory
  char* data = size == kHugeBlockSize ? MapAligned(size) : nullptr;
  block.mapped = data != nullptr;
  if (block.mapped) madvise(data, size, MADV_HUGEPAGE);  // a wish: without huge pages it is merely slower
  if (!block.mapped) data = static_cast<char*>(::operator new(size));
  block.data = data;
  block.size = size;
  memory_bytes_.store(memory_bytes() + size, std::memory_order_relaxed);
  return data;
}

void Arena::Reset() {
  // The largest block worth keeping: shared ones grow with time, so it is the last that is neither huge nor one piece.
  size_t kept = blocks_.size();
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (!blocks_[i].own && blocks_[i].size <= kBlockSize) kept = i;
  }
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (i != kept) Free(blocks_[i]);
  }
  if (kept == blocks_.size()) {
    blocks_.clear();
    next_ = limit_ = nullptr;
    memory_bytes_.store(0, std::memory_order_relaxed);
    return;
  }
  const Block block = blocks_[kept];
  blocks_.assign(1, block);
  next_ = block.data;
  limit_ = block.data + block.size;
  memory_bytes_.store(block.size, std::memory_order_relaxed);
#ifndef NDEBUG
  std::memset(block.data, 0xcd, block.size);  // whoever still reads a forgotten piece shall notice
#endif
}

}  // namespace varve::lsm
