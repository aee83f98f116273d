// lsm/iter/level_iterator.h - one sorted run of disjoint tables, walked as if it were one table.
//
// Tables are opened when the walk reaches them. Order and calls as TableIterator. SkipForward and SkipBackward jump
// over what a range tombstone hides: tables that hold nothing newer than the tombstone are left out without being read.
// The run (a level of a version) is pinned by whoever made the iterator. Threads: one thread at a time.
#pragma once

#include <span>

#include "lsm/table/table_file.h"

namespace varve::lsm {

class LevelIterator {
 public:
  // `files` ascend and are disjoint; they outlive the iterator.
  LevelIterator(std::span<const TableFileRef> files, ReadTier tier) : files_(files), tier_(tier) {}

  bool Valid() const { return table_iter_.Valid(); }
  std::string_view key() const { return table_iter_.key(); }
  uint64_t trailer() const { return table_iter_.trailer(); }
  std::string_view value() const { return table_iter_.value(); }
  const Status& status() const { return status_; }
  void SetMemoryOnly(bool memory_only) {
    tier_.memory_only = memory_only;
    table_iter_.SetMemoryOnly(memory_only);
  }

  // Positioning anew forgets an earlier error.
  void SeekToFirst();
  void SeekToLast();
  void Seek(std::string_view key, uint64_t trailer) {
    AimAt(key, trailer);
    Land(key, trailer);
  }
  // The steps of Seek: as a TableIterator's.
  void AimAt(std::string_view key, uint64_t trailer);
  void Approach() const {
    if (table_iter_.has_table()) table_iter_.Approach();
  }
  void Fetch() {
    if (table_iter_.has_table()) table_iter_.Fetch();
  }
  void Land(std::string_view key, uint64_t trailer);
  void SeekBefore(std::string_view key, uint64_t trailer);
  void Next() {
    table_iter_.Next();
    if (!table_iter_.Valid()) [[unlikely]]
      SkipEmptyForward();
  }
  void Prev() {
    table_iter_.Prev();
    if (!table_iter_.Valid()) [[unlikely]]
      SkipEmptyBackward();
  }
  // Requires Valid(). Moves past versions that lie in [.., end) and are not newer than `covered`, as far as that is
  // cheap; always moves by at least one version. The result may still be covered.
  void SkipForward(std::string_view end, SequenceNumber covered);
  // The same towards smaller keys: past versions in [begin, ..).
  void SkipBackward(std::string_view begin, SequenceNumber covered);

 private:
  bool OpenTable(size_t index);  // false when there is no such table, or on an error
  void SkipEmptyForward();
  void SkipEmptyBackward();
  void Invalidate();

  std::span<const TableFileRef> files_;
  ReadTier tier_;
  size_t index_ = 0;  // of the table under table_iter_
  TableIterator table_iter_;
  Status status_;
};

// Index of the first of `files` (ascending, disjoint) that does not end before `key`; files.size() when there is none.
size_t FindFile(std::span<const TableFileRef> files, std::string_view key);

}  // namespace varve::lsm
