// lsm/compact/collection.h - how the garbage of value-log files is got rid of.
//
// A record is garbage when no table of the version refers to it. A file without any live record goes with the edit that
// took the last one away (W4). Others are emptied: when garbage is more than a quarter of all records, the files with the
// largest share of it, oldest first among equals, are to be collected, just enough of them to be below that again.
// Every compaction that meets pointers into them moves those values to a file of its own; and tables that refer to them
// are rewritten where they lie, even when the levels are in shape.
//
// Beyond kGarbageUrgent this goes before any other compaction and writers are slowed, at kGarbageStop they wait. So the
// records of these files together take at most 1.5 times the live ones and a few memtables: kCollectionSlack of them,
// which one compaction of level 0 can turn into garbage at once, and those being flushed. (On the disk there may be
// more: what a running compaction copies is there twice until it ends, and readers keep the files of their version.)
// A file with a value that cannot be read, or to which a table refers that cannot be read, cannot be emptied and is left
// out of all this; so is a whole FIFO database, which gives up tables and never rewrites any.
// "Live" counts what tables refer to: versions that a compaction will drop are live until it does (the levels bound
// them, as without value logs). Pure functions of a version. Threads: any, under the database's mutex.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lsm/compact/picker.h"
#include "lsm/version/version.h"

namespace varve::lsm {

// Shares of all records, beyond the slack.
inline constexpr double kGarbageDue = 0.25;
inline constexpr double kGarbageUrgent = 0.29;
inline constexpr double kGarbageStop = 0.33;
// Garbage so small is left alone, whatever its share. In memtables.
inline constexpr uint64_t kCollectionSlack = kLevel0Compact;

// Garbage beyond the slack as a share of all records: 0 to 1.
double GarbageShare(const Version& version, const PickerOptions& options);
// Numbers of the files to be emptied, ascending; none while the share is below kGarbageDue, and no more than there is
// room for their live values.
std::vector<uint64_t> FilesToCollect(const Version& version, const PickerOptions& options);
// Rewrites the free table that refers to most of FilesToCollect; none when there is none.
std::optional<CompactionPlan> PickCollection(const Version& version, const PickerOptions& options,
                                             RunningPlans running);

}  // namespace varve::lsm
