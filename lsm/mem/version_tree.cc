// lsm/mem/version_tree.cc - search, insertion, splits. Contract, drawing and the rules for readers: version_tree.h.

#include "lsm/mem/version_tree.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <new>
#include <thread>

#include "lsm/format/coding.h"
#include "lsm/format/prefetch.h"

namespace varve::lsm {

namespace {

constexpr int kSpinsBeforeYield = 64;  // the writer may have lost its core in the middle of a change
constexpr int kDigestBitsPoor = 24;    // a page whose digests agree in so many bits gets better ones when it splits

uint64_t LoadBigEndian(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap64(v);
}

// Eight bytes of `key` from `skip` on as a big-endian integer, zero-padded.
uint64_t Digest(std::string_view key, size_t skip) {
  if (key.size() >= skip + 8) return LoadBigEndian(key.data() + skip);
  if (key.size() <= skip) return 0;
  if (key.size() < 8) return KeyPrefix(key.substr(skip));
  return LoadBigEndian(key.data() + key.size() - 8) << (8 * (skip + 8 - key.size()));
}

}  // namespace

struct VersionTree::Target {
  std::string_view key;
  uint64_t trailer = 0;
  bool beyond_all = false;  // greater than every version
};

struct VersionTree::Page {
  Page(bool is_leaf, const MemEntry* low_fence) : leaf(is_leaf), low(low_fence) {}

  std::atomic<uint32_t> version{0};
  std::atomic<uint32_t> count{0};
  std::atomic<uint32_t> skip{0};
  const bool leaf;
  const MemEntry* const low;  // null: none
  std::atomic<Page*> next{nullptr};
  std::atomic<uint64_t> digests[kSlots];
  std::atomic<const MemEntry*> entries[kSlots];

  std::atomic<Page*>* children() { return reinterpret_cast<std::atomic<Page*>*>(this + 1); }
  const std::atomic<Page*>* children() const { return reinterpret_cast<const std::atomic<Page*>*>(this + 1); }

  // For readers: waits out a change.
  uint32_t SteadyVersion() const {
    for (int spins = 0;; ++spins) {
      const uint32_t now = version.load(std::memory_order_acquire);
      if ((now & 1) == 0) return now;
      if (spins >= kSpinsBeforeYield) std::this_thread::yield();
    }
  }
  bool StillAt(uint32_t seen) const { return version.load(std::memory_order_acquire) == seen; }

  // For the writer. Between the two every store releases, so that whoever sees one of them sees the odd version, too.
  void BeginChange() { version.store(version.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
  void EndChange() { version.store(version.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
  void Set(uint32_t at, uint64_t digest, const MemEntry* entry, Page* child) {
    digests[at].store(digest, std::memory_order_release);
    entries[at].store(entry, std::memory_order_release);
    if (!leaf) children()[at].store(child, std::memory_order_release);
  }
  void Copy(uint32_t to, const Page& from, uint32_t at) {
    Set(to, from.digests[at].load(std::memory_order_relaxed), from.entries[at].load(std::memory_order_relaxed),
        leaf ? nullptr : from.children()[at].load(std::memory_order_relaxed));
  }
  void Insert(uint32_t at, const MemEntry* entry, Page* child) {
    const uint32_t size = count.load(std::memory_order_relaxed);
    const uint32_t skipped = skip.load(std::memory_order_relaxed);
    for (uint32_t i = size; i > at; --i) Copy(i, *this, i - 1);
    Set(at, Digest(entry->key(), skipped), entry, child);
    count.store(size + 1, std::memory_order_release);
    // Fences need no look: what they share, every key does that is routed here.
    const bool another_prefix = skipped > 0 && !fenced() && size > first() && !Shares(skipped);
    if (another_prefix || (size >= kSlots / 8 && (size & (size - 1)) == 0)) Redigest();
  }
  bool full() const { return count.load(std::memory_order_relaxed) == kSlots; }
  bool fenced() const { return low != nullptr && next.load(std::memory_order_acquire) != nullptr; }
  // Of the entries that count. A page with a skip has two at least.
  uint32_t first() const { return leaf || low != nullptr ? 0 : 1; }
  // Whether all keys begin with the same `length` bytes.
  bool Shares(uint32_t length) const {
    const uint32_t size = count.load(std::memory_order_relaxed);
    return SharedPrefix(AnyKey(), entries[size - 1].load(std::memory_order_relaxed)->key()) >= length;
  }
  std::string_view AnyKey() const { return entries[first()].load(std::memory_order_acquire)->key(); }
  // <0, 0, >0: a key that does not begin as all keys of the page do is less or greater than all of them. Only a page
  // without fences can be asked for such a key.
  int ComparePrefix(std::string_view key, uint32_t skipped) const {
    if (skipped == 0 || fenced()) return 0;
    return key.substr(0, skipped).compare(AnyKey().substr(0, skipped));
  }
  // Skips no more than the keys of the page share (T3), and more than until now where the digests of now tell little.
  void Redigest();
  void Prefetch() const {
    for (size_t offset = 0; offset < offsetof(Page, entries); offset += 64) {
      PrefetchLine(reinterpret_cast<const char*>(this) + offset);
    }
  }
  void PrefetchEntries() const {
    for (size_t at = 0; at < kSlots; at += 64 / sizeof(entries[0])) PrefetchLine(&entries[at]);
  }
};

void VersionTree::Page::Redigest() {
  const uint32_t from = first();
  const uint32_t size = count.load(std::memory_order_relaxed);
  const uint32_t skipped = skip.load(std::memory_order_relaxed);
  uint32_t shared = 0;
  if (fenced()) {
    shared = SharedPrefix(low->key(), next.load(std::memory_order_relaxed)->low->key());
  } else if (size >= from + 2) {
    shared = SharedPrefix(AnyKey(), entries[size - 1].load(std::memory_order_relaxed)->key());
  }
  if (shared > skipped) {
    const uint64_t a = digests[from].load(std::memory_order_relaxed);
    const uint64_t z = digests[size - 1].load(std::memory_order_relaxed);
    if ((a ^ z) >> (64 - kDigestBitsPoor) != 0) return;
  }
  if (shared == skipped) return;
  skip.store(shared, std::memory_order_release);
  for (uint32_t i = from; i < size; ++i) {
    digests[i].store(Digest(entries[i].load(std::memory_order_relaxed)->key(), shared), std::memory_order_release);
  }
}

char* VersionTree::PageMemory(bool leaf) {
  return arena_->Allocate(sizeof(Page) + (leaf ? 0 : kSlots * sizeof(std::atomic<Page*>)));
}

void VersionTree::Reset() {
  first_leaf_ = recent_leaf_ = new (PageMemory(/*leaf=*/true)) Page(/*is_leaf=*/true, nullptr);
  root_.store(first_leaf_, std::memory_order_release);
}

// ---- search ----

bool VersionTree::Less(const MemEntry& entry, const Target& target, bool or_equal) {
  const int c = CompareVersions(entry.key(), entry.trailer, target.key, target.trailer);
  return c < 0 || (or_equal && c == 0);
}

// The first slot from `first` on whose version is not less than (or_equal: is greater than) the target's.
uint32_t VersionTree::Search(const Page& page, uint32_t first, const Target& target, bool or_equal) {
  const uint32_t count = page.count.load(std::memory_order_acquire);
  if (target.beyond_all || first >= count) return count;
  const uint32_t skip = page.skip.load(std::memory_order_acquire);
  if (const int c = page.ComparePrefix(target.key, skip); c != 0) return c < 0 ? first : count;
  const uint64_t digest = Digest(target.key, skip);
  uint32_t at = first;
  for (uint32_t left = count - first; left > 0;) {  // no branch in it depends on what is compared
    const uint32_t half = (left + 1) / 2;
    at += page.digests[at + half - 1].load(std::memory_order_acquire) < digest ? half : 0;
    left -= half;
  }
  for (uint32_t end = count; at < end;) {  // among equal digests
    const uint32_t middle = at + (end - at) / 2;
    if (page.digests[middle].load(std::memory_order_acquire) == digest &&
        Less(*page.entries[middle].load(std::memory_order_acquire), target, or_equal)) {
      at = middle + 1;
    } else {
      end = middle;
    }
  }
  return at;
}

// The leaf that holds the target's place, and that place. Of a version that is there: its own leaf; or, for `before`, the
// leaf that holds the version before it, and the slot behind that.
VersionTree::Place VersionTree::Find(const Target& target, bool before) const {
  for (;;) {
    const Page* page = root_.load(std::memory_order_acquire);
    uint32_t version = page->SteadyVersion();
    bool steady = root_.load(std::memory_order_acquire) == page;
    while (steady && !page->leaf) {
      const uint32_t at = Search(*page, 1, target, /*or_equal=*/!before) - 1;
      const Page* const child = page->children()[at].load(std::memory_order_acquire);
      child->Prefetch();
      const uint32_t child_version = child->SteadyVersion();
      steady = page->StillAt(version);
      page = child;
      version = child_version;
    }
    if (!steady) continue;
    const Place place{page, version, Search(*page, 0, target, /*or_equal=*/false)};
    if (page->StillAt(version)) return place;
  }
}

// ---- insertion ----

// True when `target` belongs into `page`, whatever else is in the tree. The writer's.
bool VersionTree::Holds(const Page& page, const Target& target) {
  const Page* const after = page.next.load(std::memory_order_relaxed);
  return (page.low == nullptr || Less(*page.low, target, false)) &&
         (after == nullptr || !Less(*after->low, target, false));
}

void VersionTree::Insert(const MemEntry* entry) {
  Page* const leaf = recent_leaf_;
  if (leaf->full() || !Holds(*leaf, Target{entry->key(), entry->trailer})) return InsertFromRoot(entry);
  InsertInto(leaf, entry);
}

void VersionTree::InsertTogether(std::span<const MemEntry* const> entries) {
  assert(entries.size() <= kTogether);
  std::array<Page*, kTogether> pages;
  pages.fill(root_.load(std::memory_order_relaxed));
  while (!pages[0]->leaf) {  // all leaves lie equally deep
    for (size_t i = 0; i < entries.size(); ++i) {
      const uint32_t at = Search(*pages[i], 1, {entries[i]->key(), entries[i]->trailer}, /*or_equal=*/true) - 1;
      pages[i] = pages[i]->children()[at].load(std::memory_order_relaxed);
      pages[i]->Prefetch();
      if (pages[i]->leaf) pages[i]->PrefetchEntries();
    }
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    Page* const leaf = pages[i];
    if (leaf != nullptr && !leaf->full()) {
      InsertInto(leaf, entries[i]);
    } else {
      InsertFromRoot(entries[i]);
      std::replace(pages.begin(), pages.end(), leaf, static_cast<Page*>(nullptr));  // it was split
    }
  }
}

void VersionTree::InsertFromRoot(const MemEntry* entry) {
  const Target target{entry->key(), entry->trailer};
  Path path;
  Page* leaf = root_.load(std::memory_order_relaxed);
  for (; !leaf->leaf;
       leaf = path.pages[path.size - 1]->children()[path.at[path.size - 1]].load(std::memory_order_relaxed)) {
    leaf->Prefetch();
    path.Add(leaf, Search(*leaf, 1, target, /*or_equal=*/true) - 1);
  }
  leaf->Prefetch();
  if (leaf->full()) {
    path.Add(leaf, Search(*leaf, 0, target, /*or_equal=*/false));
    return InsertAndSplit(path, entry);
  }
  recent_leaf_ = leaf;
  InsertInto(leaf, entry);
}

void VersionTree::InsertInto(Page* leaf, const MemEntry* entry) {
  const uint32_t at = Search(*leaf, 0, {entry->key(), entry->trailer}, /*or_equal=*/false);
  leaf->BeginChange();
  leaf->Insert(at, entry, nullptr);
  leaf->EndChange();
}

// Splits the leaf at the path's end, and above it what is full, up to the first page with room.
void VersionTree::InsertAndSplit(const Path& path, const MemEntry* entry) {
  int room = path.size - 1;
  while (room >= 0 && path.pages[room]->count.load(std::memory_order_relaxed) == kSlots) --room;
  // All memory first: if there is none, no page may be left in the middle of a change, where its readers would wait.
  char* memory[kHeightMax + 1];
  for (int i = room + 1; i < path.size; ++i) memory[i] = PageMemory(path.pages[i]->leaf);
  if (room < 0) memory[path.size] = PageMemory(/*leaf=*/false);
  for (int i = std::max(room, 0); i < path.size; ++i) path.pages[i]->BeginChange();

  Page* child = nullptr;
  for (int i = path.size - 1; i > room; --i) {
    const uint32_t at = path.at[i] + (child != nullptr ? 1 : 0);  // behind the child that was split
    child = SplitAround(path.pages[i], memory[i], at, entry, child);
    entry = child->low;
  }
  if (room >= 0) {
    path.pages[room]->Insert(path.at[room] + 1, entry, child);
  } else {
    Page* const root = new (memory[path.size]) Page(/*is_leaf=*/false, nullptr);
    root->Set(0, 0, nullptr, path.pages[0]);
    root->count.store(1, std::memory_order_relaxed);
    root->Insert(1, entry, child);
    root_.store(root, std::memory_order_release);
  }
  for (int i = std::max(room, 0); i < path.size; ++i) path.pages[i]->EndChange();
}

// Moves the upper half of `left` to a new page in `memory`, which it returns, and inserts. Versions that come in ascending
// order leave full pages behind.
VersionTree::Page* VersionTree::SplitAround(Page* left, char* memory, uint32_t at, const MemEntry* entry, Page* child) {
  Page* const after = left->next.load(std::memory_order_relaxed);
  const uint32_t keep = after == nullptr && at == kSlots ? kSlots : kSlots / 2;
  const MemEntry* const low = keep == kSlots ? entry : left->entries[keep].load(std::memory_order_relaxed);
  Page* const right = new (memory) Page(left->leaf, low);
  right->skip.store(left->skip.load(std::memory_order_relaxed), std::memory_order_relaxed);
  for (uint32_t i = keep; i < kSlots; ++i) right->Copy(i - keep, *left, i);
  right->count.store(kSlots - keep, std::memory_order_relaxed);
  right->next.store(after, std::memory_order_relaxed);
  left->count.store(keep, std::memory_order_release);
  left->next.store(right, std::memory_order_release);
  if (keep < kSlots && at <= keep) {
    left->Insert(at, entry, child);
  } else {
    right->Insert(at - keep, entry, child);
  }
  left->Redigest();
  right->Redigest();
  if (left->leaf) recent_leaf_ = right;
  return right;
}

// ---- cursor ----

void VersionTree::Cursor::Take(const Place& place) {
  leaf_ = place.leaf;
  version_ = place.version;
  index_ = place.at;
}

// The entry at index_ of leaf_, or the first of the next leaf. False when the leaf changed meanwhile.
bool VersionTree::Cursor::Load() {
  const uint32_t count = leaf_->count.load(std::memory_order_acquire);
  if (index_ < count) {
    const MemEntry* const entry = leaf_->entries[index_].load(std::memory_order_acquire);
    // Neighbours in order lie far apart in memory: let one come while the caller works on this one.
    if (index_ + 2 < count) PrefetchLine(leaf_->entries[index_ + 2].load(std::memory_order_relaxed));
    if (!leaf_->StillAt(version_)) return false;
    entry_ = entry;
    return true;
  }
  const Page* const next = leaf_->next.load(std::memory_order_acquire);
  if (!leaf_->StillAt(version_)) return false;
  if (next == nullptr) {
    entry_ = nullptr;
    return true;
  }
  entry_ = next->low;  // T2
  leaf_ = next;
  version_ = next->SteadyVersion();
  index_ = 0;
  return true;
}

void VersionTree::Cursor::SeekToFirst() {
  do {
    Take({tree_->first_leaf_, tree_->first_leaf_->SteadyVersion(), 0});
  } while (!Load());
}

void VersionTree::Cursor::Seek(std::string_view key, uint64_t trailer) {
  do {
    Take(tree_->Find({key, trailer}, /*before=*/false));
  } while (!Load());
}

void VersionTree::Cursor::SeekBefore(const Target& target) {
  do {
    Take(tree_->Find(target, /*before=*/true));
    if (index_ == 0) {  // only in the first leaf
      entry_ = nullptr;
      return;
    }
    --index_;
  } while (!Load());
}

void VersionTree::Cursor::SeekBefore(std::string_view key, uint64_t trailer) {
  SeekBefore(Target{key, trailer});
}

void VersionTree::Cursor::SeekToLast() {
  SeekBefore(Target{{}, 0, /*beyond_all=*/true});
}

void VersionTree::Cursor::Next() {
  ++index_;
  if (Load()) return;
  const MemEntry* const from = entry_;
  do {
    Take(tree_->Find({from->key(), from->trailer}, /*before=*/false));
    ++index_;  // behind itself
  } while (!Load());
}

void VersionTree::Cursor::Prev() {
  if (index_ > 0) {
    --index_;
    if (Load()) return;
  }
  SeekBefore(entry_->key(), entry_->trailer);
}

}  // namespace varve::lsm
