// lsm/compact/picker.h - which tables to compact next. What follows is the leveled style; the others: tiers.h.
//
// Level sizes follow the data: the deepest level sets the scale, each level above is a tenth of the one below, and
// levels whose share would be smaller than a few memtables stay empty: level 0 flows straight into the base level. So
// at most about a tenth of the data is stale copies, whatever the size of the database.
//
// Level 0 is a stack of sublevels (version.h). It is compacted in columns: one table of the oldest sublevel, what lies
// beneath it in the base level, and every table above that fits into their key range. Flushes are cut where tables of
// the base level end, so columns stay apart: a compaction of one leaves its outer borders where they were. One column is
// compacted after the other, the deepest first, so while one is at its deepest another is empty, and level 0 is half as
// large as its depth says. What makes a column sound is one rule: with a table goes every older table of level 0 that it
// overlaps. (Splitting level 0 into intervals with a count for each, as others do, finds better columns where ranges are
// ragged, for five times the code.)
//
// Below level 0 the tables go first that have the least beneath them per byte, together with their neighbours that need
// no further table from below. A job is bounded in bytes; tables with nothing beneath them move by an edit of the
// manifest.
//
// Order: the score of level 0 is the largest of its sublevels over four, its bytes over four memtables and its tables
// over 512, counted twice; of the others, bytes over target. The highest first.
// Pure functions of a version and of the jobs that run; the caller marks the tables. Threads: any, under the database's
// mutex (being_compacted).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lsm/compact/plan.h"

namespace varve::lsm {

struct LevelTargets {
  int base_level = kLevels - 1;           // where level 0 goes
  std::array<uint64_t, kLevels> bytes{};  // target of each level >= base_level
};

// Sublevels of level 0 at which it is compacted, writers are slowed, and writers wait.
inline constexpr size_t kLevel0Compact = 4;
inline constexpr size_t kLevel0Slow = 16;
inline constexpr size_t kLevel0Stop = 28;
// Of level 0, about: so many small tables a flush makes at most.
inline constexpr size_t kColumns = 128;

LevelTargets ComputeTargets(const Version& version, const PickerOptions& options);
// The most urgent compaction whose tables are all free, or none.
std::optional<CompactionPlan> PickCompaction(const Version& version, const PickerOptions& options,
                                             RunningPlans running);
// The same, but nothing below level 0, and nothing that reads more: what a deeper compaction, or a larger merge of
// tiers, lets pass before it.
std::optional<CompactionPlan> PickUrgent(const Version& version, const PickerOptions& options, RunningPlans running,
                                         uint64_t bytes_max);

// A table that is mostly tombstones, or has range tombstones, though no level is over its size: those in levels >= 1 with
// little beneath them at any time, the others when the database is `idle`. Never one whose tombstones would have to be
// kept because a snapshot older than `oldest_snapshot` needs them.
std::optional<CompactionPlan> PickReclaim(const Version& version, const PickerOptions& options, RunningPlans running,
                                          SequenceNumber oldest_snapshot, bool idle);
// Whether there is any such table.
bool AnyReclaimable(const Version& version);

// Compacting [begin, end] (empty: unbounded) down to the deepest level in use, in steps of bounded size.
struct RangeProgress {
  std::string begin, end;
  SequenceNumber up_to = kSequenceMax;  // tables of level 0 that hold newer sequences are left alone
  int level = 0;                        // where the next step is looked for
  std::string after;                    // levels >= 1: tables up to this key were done
  bool passed_any = false;              // `after` holds
};
// The next step; none when all is done, or (*busy) when its tables are taken or there is no room for what it writes.
// Quarantined ones are tried again.
std::optional<CompactionPlan> PickRange(const Version& version, const PickerOptions& options, RunningPlans running,
                                        RangeProgress* progress, bool* busy);

// Rewrites one table where it lies; none when it is busy.
std::optional<CompactionPlan> PickRewrite(const Version& version, const PickerOptions& options, RunningPlans running,
                                          int level, const TableFileRef& file, std::string reason);

// What the write controller goes by: sublevels of level 0, or what they would be if every flush made one, but for small
// ones. At kLevel0Slow writers are slowed. Only what writers can have done counts: a table is worth one flush at most,
// ingested ones are worth their sublevels, and what was there before (options.settled_sequence) nothing.
size_t Level0Debt(const Version& version, const PickerOptions& options);

// The level whose filters a flush of these keys is to have: one that meets no table and is not small moves out of level 0
// as it is.
int SettlingLevel(const Version& version, const PickerOptions& options, std::string_view smallest,
                  std::string_view largest);

// Where a flush is cut: where these tables end (see above). At most about kColumns of them.
std::vector<TableFileRef> FlushGuides(const Version& version, const PickerOptions& options);

}  // namespace varve::lsm
