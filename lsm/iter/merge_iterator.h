// lsm/iter/merge_iterator.h - several sorted sources as one, in CompareVersions order, both ways.
//
// The sources (memtables, tables, levels) stand in an array ordered by their current version: the first is the winner,
// the second the runner-up. A step moves the winner and compares it with the runner-up only, by eight-byte prefix
// first: while one source stays ahead, a row costs one integer comparison. A source that falls back is shifted to its
// place (there are few sources). No virtual calls. Batch entries (writes not yet committed) carry sequences above every
// committed one: kBatchSequenceBase. The sources' memory is pinned by whoever made the iterator. Threads: one thread at
// a time.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "lsm/iter/level_iterator.h"
#include "lsm/mem/memtable.h"
#include "lsm/table/table.h"

namespace varve::lsm {

// The i-th operation of an uncommitted batch (from 0) reads as sequence kBatchSequenceBase + i + 1.
inline constexpr SequenceNumber kBatchSequenceBase = SequenceNumber{1} << 55;

class MergeSource {
 public:
  // `added_sequence` is added to every sequence (kBatchSequenceBase for a batch, else 0). `largest_seq` bounds them.
  MergeSource(MemTable::Iterator it, SequenceNumber added_sequence, SequenceNumber largest_seq)
      : it_(std::in_place_type<MemTable::Iterator>, it), added_(added_sequence << 8), largest_seq_(largest_seq) {}
  MergeSource(TableIterator it, SequenceNumber largest_seq)
      : it_(std::in_place_type<TableIterator>, std::move(it)), largest_seq_(largest_seq) {}
  explicit MergeSource(LevelIterator it) : it_(std::in_place_type<LevelIterator>, std::move(it)) {}

  bool valid() const { return valid_; }
  std::string_view key() const { return key_; }
  uint64_t prefix() const { return prefix_; }
  uint64_t trailer() const { return trailer_; }
  std::string_view value() const;
  Status status() const;

  void SeekToFirst();
  void SeekToLast();
  // The steps of a seek to the first version >= (key, trailer): as a TableIterator's.
  void AimAt(std::string_view key, uint64_t trailer);
  void Approach();
  void Fetch();
  void Land(std::string_view key, uint64_t trailer);
  void SeekBefore(std::string_view key, uint64_t trailer);
  void Next();
  void Prev();
  void SetMemoryOnly(bool memory_only);
  // Past what a tombstone of sequence `covered` hides up to `end` (from `begin` on): see LevelIterator. At least one
  // step.
  void SkipForward(std::string_view end, SequenceNumber covered);
  void SkipBackward(std::string_view begin, SequenceNumber covered);

 private:
  template <typename Call>
  void Apply(Call&& call);  // runs `call` on the concrete iterator, then caches its position
  template <typename Call>
  void OnTables(Call&& call);  // unless it is a memtable's

  std::variant<MemTable::Iterator, TableIterator, LevelIterator> it_;
  uint64_t added_ = 0;  // to trailers
  SequenceNumber largest_seq_ = kSequenceMax;
  bool valid_ = false;
  std::string_view key_;
  uint64_t prefix_ = 0;
  uint64_t trailer_ = 0;
};

class MergeIterator {
 public:
  explicit MergeIterator(std::vector<MergeSource> sources);
  MergeIterator(MergeIterator&&) noexcept = default;

  bool Valid() const { return winner_ != nullptr; }
  std::string_view key() const { return winner_->key(); }
  uint64_t trailer() const { return winner_->trailer(); }
  std::string_view value() const { return winner_->value(); }
  // The first error of a source. An error ends the walk: Valid() is false.
  Status status() const;

  void SeekToFirst();
  void SeekToLast();
  void Seek(std::string_view key, uint64_t trailer);
  void SeekBefore(std::string_view key, uint64_t trailer);  // last version < (key, trailer); then Prev() goes on
  // Require Valid() and the direction of the last Seek: after SeekToLast or SeekBefore only Prev, after the others only
  // Next.
  void Next();
  void Prev();
  // Moves every source past what a tombstone hides; the position may still be hidden. At least one step.
  void SkipForward(std::string_view end, SequenceNumber covered);
  void SkipBackward(std::string_view begin, SequenceNumber covered);
  // While set, a step that needs the disk is an error, kWouldBlock; after it, seek.
  void SetMemoryOnly(bool memory_only) {
    for (MergeSource& source : sources_) source.SetMemoryOnly(memory_only);
  }

 private:
  template <bool kForward>
  static bool Before(const MergeSource& a, const MergeSource& b);
  template <bool kForward>
  void Rebuild();
  template <bool kForward>
  void Reorder();  // after the winner moved
  void Fail();

  std::vector<MergeSource> sources_;
  std::vector<MergeSource*> order_;  // valid sources, winner first
  MergeSource* winner_ = nullptr;
  bool failed_ = false;
};

}  // namespace varve::lsm
