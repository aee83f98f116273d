// lsm/mem/memtable.h - the newest writes, sorted, in memory.
//
// Entries hold key and value inline, in an arena that lives exactly as long as the table: readers take no lock, hold no
// epoch, and pin the table by shared_ptr. In order they are reached through a B+tree (version_tree.h), by key through a
// hash table (key_index.h) that knows the newest version of each.
// Range tombstones are few: they are kept apart, and what was added since the last read is fragmented by the next one.
// Threads: Add and AddRangeDelete by one writer at a time; everything else by any thread, beside it. A version added is
// seen by readers that start after; the caller's visible sequence decides what they may use.
// Two threads can fill a table that has no readers yet and was made for it: one calls Place and Index, the other Link.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "lsm/format/internal_key.h"
#include "lsm/format/range_tombstones.h"
#include "lsm/mem/arena.h"
#include "lsm/mem/key_index.h"
#include "lsm/mem/version_tree.h"
#include "lsm/sync/mutex.h"

namespace varve::lsm {

class MemTable {
 public:
  // A version in the arena that is not yet found by its key, nor in order.
  struct Placed {
    const MemEntry* entry;
    uint64_t hash;
  };
  enum class Filling : uint8_t { kByOne, kByTwo };

  // kByTwo gives the tree an arena of its own.
  explicit MemTable(Filling filling = Filling::kByOne) : tree_(filling == Filling::kByOne ? &arena_ : &tree_arena_) {}
  MemTable(const MemTable&) = delete;
  MemTable& operator=(const MemTable&) = delete;

  // One operation of a batch, of any kind; (key, seq) must not be there already.
  void Add(SequenceNumber seq, ValueKind kind, std::string_view key, std::string_view value);
  // What Add does with a kRangeDelete. A range with begin >= end covers nothing and leaves the table as it was.
  void AddRangeDelete(SequenceNumber seq, std::string_view begin, std::string_view end);
  // Add, in steps. Every version placed goes through both of the others, in any order; of any kind but kRangeDelete.
  Placed Place(SequenceNumber seq, ValueKind kind, std::string_view key, std::string_view value);
  void Index(std::span<const Placed> placed);
  void Link(std::span<const Placed> placed);
  // Empties the table in place and keeps some of its memory. The caller is the only holder: no reader, no iterator.
  void Reset();

  // The newest version of `key` with sequence <= snapshot. False when there is none. `*value` points into the arena.
  // Point versions only: the caller compares *trailer with range_tombstones().
  bool Get(std::string_view key, SequenceNumber snapshot, uint64_t* trailer, std::string_view* value) const;

  // Bring near what Get of `key` touches first, and then what it touches next: false when that is nothing, for the key
  // is not there.
  void Prefetch(std::string_view key) const { index_.Prefetch(KeyIndex<MemEntry>::Hash(key)); }
  bool PrefetchEntry(std::string_view key) const { return index_.PrefetchNode(KeyIndex<MemEntry>::Hash(key)); }

  // Null when there are none. Covers every AddRangeDelete that returned before the call.
  std::shared_ptr<const RangeTombstoneStack> range_tombstones() const;
  // As they were added; for a table made from this.
  std::vector<RangeTombstone> plain_range_tombstones() const;
  uint64_t range_tombstone_count() const { return range_count_.load(std::memory_order_relaxed); }

  // What the arena and the range tombstones took from the allocator.
  size_t memory_bytes() const {
    return arena_.memory_bytes() + tree_arena_.memory_bytes() + range_bytes_.load(std::memory_order_relaxed) +
           stack_bytes_.load(std::memory_order_relaxed);
  }
  // About what memory_bytes() will be when all that was placed is linked, however far the thread that links has come.
  size_t expected_bytes() const {
    return memory_bytes() - tree_arena_.memory_bytes() + count() * VersionTree::kBytesPerVersion;
  }
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  bool empty() const { return count() == 0 && range_count_.load(std::memory_order_relaxed) == 0; }
  // Of all that was added; 0 when empty.
  SequenceNumber smallest_sequence() const { return smallest_seq_; }

  // Order: CompareVersions. Stays usable while versions are added.
  class Iterator {
   public:
    explicit Iterator(const MemTable* table) : cursor_(&table->tree_) {}
    bool Valid() const { return cursor_.entry() != nullptr; }
    std::string_view key() const { return cursor_.entry()->key(); }
    uint64_t trailer() const { return cursor_.entry()->trailer; }
    std::string_view value() const { return cursor_.entry()->value(); }
    void SeekToFirst() { cursor_.SeekToFirst(); }
    void SeekToLast() { cursor_.SeekToLast(); }
    // The first version >= (key, trailer).
    void Seek(std::string_view key, uint64_t trailer) { cursor_.Seek(key, trailer); }
    // The last version < (key, trailer).
    void SeekBefore(std::string_view key, uint64_t trailer) { cursor_.SeekBefore(key, trailer); }
    void Next() { cursor_.Next(); }
    void Prev() { cursor_.Prev(); }

   private:
    VersionTree::Cursor cursor_;
  };

 private:
  const MemEntry* FindVersion(std::string_view key, uint64_t trailer) const;
  void NoteSequence(SequenceNumber seq);

  Arena arena_;
  Arena tree_arena_;  // of a table filled by two
  VersionTree tree_;
  KeyIndex<MemEntry> index_{&arena_};
  std::atomic<uint64_t> count_{0};
  SequenceNumber smallest_seq_ = 0;       // writer's
  std::atomic<uint64_t> range_count_{0};  // stored (release) under range_mu_
  std::atomic<size_t> range_bytes_{0};    // stored under range_mu_
  mutable Mutex range_mu_;
  std::vector<RangeTombstone> ranges_ VARVE_GUARDED_BY(range_mu_);
  mutable std::shared_ptr<const RangeTombstoneStack> stack_ VARVE_GUARDED_BY(range_mu_);
  mutable size_t stacked_ VARVE_GUARDED_BY(range_mu_) = 0;  // of ranges_, in stack_
  mutable std::atomic<size_t> stack_bytes_{0};              // stored under range_mu_
};

}  // namespace varve::lsm
