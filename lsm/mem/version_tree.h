// lsm/mem/version_tree.h - the versions of a memtable in order: a B+tree, one writer, readers without locks.
//
//   entry  | trailer : u64 | key size : u32 | value size : u32 | key | value |       in the arena, never moved or freed
//   page   | version | count | skip | next | digests : u64 x 64 | entries : pointer x 64 |   inner pages: | child x 64 |
//
// A page holds pointers to entries in the order of CompareVersions. Beside each lies a digest: eight bytes of the key,
// taken after the first `skip` bytes, big-endian. The first `skip` bytes are the same in all keys of the page, so digests
// tell keys apart that begin alike ("user:0000..."), without a look at the keys. Equal digests tell nothing: then whole
// versions are compared. An inner page's entry i is the low fence of its child i: the version it begins with. The first
// page of a level has no low fence (an inner one does not use its entry 0), the last no high one. All keys ever routed to a
// page with both fences share what the fences share, and `skip` is at most that; without both, a key is compared with the
// page's common beginning first.
//
// Why not a skip list: an insertion there visits some twenty far-apart nodes, and keys alike in their first bytes make each
// visit a cache miss; here it is three pages. Figures: docs/experiments.md.
//
// Readers beside the writer. A page's version is odd while it changes (a seqlock). A reader notes the version, reads, and
// checks it; going down, it notes the child's version before it checks the parent's again. The writer makes all pages of
// a split odd before it changes the first. Whatever a slot below `count` holds, even during a change, is a whole entry or
// page. On any doubt a reader starts again from the root. Pages live as long as the arena and never merge.
// T1  Versions ascend strictly through the leaves.
// T2  A page's first entry is its low fence, for ever; but for the first page of a level.
// T3  skip is at most what the fences of a page share, or, without both, what its keys share.
// Threads: Insert and Reset by one writer at a time (Reset alone); everything else by any thread, beside it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lsm/format/internal_key.h"
#include "lsm/mem/arena.h"

namespace varve::lsm {

struct MemEntry {
  uint64_t trailer;
  uint32_t key_size;
  uint32_t value_size;

  const char* data() const { return reinterpret_cast<const char*>(this + 1); }
  std::string_view key() const { return {data(), key_size}; }
  std::string_view value() const { return {data() + key_size, value_size}; }
};

class VersionTree {
 private:
  struct Page;
  struct Place {
    const Page* leaf;
    uint32_t version;  // of the leaf, when it was searched
    uint32_t at;       // slot
  };
  struct Target;

 public:
  // A position in the tree; stays usable while versions are added.
  class Cursor {
   public:
    explicit Cursor(const VersionTree* tree) : tree_(tree) {}
    const MemEntry* entry() const { return entry_; }  // null: at no entry
    void SeekToFirst();
    void SeekToLast();
    void Seek(std::string_view key, uint64_t trailer);        // first version >= (key, trailer)
    void SeekBefore(std::string_view key, uint64_t trailer);  // last version < (key, trailer)
    void Next();                                              // requires entry()
    void Prev();                                              // requires entry()

   private:
    void Take(const Place& place);
    bool Load();
    void SeekBefore(const Target& target);

    const VersionTree* tree_;
    const MemEntry* entry_ = nullptr;
    const Page* leaf_ = nullptr;  // where entry_ lay, in slot index_, when the leaf was at version_
    uint32_t version_ = 0;
    uint32_t index_ = 0;
  };

  // What the pages take, on average: two thirds of the slots are in use.
  static constexpr size_t kBytesPerVersion = 24;

  explicit VersionTree(Arena* arena) : arena_(arena) { Reset(); }
  // Forgets everything; the memory is the arena's, which has been reset.
  void Reset();
  // `entry` lies in the arena and its version is not in the tree.
  void Insert(const MemEntry* entry);
  // At most kTogether of them. Faster than one by one: they go down side by side, so that they wait for memory together.
  void InsertTogether(std::span<const MemEntry* const> entries);
  static constexpr size_t kTogether = 32;

 private:
  static constexpr uint32_t kSlots = 64;
  static constexpr int kHeightMax = 12;  // far more than an arena can hold: half-full pages of 64

  // From the root down to a page, and the slot taken in each.
  struct Path {
    void Add(Page* page, uint32_t slot) {
      pages[size] = page;
      at[size++] = slot;
    }
    Page* pages[kHeightMax];
    uint32_t at[kHeightMax];
    int size = 0;
  };

  char* PageMemory(bool leaf);
  void InsertFromRoot(const MemEntry* entry);
  static void InsertInto(Page* leaf, const MemEntry* entry);
  void InsertAndSplit(const Path& path, const MemEntry* entry);
  Page* SplitAround(Page* left, char* memory, uint32_t at, const MemEntry* entry, Page* child);
  Place Find(const Target& target, bool before) const;
  static bool Holds(const Page& page, const Target& target);
  static uint32_t Search(const Page& page, uint32_t first, const Target& target, bool or_equal);
  static bool Less(const MemEntry& entry, const Target& target, bool or_equal);

  Arena* const arena_;
  std::atomic<Page*> root_{nullptr};
  Page* first_leaf_ = nullptr;   // for ever: a split keeps the left page
  Page* recent_leaf_ = nullptr;  // writer's: where it inserted last
};

}  // namespace varve::lsm
