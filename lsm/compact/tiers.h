// lsm/compact/tiers.h - the other two compaction styles: size-tiered and FIFO.
//
// Size-tiered writes less and keeps more: sorted runs of similar size are merged with each other, four or more at a
// time, into one run that stays in level 0; only when level 0 has come to hold as much as the last level, its oldest
// columns are merged into that. So each byte is written once per power of four instead of once per overlapping byte of
// the next level, reads look into more runs, and up to half of the space is stale.
//
// A run is a set of tables of level 0 that are disjoint in keys. Runs are slices of time: no table of one run has a
// sequence between those of another, so merging neighbouring runs keeps W2. Whatever other levels hold (from when the
// database was leveled) drains into the last one first.
//
// FIFO merges nothing: tables are given up whole, the oldest first, when all together are larger than asked for, or
// when a table was written longer ago than asked for. Deeper levels, where there are any, are older than level 0.
// Threads and purity as in picker.h.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lsm/compact/plan.h"

namespace varve::lsm {

// Neighbouring runs of similar size that make one; none when there are not enough.
std::optional<CompactionPlan> PickTier(const Version& version, const PickerOptions& options, RunningPlans running);
// Whether level 0 is to give some of its columns to the last level.
bool TiersOverflow(const Version& version);
// Sublevels that this style leaves in level 0 at its leisure: the write controller does not count them.
inline constexpr size_t kTierSublevels = 12;

struct Retention {
  uint64_t bytes_max = 0;  // of all tables together, with their values that lie apart; 0: any
  int64_t age_max_ms = 0;  // since a table was written; 0: any
};
// What a FIFO database gives up now.
std::vector<VersionEdit::Added> FindRetired(const Version& version, const Retention& retention, int64_t now_ms);
// When the next table will be too old; kNever when none will.
inline constexpr int64_t kNever = INT64_MAX;
int64_t NextRetirement(const Version& version, const Retention& retention);

}  // namespace varve::lsm
