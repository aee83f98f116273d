// lsm/mem/arena.h - memory that is handed out piece by piece and given back all at once.
//
// Blocks start small, because a batch of one server tick holds a few hundred bytes, and double up to 256 KiB. A table
// that has grown past 8 MiB gets blocks of 2 MiB, aligned and offered to the kernel as huge pages: a search touches a
// dozen far-apart nodes, and with 4 KiB pages each of them would miss the TLB as well as the cache.
// Pieces above 64 KiB get a block of their own, so that none of them wastes the rest of a shared one.
// Ownership: the arena owns every block; pieces live until Reset() or the end of the arena.
// Threads: Allocate and Reset by one thread at a time; memory_bytes by any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace varve::lsm {

class Arena {
 public:
  static constexpr size_t kAlignment = 8;

  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Uninitialised, aligned to kAlignment; `size` >= 1.
  char* Allocate(size_t size) {
    size = (size + kAlignment - 1) & ~(kAlignment - 1);
    if (size > static_cast<size_t>(limit_ - next_)) return AllocateSlow(size);
    char* piece = next_;
    next_ += size;
    return piece;
  }

  // Forgets every piece. One block of at most 256 KiB stays, so that a table used again and again costs no malloc.
  void Reset();

  // What all blocks together took from the allocator.
  size_t memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kFirstBlockSize = 4 * 1024;
  static constexpr size_t kBlockSize = 256 * 1024;
  static constexpr size_t kPieceSizeMax = kBlockSize / 4;  // above: a block of its own
  static constexpr size_t kHugeBlockSize = 2 * 1024 * 1024;
  static constexpr size_t kHugeFrom = 8 * 1024 * 1024;  // memory_bytes from which blocks are huge: <= 1/4 stays unused

  struct Block {
    char* data;
    size_t size;
    bool mapped;  // by mmap, else by operator new
    bool own;     // holds one big piece
  };

  char* AllocateSlow(size_t size);
  size_t NextBlockSize(size_t piece_size);
  char* AddBlock(size_t size, bool own);
  static void Free(const Block& block);

  char* next_ = nullptr;   // free part of the current block
  char* limit_ = nullptr;  // its end
  size_t next_block_size_ = kFirstBlockSize;
  std::vector<Block> blocks_;
  std::atomic<size_t> memory_bytes_{0};
};

}  // namespace varve::lsm
