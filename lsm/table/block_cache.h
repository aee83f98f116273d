// lsm/table/block_cache.h - which data blocks stay in memory.
//
// There is no hash table: each open table owns an array of slots, one for each of its data blocks, and a slot is one
// atomic word:
//
//   | pins : u16 | CachedBlock* : 48 bits |
//
// A hit is one add that pins the slot, and one subtraction to let go of it again. While pins > 0 the block stays in its
// slot, so a pinned reader may use it as it is (a Get that copies a small value) or take a lasting reference and unpin
// (an iterator, a large value). A CLOCK hand sweeps the resident blocks when the cache is over its capacity and takes
// out those that are not pinned and not used since the hand last came by. A new block starts unused: one read once, by
// a scan, goes at the first pass. Capacity is what the memory budget leaves after everything else that is charged
// (SetCapacity). Blocks are reference counted: one reference is the cache's, iterators and pinned values hold theirs;
// an evicted block lives on until the last is dropped, after its table and the cache if need be. Charged bytes are
// block memory plus bookkeeping, and the holes that blocks leave between others (block_buffer.h): those of the process, so
// that each of several caches pays for all.
// C1  The pointer of a slot changes under mu_ only, and leaves only while pins == 0, in one compare-exchange: whoever
//     raised pins above 0 and saw the pointer may use the block until it lowers them.
// Locks: mu_ is a leaf; blocks are freed after it is released. Hits take no lock.
// Threads: all of it, any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "lsm/format/prefetch.h"
#include "lsm/sync/mutex.h"
#include "lsm/table/block_buffer.h"

namespace varve::lsm {

// The uncompressed bytes of one data block.
struct CachedBlock {
  std::atomic<uint32_t> refs{1};
  std::atomic<bool> used{false};  // CLOCK's second chance
  uint32_t size = 0;
  BlockBuffer bytes;
  // Residency list of the cache; guarded by the cache's lock. slot is null when the block is not resident.
  std::atomic<uint64_t>* slot = nullptr;
  CachedBlock* previous = nullptr;
  CachedBlock* next = nullptr;

  std::string_view view() const { return {bytes.get(), size}; }
  void Ref() { refs.fetch_add(1, std::memory_order_relaxed); }
  void Unref() {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
};

// One reference to a block.
class BlockRef {
 public:
  BlockRef() = default;
  explicit BlockRef(CachedBlock* adopted) : block_(adopted) {}
  BlockRef(BlockRef&& other) noexcept : block_(other.Release()) {}
  BlockRef& operator=(BlockRef&& other) noexcept {
    if (this != &other) {
      Reset();
      block_ = other.Release();
    }
    return *this;
  }
  ~BlockRef() { Reset(); }
  CachedBlock* get() const { return block_; }
  CachedBlock* operator->() const { return block_; }
  explicit operator bool() const { return block_ != nullptr; }
  CachedBlock* Release() {
    CachedBlock* block = block_;
    block_ = nullptr;
    return block;
  }
  void Reset() {
    if (block_ != nullptr) block_->Unref();
    block_ = nullptr;
  }

 private:
  CachedBlock* block_ = nullptr;
};

class BlockCache {
 public:
  // A slot word: low 48 bits CachedBlock*, high 16 bits the number of readers between Pin and Unpin.
  using Slot = std::atomic<uint64_t>;

  explicit BlockCache(size_t capacity_bytes);
  ~BlockCache();  // every table using it is gone

  // The resident block of `slot`, or null. Not null: it stays resident until the caller's Unpin of the slot.
  CachedBlock* Pin(Slot* slot);
  static void Unpin(Slot* slot) { slot->fetch_sub(kOnePin, std::memory_order_release); }
  // Whether a block was resident a moment ago; counts as no lookup.
  static bool Holds(const Slot& slot) { return PointerOf(slot.load(std::memory_order_relaxed)) != nullptr; }
  // Brings near what Pin and Lookup of `slot` touch.
  static void Prefetch(const Slot& slot) { PrefetchLine(PointerOf(slot.load(std::memory_order_relaxed))); }
  // A reference to the resident block of `slot`, or empty. Peek counts as no lookup, nor as a use of the block.
  BlockRef Lookup(Slot* slot);
  static BlockRef Peek(Slot* slot);
  // Makes `block` resident in `slot` (unless another thread did so first: then that block is returned and ours is
  // dropped) and returns a reference to what is resident. May evict others. A block of more than half the capacity is
  // handed back without becoming resident.
  BlockRef Insert(Slot* slot, BlockRef block);
  // Drops the residents of a table's slots; the table is about to go away and nobody looks them up any more.
  void EraseSlots(Slot* slots, size_t count);

  // Index, filter and slot bytes of open tables count against the same capacity.
  void ChargeTableMemory(int64_t delta_bytes);
  void SetCapacity(size_t bytes);  // evicts down to it
  // Whether blocks of so many bytes more fit beside what is there.
  bool HasRoom(size_t bytes) const;
  size_t capacity() const { return capacity_.load(std::memory_order_relaxed); }
  size_t block_bytes() const { return block_bytes_.load(std::memory_order_relaxed); }
  size_t table_memory_bytes() const { return table_bytes_.load(std::memory_order_relaxed); }

  // Sharded counters; sums are exact when nothing runs.
  uint64_t hits() const;
  uint64_t misses() const;
  uint64_t filter_useful() const;
  uint64_t filter_false_positives() const;
  void CountFilterUseful() { MyCounters().filter_useful.fetch_add(1, std::memory_order_relaxed); }
  void CountFilterFalsePositive() { MyCounters().filter_false_positives.fetch_add(1, std::memory_order_relaxed); }

 private:
  static constexpr uint64_t kOnePin = uint64_t{1} << 48;
  static constexpr uint64_t kPointerMask = kOnePin - 1;
  static CachedBlock* PointerOf(uint64_t word) { return reinterpret_cast<CachedBlock*>(word & kPointerMask); }
  static size_t ChargeOf(const CachedBlock& block) {
    return BlockBufferCapacity(block.bytes.get_deleter().size) + sizeof(CachedBlock) + kAllocationOverhead;
  }
  static constexpr size_t kAllocationOverhead = 32;      // of what the allocator holds for a block
  static constexpr size_t kHolesFree = size_t{4} << 20;  // of these a process always has some
  static constexpr size_t kHoleShare = 4;  // more count up to a quarter of the room: blocks have to have some

  struct alignas(64) Counters {
    std::atomic<uint64_t> hits{0}, misses{0}, filter_useful{0}, filter_false_positives{0};
  };
  static constexpr int kCounterShards = 16;
  Counters& MyCounters() const;
  uint64_t Sum(std::atomic<uint64_t> Counters::*counter) const;

  bool OverCapacity() const { return !HasRoom(0); }
  void EvictToCapacity() VARVE_EXCLUDES(mu_);
  // Takes blocks out until the rest fits or two rounds found nothing to take; they come as a list through `next`, with
  // the cache's reference, for the caller to drop without the lock.
  CachedBlock* EvictLocked() VARVE_REQUIRES(mu_);
  void LinkLocked(CachedBlock* block) VARVE_REQUIRES(mu_);
  void UnlinkLocked(CachedBlock* block) VARVE_REQUIRES(mu_);
  static void UnrefList(CachedBlock* list);

  std::atomic<size_t> capacity_;
  std::atomic<size_t> block_bytes_{0};  // changed under mu_
  std::atomic<size_t> table_bytes_{0};
  mutable Counters counters_[kCounterShards];
  Mutex mu_;
  CachedBlock* hand_ VARVE_GUARDED_BY(mu_) = nullptr;  // ring of residents; new ones enter behind the hand
  size_t resident_count_ VARVE_GUARDED_BY(mu_) = 0;
};

}  // namespace varve::lsm
