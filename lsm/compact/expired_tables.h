// lsm/compact/expired_tables.h - tables that can go without being read, because all their values have expired.
//
// An expired value still hides older versions of its key, so a table goes only when nothing that may be older overlaps
// it: no table of a deeper level, and in level 0 no older one. What lies above needs it no more than a reader does. It
// stays while a snapshot is older than what it holds: a transaction that began there asks whether a key was written since.
// Pure functions of a version and a time. Threads: any, under the database's mutex.
#pragma once

#include <cstdint>
#include <vector>

#include "lsm/version/version.h"

namespace varve::lsm {

// Those of the deepest level that has some; the ones over them follow once they are gone.
std::vector<VersionEdit::Added> FindExpiredTables(const Version& version, int64_t now_ms,
                                                  SequenceNumber oldest_snapshot);
// When the next table expires that has not yet; INT64_MAX when none will.
int64_t NextTableExpiry(const Version& version, int64_t now_ms);

}  // namespace varve::lsm
