#include "lsm/table/block_cache.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace varve::lsm {

BlockCache::BlockCache(size_t capacity_bytes) : capacity_(capacity_bytes) {}

BlockCache::~BlockCache() {
  MutexLock lock(&mu_);
  assert(hand_ == nullptr);
}

CachedBlock* BlockCache::Pin(Slot* slot) {
  // A plain load first: a miss writes to no shared word but its counter.
  if (PointerOf(slot->load(std::memory_order_relaxed)) != nullptr) {
    CachedBlock* block = PointerOf(slot->fetch_add(kOnePin, std::memory_order_acquire));
    if (block != nullptr) [[likely]] {
      if (!block->used.load(std::memory_order_relaxed)) block->used.store(true, std::memory_order_relaxed);
      MyCounters().hits.fetch_add(1, std::memory_order_relaxed);
      return block;
    }
    Unpin(slot);  // evicted in between
  }
  MyCounters().misses.fetch_add(1, std::memory_order_relaxed);
  return nullptr;
}

BlockRef BlockCache::Lookup(Slot* slot) {
  CachedBlock* block = Pin(slot);
  if (block == nullptr) return BlockRef();
  block->Ref();
  Unpin(slot);
  return BlockRef(block);
}

BlockRef BlockCache::Peek(Slot* slot) {
  if (!Holds(*slot)) return BlockRef();
  CachedBlock* block = PointerOf(slot->fetch_add(kOnePin, std::memory_order_acquire));
  if (block != nullptr) [[likely]]
    block->Ref();
  Unpin(slot);
  return BlockRef(block);
}

BlockRef BlockCache::Insert(Slot* slot, BlockRef block) {
  if (ChargeOf(*block.get()) > capacity() / 2) return block;
  CachedBlock* evicted = nullptr;
  BlockRef ours;  // dropped after the lock
  {
    MutexLock lock(&mu_);
    if (CachedBlock* resident = PointerOf(slot->load(std::memory_order_acquire)); resident != nullptr) {
      ours = std::move(block);
      resident->Ref();  // the cache's own reference keeps it alive: it can only be evicted under mu_
      block = BlockRef(resident);
    } else {
      block->Ref();
      block->slot = slot;
      LinkLocked(block.get());
      // Added, not stored: readers that came too late for an evicted block may have pins to take back.
      slot->fetch_add(reinterpret_cast<uint64_t>(block.get()), std::memory_order_release);
      evicted = EvictLocked();
    }
  }
  UnrefList(evicted);
  return block;
}

void BlockCache::EraseSlots(Slot* slots, size_t count) {
  CachedBlock* erased = nullptr;
  {
    MutexLock lock(&mu_);
    for (size_t i = 0; i < count; ++i) {
      CachedBlock* block = PointerOf(slots[i].exchange(0, std::memory_order_acquire));
      if (block == nullptr) continue;
      UnlinkLocked(block);
      block->next = std::exchange(erased, block);
    }
  }
  UnrefList(erased);
}

void BlockCache::ChargeTableMemory(int64_t delta_bytes) {
  table_bytes_.fetch_add(static_cast<size_t>(delta_bytes), std::memory_order_relaxed);
  if (delta_bytes > 0) EvictToCapacity();
}

void BlockCache::SetCapacity(size_t bytes) {
  capacity_.store(bytes, std::memory_order_relaxed);
  EvictToCapacity();
}

bool BlockCache::HasRoom(size_t bytes) const {
  const size_t room = capacity() - std::min(capacity(), table_memory_bytes());
  const size_t holes = std::max(BlockHoleBytes(), kHolesFree) - kHolesFree;
  return block_bytes() + bytes + std::min(holes, room / kHoleShare) <= room;
}

void BlockCache::EvictToCapacity() {
  if (!OverCapacity()) return;
  CachedBlock* evicted;
  {
    MutexLock lock(&mu_);
    evicted = EvictLocked();
  }
  UnrefList(evicted);
}

CachedBlock* BlockCache::EvictLocked() {
  CachedBlock* evicted = nullptr;
  // One round takes away the second chances, the next takes the blocks; more would only chase pinned ones.
  for (size_t steps = 2 * resident_count_ + 1; steps > 0 && hand_ != nullptr && OverCapacity(); --steps) {
    CachedBlock* block = hand_;
    hand_ = block->next;
    if (block->used.exchange(false, std::memory_order_relaxed)) continue;
    uint64_t unpinned = reinterpret_cast<uint64_t>(block);
    if (!block->slot->compare_exchange_strong(unpinned, 0, std::memory_order_acq_rel)) continue;  // C1
    UnlinkLocked(block);
    block->next = std::exchange(evicted, block);
  }
  return evicted;
}

void BlockCache::LinkLocked(CachedBlock* block) {
  if (hand_ == nullptr) {
    block->previous = block->next = block;
    hand_ = block;
  } else {
    block->next = hand_;
    block->previous = hand_->previous;
    block->previous->next = block;
    hand_->previous = block;
  }
  ++resident_count_;
  block_bytes_.fetch_add(ChargeOf(*block), std::memory_order_relaxed);
}

void BlockCache::UnlinkLocked(CachedBlock* block) {
  if (block->next == block) {
    hand_ = nullptr;
  } else {
    if (hand_ == block) hand_ = block->next;
    block->previous->next = block->next;
    block->next->previous = block->previous;
  }
  block->slot = nullptr;
  block->previous = block->next = nullptr;
  --resident_count_;
  block_bytes_.fetch_sub(ChargeOf(*block), std::memory_order_relaxed);
}

void BlockCache::UnrefList(CachedBlock* list) {
  while (list != nullptr) {
    CachedBlock* next = std::exchange(list->next, nullptr);
    list->Unref();
    list = next;
  }
}

BlockCache::Counters& BlockCache::MyCounters() const {
  static std::atomic<unsigned> next_shard{0};
  thread_local const unsigned shard = next_shard.fetch_add(1, std::memory_order_relaxed) % kCounterShards;
  return counters_[shard];
}

uint64_t BlockCache::Sum(std::atomic<uint64_t> Counters::*counter) const {
  uint64_t sum = 0;
  for (const Counters& shard : counters_) sum += (shard.*counter).load(std::memory_order_relaxed);
  return sum;
}

uint64_t BlockCache::hits() const {
  return Sum(&Counters::hits);
}
uint64_t BlockCache::misses() const {
  return Sum(&Counters::misses);
}
uint64_t BlockCache::filter_useful() const {
  return Sum(&Counters::filter_useful);
}
uint64_t BlockCache::filter_false_positives() const {
  return Sum(&Counters::filter_false_positives);
}

}  // namespace varve::lsm
