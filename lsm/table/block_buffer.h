// lsm/table/block_buffer.h - memory for the bytes of blocks.
//
// The blocks of a full cache come and go one for one, but not in one thread: a compaction drops what readers had read, and
// the next flush brings in as much. An allocator that keeps apart what its threads freed (glibc's arenas do) then grows
// for one of them while it holds holes for another, and the process takes half as much again as what is in use
// (docs/experiments.md). So buffers of up to kBlockBufferMax bytes come from slabs of 1 MiB, mapped by ourselves, which
// all threads share: a slab holds buffers of one size, of which there are eight between a power of two and the next; what
// was given back is used again before what was never touched; a slab without buffers goes back to the system, but for a
// few that wait for the next size that needs one. Of what is given back between others nothing goes back. Larger buffers are
// the allocator's. So are all under the address sanitizer, or it would not see who uses what was given back.
// Threads: any; a lock for each size, and below these one for the slabs that wait. std::bad_alloc where there is no
// memory.
#pragma once

#include <cstddef>
#include <memory>

namespace varve::lsm {

inline constexpr size_t kBlockBufferMax = (size_t{64} << 10) + 32;

// What a buffer of `size` bytes takes.
size_t BlockBufferCapacity(size_t size);

struct GiveBack {
  size_t size = 0;
  void operator()(char* bytes) const noexcept;
};
using BlockBuffer = std::unique_ptr<char[], GiveBack>;

// Uninitialised.
BlockBuffer NewBlockBuffer(size_t size);
// Bytes of all slabs, touched or not.
size_t BlockSlabBytes();
// Of these, what was given back and serves only another buffer of its size: memory that nobody uses. (So is the rest of a
// slab that another size had before; that is not counted.)
size_t BlockHoleBytes();

}  // namespace varve::lsm
