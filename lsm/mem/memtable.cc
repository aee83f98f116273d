// lsm/mem/memtable.cc - Contract: memtable.h.

#include "lsm/mem/memtable.h"
#include "lsm/format/prefetch.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>

namespace varve::lsm {

void MemTable::Reset() {
  arena_.Reset();
  tree_arena_.Reset();
  tree_.Reset();
  index_.Reset();
  count_.store(0, std::memory_order_relaxed);
  smallest_seq_ = 0;
  MutexLock lock(&range_mu_);
  ranges_.clear();
  stack_.reset();
  stacked_ = 0;
  stack_bytes_.store(0, std::memory_order_relaxed);
  range_bytes_.store(0, std::memory_order_relaxed);
  range_count_.store(0, std::memory_order_release);
}

void MemTable::NoteSequence(SequenceNumber seq) {
  if (smallest_seq_ == 0 || seq < smallest_seq_) smallest_seq_ = seq;
}

void MemTable::Add(SequenceNumber seq, ValueKind kind, std::string_view key, std::string_view value) {
  if (kind == ValueKind::kRangeDelete) [[unlikely]]
    return AddRangeDelete(seq, key, value);
  const Placed placed = Place(seq, kind, key, value);
  tree_.Insert(placed.entry);
  index_.Set(placed.entry, placed.hash);
}

MemTable::Placed MemTable::Place(SequenceNumber seq, ValueKind kind, std::string_view key, std::string_view value) {
  assert(kind != ValueKind::kRangeDelete);
  const uint64_t hash = KeyIndex<MemEntry>::Hash(key);
  index_.Prefetch(hash);
  char* const memory = arena_.Allocate(sizeof(MemEntry) + key.size() + value.size());
  const auto* const entry = new (memory)
      MemEntry{PackTrailer(seq, kind), static_cast<uint32_t>(key.size()), static_cast<uint32_t>(value.size())};
  char* const data = memory + sizeof(MemEntry);
  if (!key.empty()) std::memcpy(data, key.data(), key.size());
  if (!value.empty()) std::memcpy(data + key.size(), value.data(), value.size());
  NoteSequence(seq);
  count_.store(count() + 1, std::memory_order_relaxed);
  return {entry, hash};
}

void MemTable::Index(std::span<const Placed> placed) {
  for (const Placed& version : placed) index_.Set(version.entry, version.hash);
}

void MemTable::Link(std::span<const Placed> placed) {
  constexpr size_t kTogether = VersionTree::kTogether;
  if (placed.size() == 1) return tree_.Insert(placed[0].entry);
  const MemEntry* entries[kTogether];
  for (size_t done = 0; done < placed.size(); done += kTogether) {
    const size_t count = std::min(kTogether, placed.size() - done);
    for (size_t i = 0; i < count; ++i) entries[i] = placed[done + i].entry;
    for (size_t i = done + count; i < std::min(done + count + kTogether, placed.size()); ++i) {
      PrefetchLine(placed[i].entry);  // another core wrote them
    }
    tree_.InsertTogether({entries, count});
  }
}

void MemTable::AddRangeDelete(SequenceNumber seq, std::string_view begin, std::string_view end) {
  if (begin >= end) return;
  NoteSequence(seq);
  MutexLock lock(&range_mu_);
  ranges_.push_back({std::string(begin), std::string(end), seq});
  const size_t bytes = sizeof(RangeTombstone) + begin.size() + end.size();
  range_bytes_.store(range_bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  range_count_.store(ranges_.size(), std::memory_order_release);
}

std::shared_ptr<const RangeTombstoneStack> MemTable::range_tombstones() const {
  if (range_count_.load(std::memory_order_acquire) == 0) return nullptr;
  MutexLock lock(&range_mu_);
  if (stacked_ < ranges_.size()) {
    std::vector<RangeTombstone> more(ranges_.begin() + static_cast<std::ptrdiff_t>(stacked_), ranges_.end());
    const RangeTombstoneStack none;
    stack_ = std::make_shared<const RangeTombstoneStack>((stack_ ? *stack_ : none).With(std::move(more)));
    stacked_ = ranges_.size();
    stack_bytes_.store(stack_->memory_bytes(), std::memory_order_relaxed);
  }
  return stack_;
}

std::vector<RangeTombstone> MemTable::plain_range_tombstones() const {
  MutexLock lock(&range_mu_);
  return ranges_;
}

// The newest version of `key` whose trailer is at most `trailer`, or null.
const MemEntry* MemTable::FindVersion(std::string_view key, uint64_t trailer) const {
  const MemEntry* const newest = index_.Find(key, KeyIndex<MemEntry>::Hash(key));
  if (newest == nullptr || newest->trailer <= trailer) return newest;
  VersionTree::Cursor cursor(&tree_);
  cursor.Seek(key, trailer);
  return cursor.entry() != nullptr && cursor.entry()->key() == key ? cursor.entry() : nullptr;
}

bool MemTable::Get(std::string_view key, SequenceNumber snapshot, uint64_t* trailer, std::string_view* value) const {
  const MemEntry* const entry = FindVersion(key, MaxTrailer(snapshot));
  if (entry == nullptr) return false;
  *trailer = entry->trailer;
  *value = entry->value();
  return true;
}

}  // namespace varve::lsm
