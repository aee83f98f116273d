// lsm/compact/plan.h - one compaction as it is planned, and what all ways of choosing one share.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lsm/options.h"
#include "lsm/version/version.h"

namespace varve::lsm {

struct PickerOptions {
  uint64_t memtable_bytes = 0;
  uint64_t table_bytes = 0;  // of the last level, at most
  bool moves = true;         // a table with nothing beneath it may go down as it is
  CompactionStyle style = CompactionStyle::kLeveled;
  SequenceNumber settled_sequence = 0;  // what level 0 holds up to it is no debt of the writers (Level0Debt)
  bool tries_unreadable = false;        // takes quarantined tables too: somebody waits to be told what is wrong
  uint64_t room_bytes = UINT64_MAX;     // on the disk for what a plan writes: no larger one is made

  // Target of a table that a compaction writes to this level: the last level's are no larger than a memtable (or 1 MiB),
  // so that level 0 is compacted in narrow columns; upper levels have smaller ones, so that they are compacted in small
  // steps. Runs of the size-tiered style, in level 0, have the full size.
  uint64_t TableBytes(int level) const;
  // What a job may read, unless the smallest step is larger. Less where there is little room.
  uint64_t JobBytes() const;
  // A flush is cut into tables of at least this size.
  uint64_t FlushPieceBytes() const;
};

struct CompactionPlan {
  int level = 0;
  int output_level = 0;
  std::vector<TableFileRef> inputs;  // of `level`; of level 0: newest first, of others: ascending
  std::vector<TableFileRef> below;   // of `output_level`
  // Of the next level in use: output tables are cut where these end, if there are any (else see KeepsBorders).
  std::vector<TableFileRef> grandparents;
  std::string smallest, largest;  // of inputs and below
  bool bottommost = false;        // nothing beneath output_level in the key range
  bool trivial_move = false;      // the inputs can become tables of the output level as they are
  bool urgent = false;            // runs inside another compaction, which waits for it
  std::string reason;
  // Set when it starts: the value-log files whose values it moves to new ones (collection.h), ascending; bytes that the
  // disk had room for, and how many of them are kept free for what it writes.
  std::vector<uint64_t> collected;
  uint64_t room_bytes = 0, reserved_bytes = 0;
  bool refused = false;  // it came to need more than there was room for

  uint64_t input_bytes() const;
  // About what its tables will take: a delete that goes to the bottom takes along what it deletes. 0: nothing is written.
  uint64_t OutputBytes() const;
  // Whether its output tables end where those of `below` did, so that columns of level 0 stay apart for good.
  bool KeepsBorders() const { return level == 0 && grandparents.empty() && !below.empty(); }
  // Of an output table: the level's target, or near it so that the last one is no crumb.
  uint64_t TableBytes(const PickerOptions& options) const;
};

// Plans that are carried out now.
using RunningPlans = std::span<const CompactionPlan* const>;

// A range of keys, both ends inclusive.
struct KeyRange {
  std::string smallest, largest;

  explicit KeyRange(const TableFile& file) : smallest(file.facts().smallest), largest(file.facts().largest) {}
  // False when `file` lay inside already.
  bool Add(const TableFile& file);
  bool Holds(const TableFile& file) const;
  bool Touches(const TableFile& file) const { return !file.EndsBefore(smallest) && !file.StartsAfter(largest); }
};
KeyRange RangeOf(std::span<const TableFileRef> files);

// Not in a job, and readable as far as is known.
inline bool IsFree(const TableFileRef& file, const PickerOptions& options) {
  return !file->being_compacted && (options.tries_unreadable || !file->quarantined);
}
// Of level 0, to `level`: what is small would stay small.
bool IsLargeEnoughToMove(const TableFile& file, const PickerOptions& options, int level);
bool AllFree(std::span<const TableFileRef> files, const PickerOptions& options);
uint64_t TotalBytes(std::span<const TableFileRef> files);

// Sorts overlapping tables into as few sorted runs of disjoint ones as there can be.
std::vector<std::vector<TableFileRef>> DisjointRuns(std::vector<TableFileRef> files);

// Fills in everything that follows from level, output_level and inputs. False when a table it needs is busy.
bool Complete(const Version& version, const PickerOptions& options, RunningPlans running, CompactionPlan* plan);

}  // namespace varve::lsm
