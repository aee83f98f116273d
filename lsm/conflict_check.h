// lsm/conflict_check.h - was a key written since? What optimistic transactions ask before they commit.
//
// Only what can hold newer sequences is looked at, as the bounds of memtables and tables tell: as a rule the active
// memtable alone. The answer is exact as long as a snapshot at `since` or older is held: compaction then keeps the
// sequences above it. One thing it forgets even so: a key that was not there at `since`, was written and was deleted
// again. That is not a change to whoever looked at `since`.
// Threads: any; the view is immutable.
#pragma once

#include <string_view>

#include "lsm/read_view.h"
#include "lsm/status.h"

namespace varve::lsm {

// True when an operation on `key`, or a range delete over it, has a sequence above `since`. May read the disk.
Result<bool> WrittenSince(const ReadView& view, std::string_view key, SequenceNumber since);

}  // namespace varve::lsm
