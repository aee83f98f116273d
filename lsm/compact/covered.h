// lsm/compact/covered.h - tables that range tombstones hide from every reader: they are given up without being read.
//
// A table is covered when each key of its range lies under a range tombstone that is newer than all the table holds and
// that every snapshot sees which sees anything of the table. What the table's own tombstones hid lies under the same
// ones. Tombstones of any table may join to cover it: sequences tell which lies above. Pure; any thread.
#pragma once

#include <span>
#include <vector>

#include "lsm/format/range_tombstones.h"
#include "lsm/version/version.h"

namespace varve::lsm {

struct CoveredTables {
  std::vector<VersionEdit::Added> tables;
  SequenceNumber held_below = 0;  // more will be covered once snapshots below this are released; 0: none
};

// `snapshots` ascend; none may be taken later that is older than the newest of `tombstones`.
CoveredTables FindCovered(const Version& version, const RangeTombstones& tombstones,
                          std::span<const SequenceNumber> snapshots);

}  // namespace varve::lsm
