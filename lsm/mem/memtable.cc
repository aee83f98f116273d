// lsm/mem/memtable.cc - the skip list. Contract and the rule of the link prefixes: memtable.h.
//
//   node in the arena   | link h-1 | ... | link 0 | trailer : u64 | key size : u32 | value size : u32 | key | value |
//                                                 ^ Node*
//   link                | next : Node* | prefix of the next node's key : u64 |
//
// The links grow downwards, so that level 0, the header and the head of the key usually share a cache line.
// Publication: a node's bytes and its own link of a level are written first; then, on that level from 0 upwards, the
// predecessor's next and after it the predecessor's prefix (both release). Between two nodes only smaller ones are ever
// inserted, so a reader that loads the prefix first and next after it (both acquire) gets a whole node whose prefix is
// at most the one loaded.

#include "lsm/mem/memtable.h"

#include <bit>
#include <cassert>
#include <cstring>
#include <utility>

namespace varve::lsm {

namespace {

constexpr uint64_t kNoPrefix = ~uint64_t{0};  // beside a null link: sends almost every search down at once

uint64_t LoadBigEndian(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap64(v);
}

}  // namespace

struct MemTable::Link {
  std::atomic<Node*> next;
  std::atomic<uint64_t> prefix;
};

struct MemTable::Node {
  uint64_t trailer;
  uint32_t key_size;
  uint32_t value_size;

  Link& link(int level) { return reinterpret_cast<Link*>(this)[-1 - level]; }
  const Link& link(int level) const { return reinterpret_cast<const Link*>(this)[-1 - level]; }
  const char* data() const { return reinterpret_cast<const char*>(this + 1); }
  std::string_view key() const { return {data(), key_size}; }
  std::string_view value() const { return {data() + key_size, value_size}; }

  // CompareVersions(key(), trailer, k, t) < 0. Keys of 16 bytes and more are told apart in two integer comparisons
  // unless they agree that far; `prefix` is KeyPrefix(k).
  bool Less(uint64_t prefix, std::string_view k, uint64_t t) const {
    if (key_size >= 16 && k.size() >= 16) {
      const uint64_t first = LoadBigEndian(data());
      if (first != prefix) return first < prefix;
      const uint64_t a = LoadBigEndian(data() + 8);
      const uint64_t b = LoadBigEndian(k.data() + 8);
      if (a != b) return a < b;
      if (key_size == 16 && k.size() == 16) return trailer > t;
    }
    return CompareVersions(key(), trailer, k, t) < 0;
  }
};

MemTable::MemTable() : random_state_(0x9e3779b97f4a7c15) {
  static_assert(sizeof(Link) % Arena::kAlignment == 0 && sizeof(Node) % Arena::kAlignment == 0);
  MakeHead();
}

MemTable::~MemTable() = default;

void MemTable::MakeHead() {
  head_ = NewNode(kHeightMax, 0, {}, {});
  for (int level = 0; level < kHeightMax; ++level) {
    head_->link(level).next.store(nullptr, std::memory_order_relaxed);
    head_->link(level).prefix.store(kNoPrefix, std::memory_order_relaxed);
    splice_[level] = head_;
  }
}

void MemTable::Reset() {
  index_.Reset();
  arena_.Reset();
  MakeHead();
  height_.store(1, std::memory_order_relaxed);
  count_.store(0, std::memory_order_relaxed);
  smallest_seq_ = largest_seq_ = 0;
  MutexLock lock(&range_mu_);
  ranges_.clear();
  fragmented_.reset();
  range_bytes_.store(0, std::memory_order_relaxed);
  range_count_.store(0, std::memory_order_release);
}

MemTable::Node* MemTable::NewNode(int height, uint64_t trailer, std::string_view key, std::string_view value) {
  const size_t links_size = sizeof(Link) * static_cast<size_t>(height);
  char* const memory = arena_.Allocate(links_size + sizeof(Node) + key.size() + value.size());
  Node* const node =
      new (memory + links_size) Node{trailer, static_cast<uint32_t>(key.size()), static_cast<uint32_t>(value.size())};
  for (int level = 0; level < height; ++level) new (&node->link(level)) Link;
  char* const data = memory + links_size + sizeof(Node);
  if (!key.empty()) std::memcpy(data, key.data(), key.size());
  if (!value.empty()) std::memcpy(data + key.size(), value.data(), value.size());
  return node;
}

// 1 with probability 1/2, each further level with half of the one below. A quarter, as others do, saves 11 bytes a node
// but costs three far jumps a level instead of one; thanks to the prefixes a level without a jump costs none.
int MemTable::RandomHeight() {
  random_state_ ^= random_state_ << 13;  // xorshift64: a full period over the non-zero states
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  const uint64_t capped = random_state_ | uint64_t{1} << (kHeightMax - 1);
  return 1 + std::countr_zero(capped);
}

void MemTable::NoteSequence(SequenceNumber seq) {
  if (smallest_seq_ == 0 || seq < smallest_seq_) smallest_seq_ = seq;
  if (seq > largest_seq_) largest_seq_ = seq;
}

// True when the new version belongs right behind the last one inserted: then splice_ is already what FindSplice finds.
bool MemTable::FollowsLast(uint64_t prefix, std::string_view key, uint64_t trailer) const {
  const Node* const last = splice_[0];
  if (last == head_ || !last->Less(prefix, key, trailer)) return false;
  const Link& link = last->link(0);
  const Node* const next = link.next.load(std::memory_order_relaxed);
  if (next == nullptr || prefix < link.prefix.load(std::memory_order_relaxed)) return true;
  return !next->Less(prefix, key, trailer);
}

// Sets splice_ to the last node less than the version, on each level in use. The writer sees exact link prefixes: a
// prefix that differs decides without a look at the node.
void MemTable::FindSplice(uint64_t prefix, std::string_view key, uint64_t trailer) {
  Node* before = head_;
  const Node* not_less = nullptr;  // met one level up and found >= the version
  for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0; --level) {
    for (;;) {
      const Link& link = before->link(level);
      Node* const next = link.next.load(std::memory_order_relaxed);
      if (next == nullptr || next == not_less) break;
      const uint64_t next_prefix = link.prefix.load(std::memory_order_relaxed);
      if (prefix < next_prefix || (prefix == next_prefix && !next->Less(prefix, key, trailer))) {
        not_less = next;
        break;
      }
      before = next;
    }
    splice_[level] = before;
  }
}

void MemTable::Add(SequenceNumber seq, ValueKind kind, std::string_view key, std::string_view value) {
  assert(kind == ValueKind::kPut || kind == ValueKind::kDelete);
  const uint64_t trailer = PackTrailer(seq, kind);
  const uint64_t prefix = KeyPrefix(key);
  const uint64_t hash = index_.empty() ? 0 : KeyIndex<Node>::Hash(key);
  index_.Prefetch(hash);
  if (!FollowsLast(prefix, key, trailer)) FindSplice(prefix, key, trailer);

  const int height = RandomHeight();
  if (height > height_.load(std::memory_order_relaxed)) height_.store(height, std::memory_order_relaxed);
  Node* const node = NewNode(height, trailer, key, value);
  for (int level = 0; level < height; ++level) {  // above the old height, splice_ is head_
    Link& before = splice_[level]->link(level);
    node->link(level).next.store(before.next.load(std::memory_order_relaxed), std::memory_order_relaxed);
    node->link(level).prefix.store(before.prefix.load(std::memory_order_relaxed), std::memory_order_relaxed);
    before.next.store(node, std::memory_order_release);
    before.prefix.store(prefix, std::memory_order_release);
    splice_[level] = node;
  }
  NoteSequence(seq);
  count_.store(count() + 1, std::memory_order_relaxed);
  if (!index_.empty()) {
    index_.Set(node, hash, &arena_);
  } else if (count() >= kIndexFrom) {
    IndexAll();
  }
}

void MemTable::IndexAll() {
  index_.Begin(&arena_);
  for (const Node* node = head_->link(0).next.load(std::memory_order_relaxed); node != nullptr;
       node = node->link(0).next.load(std::memory_order_relaxed)) {
    index_.Set(node, KeyIndex<Node>::Hash(node->key()), &arena_);
  }
  index_.Publish();
}

void MemTable::AddRangeDelete(SequenceNumber seq, std::string_view begin, std::string_view end) {
  if (begin >= end) return;
  NoteSequence(seq);
  MutexLock lock(&range_mu_);
  ranges_.push_back({std::string(begin), std::string(end), seq});
  fragmented_.reset();
  const size_t bytes = sizeof(RangeTombstone) + begin.size() + end.size();
  range_bytes_.store(range_bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  range_count_.store(ranges_.size(), std::memory_order_release);
}

std::shared_ptr<const RangeTombstones> MemTable::range_tombstones() const {
  if (range_count_.load(std::memory_order_acquire) == 0) return nullptr;
  MutexLock lock(&range_mu_);
  if (fragmented_ == nullptr)
    fragmented_ = std::make_shared<const RangeTombstones>(RangeTombstones::Fragmented(ranges_));
  return fragmented_;
}

// The last node less than the version (head_ when none), and behind it `*next`, the first that is not.
const MemTable::Node* MemTable::Find(std::string_view key, uint64_t trailer, const Node** next) const {
  const uint64_t prefix = KeyPrefix(key);
  const Node* before = head_;
  const Node* not_less = nullptr;  // met one level up and found >= the version
  for (int level = height_.load(std::memory_order_relaxed) - 1; level > 0; --level) {
    for (;;) {
      const Link& link = before->link(level);
      const uint64_t prefix_max = link.prefix.load(std::memory_order_acquire);
      if (prefix < prefix_max) break;  // perhaps too early; never too late
      const Node* const node = link.next.load(std::memory_order_acquire);
      if (node == nullptr || node == not_less) break;
      if (prefix == prefix_max && !node->Less(prefix, key, trailer)) {
        not_less = node;
        break;
      }
      before = node;
    }
  }
  for (;;) {  // level 0 gives the answer: nothing but whole keys counts
    const Node* const node = before->link(0).next.load(std::memory_order_acquire);
    if (node == nullptr || node == not_less || !node->Less(prefix, key, trailer)) {
      *next = node;
      return before;
    }
    before = node;
  }
}

const MemTable::Node* MemTable::FindGreaterOrEqual(std::string_view key, uint64_t trailer) const {
  const Node* next;
  Find(key, trailer, &next);
  return next;
}

const MemTable::Node* MemTable::FindLess(std::string_view key, uint64_t trailer) const {
  const Node* next;
  const Node* const before = Find(key, trailer, &next);
  return before == head_ ? nullptr : before;
}

const MemTable::Node* MemTable::FindLast() const {
  const Node* last = head_;
  for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0; --level) {
    while (const Node* next = last->link(level).next.load(std::memory_order_acquire)) last = next;
  }
  return last == head_ ? nullptr : last;
}

// The newest version of `key` whose trailer is at most `trailer`, or null.
const MemTable::Node* MemTable::FindVersion(std::string_view key, uint64_t trailer) const {
  if (!index_.empty()) {
    const Node* node = index_.Find(key, KeyIndex<Node>::Hash(key));
    for (int steps = 0; steps < kNewerStepsMax; ++steps) {
      if (node == nullptr || node->trailer <= trailer) return node;
      node = node->link(0).next.load(std::memory_order_acquire);  // the next older version of the key, if there is one
      if (node != nullptr && node->key() != key) return nullptr;
    }
  }
  const Node* node = FindGreaterOrEqual(key, trailer);
  return node != nullptr && node->key() == key ? node : nullptr;
}

bool MemTable::Get(std::string_view key, SequenceNumber snapshot, uint64_t* trailer, std::string_view* value) const {
  const Node* const node = FindVersion(key, MaxTrailer(snapshot));
  if (node == nullptr) return false;
  *trailer = node->trailer;
  *value = node->value();
  return true;
}

std::string_view MemTable::Iterator::key() const {
  return node_->key();
}
uint64_t MemTable::Iterator::trailer() const {
  return node_->trailer;
}
std::string_view MemTable::Iterator::value() const {
  return node_->value();
}
void MemTable::Iterator::SeekToFirst() {
  node_ = table_->head_->link(0).next.load(std::memory_order_acquire);
}
void MemTable::Iterator::SeekToLast() {
  node_ = table_->FindLast();
}
void MemTable::Iterator::Seek(std::string_view key, uint64_t trailer) {
  node_ = table_->FindGreaterOrEqual(key, trailer);
}
void MemTable::Iterator::SeekBefore(std::string_view key, uint64_t trailer) {
  node_ = table_->FindLess(key, trailer);
}
void MemTable::Iterator::Next() {
  node_ = node_->link(0).next.load(std::memory_order_acquire);
  // Neighbours in order lie far apart in memory: let the one after this come while the caller works on this one.
  if (node_ != nullptr) __builtin_prefetch(node_->link(0).next.load(std::memory_order_relaxed));
}
void MemTable::Iterator::Prev() {
  node_ = table_->FindLess(node_->key(), node_->trailer);
}

}  // namespace varve::lsm
