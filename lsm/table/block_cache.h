// lsm/table/block_cache.h - which data blocks stay in memory.
//
// There is no hash table: each open table owns an array of slots, one for each of its data blocks, and a slot is one
// atomic word (pointer and short-lived pin count). A hit is one add on the slot, a second to let go (or to take a
// lasting reference on the block). A CLOCK hand sweeps the resident blocks when the cache is over its capacity: a block
// used since the last pass gets a second chance. Capacity is what the memory budget leaves after everything else that
// is charged (SetCapacity). Blocks are reference counted: one reference is the cache's, iterators and pinned values
// hold theirs; an evicted block lives on until the last is dropped. Charged bytes are block memory plus bookkeeping.
// Threads: all of it, any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "lsm/sync/mutex.h"

namespace varve::lsm {

// The uncompressed bytes of one data block.
struct CachedBlock {
  std::atomic<uint32_t> refs{1};
  std::atomic<bool> used{true};  // CLOCK's second chance
  uint32_t size = 0;
  std::unique_ptr<char[]> bytes;
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

  // A reference to the resident block of `slot`, or empty.
  BlockRef Lookup(Slot* slot);
  // Makes `block` resident in `slot` (unless another thread did so first: then that block is returned and ours is
  // dropped) and returns a reference to what is resident. May evict others.
  BlockRef Insert(Slot* slot, BlockRef block);
  // Drops the residents of a table's slots; the table is about to go away and nobody looks them up any more.
  void EraseSlots(Slot* slots, size_t count);

  // Index, filter and slot bytes of open tables count against the same capacity.
  void ChargeTableMemory(int64_t delta_bytes);
  void SetCapacity(size_t bytes);  // evicts down to it
  size_t capacity() const { return capacity_.load(std::memory_order_relaxed); }
  size_t block_bytes() const { return block_bytes_.load(std::memory_order_relaxed); }
  size_t table_memory_bytes() const { return table_bytes_.load(std::memory_order_relaxed); }

  // Sharded counters; sums are exact when nothing runs.
  uint64_t hits() const;
  uint64_t misses() const;
  uint64_t filter_useful() const;
  void CountFilterUseful();

 private:
  struct alignas(64) Counters {
    std::atomic<uint64_t> hits{0}, misses{0}, filter_useful{0};
  };
  static constexpr int kCounterShards = 16;
  Counters& MyCounters() const;
  void EvictLocked() VARVE_REQUIRES(mu_);

  std::atomic<size_t> capacity_;
  std::atomic<size_t> block_bytes_{0};
  std::atomic<size_t> table_bytes_{0};
  mutable Counters counters_[kCounterShards];
  Mutex mu_;
  CachedBlock* hand_ VARVE_GUARDED_BY(mu_) = nullptr;  // ring of residents
};

}  // namespace varve::lsm
