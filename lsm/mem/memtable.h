// lsm/mem/memtable.h - the newest writes, sorted, in memory.
//
// A skip list whose nodes hold key and value inline, in an arena that lives exactly as long as the table: readers take
// no lock, hold no epoch, and pin the table by shared_ptr. Beside each forward link lies the next node's 8-byte key
// prefix, so that a search passes most nodes without touching them. Prefix and link are two loads: a reader may pair a
// prefix with a newer link, whose node is smaller. On the upper levels that is harmless: a search prefix above it may
// advance, since the node is smaller still; one below it descends, perhaps too early, never too late. Equal prefixes
// tell nothing, and level 0 gives the answer: there keys are compared in full.
// A point read goes through a hash table (key_index.h) to the newest version of its key, and to the skip list only while the
// table is small.
// Range tombstones are few: they are kept apart and fragmented once, on the first read after a change.
// The writer remembers where it inserted last: a key that belongs right behind the last one costs no search.
// Threads: Add and AddRangeDelete by one writer at a time; everything else by any thread, beside it. A version added is
// seen by readers that start after; the caller's visible sequence decides what they may use.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "lsm/format/internal_key.h"
#include "lsm/format/range_tombstones.h"
#include "lsm/mem/arena.h"
#include "lsm/mem/key_index.h"
#include "lsm/sync/mutex.h"

namespace varve::lsm {

class MemTable {
 private:
  struct Node;

 public:
  MemTable();
  ~MemTable();
  MemTable(const MemTable&) = delete;
  MemTable& operator=(const MemTable&) = delete;

  // kind is kPut or kDelete; (key, seq) must not be there already.
  void Add(SequenceNumber seq, ValueKind kind, std::string_view key, std::string_view value);
  // A range with begin >= end covers nothing and leaves the table as it was.
  void AddRangeDelete(SequenceNumber seq, std::string_view begin, std::string_view end);
  // Empties the table in place and keeps some of its memory. The caller is the only holder: no reader, no iterator.
  void Reset();

  // The newest version of `key` with sequence <= snapshot. False when there is none. `*value` points into the arena.
  // Point versions only: the caller compares *trailer with range_tombstones().
  bool Get(std::string_view key, SequenceNumber snapshot, uint64_t* trailer, std::string_view* value) const;

  // Null when there are none. The set covers every AddRangeDelete that returned before the call.
  std::shared_ptr<const RangeTombstones> range_tombstones() const;

  // What the arena and the range tombstones took from the allocator.
  size_t memory_bytes() const { return arena_.memory_bytes() + range_bytes_.load(std::memory_order_relaxed); }
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  bool empty() const { return count() == 0 && range_count_.load(std::memory_order_relaxed) == 0; }
  // Bounds of the sequences added; for a table made from this. 0 when empty.
  SequenceNumber smallest_sequence() const { return smallest_seq_; }
  SequenceNumber largest_sequence() const { return largest_seq_; }

  // Order: CompareVersions. Stays usable while versions are added. Prev() costs a search.
  class Iterator {
   public:
    explicit Iterator(const MemTable* table) : table_(table) {}
    bool Valid() const { return node_ != nullptr; }
    std::string_view key() const;
    uint64_t trailer() const;
    std::string_view value() const;
    void SeekToFirst();
    void SeekToLast();
    void Seek(std::string_view key, uint64_t trailer);        // first version >= (key, trailer)
    void SeekBefore(std::string_view key, uint64_t trailer);  // last version < (key, trailer)
    void Next();
    void Prev();

   private:
    const MemTable* table_;
    const Node* node_ = nullptr;
  };

 private:
  static constexpr int kHeightMax = 20;  // enough for 2^20 versions at branching 2; more only make it slower

  // From so many versions on the key index pays.
  static constexpr uint64_t kIndexFrom = 64;
  // Versions newer than the snapshot that a point read steps over before it searches.
  static constexpr int kNewerStepsMax = 16;

  struct Link;

  void IndexAll();
  const Node* FindVersion(std::string_view key, uint64_t trailer) const;
  const Node* Find(std::string_view key, uint64_t trailer, const Node** next) const;
  const Node* FindGreaterOrEqual(std::string_view key, uint64_t trailer) const;
  const Node* FindLess(std::string_view key, uint64_t trailer) const;
  const Node* FindLast() const;
  Node* NewNode(int height, uint64_t trailer, std::string_view key, std::string_view value);
  void MakeHead();
  bool FollowsLast(uint64_t prefix, std::string_view key, uint64_t trailer) const;
  void FindSplice(uint64_t prefix, std::string_view key, uint64_t trailer);
  int RandomHeight();
  void NoteSequence(SequenceNumber seq);

  Arena arena_;
  Node* head_;                // no key; less than every node; has all levels
  Node* splice_[kHeightMax];  // writer's: on each level the last node <= the last insertion; splice_[0] is that
  KeyIndex<Node> index_;
  std::atomic<int> height_{1};
  std::atomic<uint64_t> count_{0};
  uint64_t random_state_;                 // writer's
  SequenceNumber smallest_seq_ = 0;       // writer's
  SequenceNumber largest_seq_ = 0;        // writer's
  std::atomic<uint64_t> range_count_{0};  // stored (release) under range_mu_
  std::atomic<size_t> range_bytes_{0};    // stored under range_mu_
  mutable Mutex range_mu_;
  std::vector<RangeTombstone> ranges_ VARVE_GUARDED_BY(range_mu_);
  mutable std::shared_ptr<const RangeTombstones> fragmented_ VARVE_GUARDED_BY(range_mu_);  // null: stale
};

}  // namespace varve::lsm
