#include "lsm/compact/expired_tables.h"

#include <algorithm>

#include "lsm/iter/value_rules.h"

namespace varve::lsm {

namespace {

// Whether an older version of a key in `file`, table `index` of level n, may lie in another table.
bool HidesOlder(const Version& version, int n, size_t index) {
  const TableFacts& facts = version.level(n)[index]->facts();
  for (size_t i = index + 1; n == 0 && i < version.level(0).size(); ++i) {
    const TableFile& older = *version.level(0)[i];
    if (!older.EndsBefore(facts.smallest) && !older.StartsAfter(facts.largest)) return true;
  }
  for (int below = n + 1; below < kLevels; ++below) {
    if (version.AnyOverlap(below, facts.smallest, facts.largest)) return true;
  }
  return false;
}

}  // namespace

std::vector<VersionEdit::Added> FindExpiredTables(const Version& version, int64_t now_ms,
                                                  SequenceNumber oldest_snapshot) {
  std::vector<VersionEdit::Added> expired;
  if (version.earliest_expiry_ms() == 0 || !ExpiredAt(version.earliest_expiry_ms(), now_ms)) return expired;
  for (int n = kLevels - 1; n >= 0 && expired.empty(); --n) {
    for (size_t i = 0; i < version.level(n).size(); ++i) {
      const TableFileRef& file = version.level(n)[i];
      const TableFacts& facts = file->facts();
      if (facts.expires_ms == 0 || !ExpiredAt(facts.expires_ms, now_ms) || facts.largest_seq > oldest_snapshot)
        continue;
      if (!file->being_compacted && !HidesOlder(version, n, i)) expired.push_back({n, file});
    }
  }
  return expired;
}

int64_t NextTableExpiry(const Version& version, int64_t now_ms) {
  uint64_t next_ms = INT64_MAX;
  if (version.earliest_expiry_ms() == 0) return INT64_MAX;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : version.level(n)) {
      const uint64_t expires_ms = file->facts().expires_ms;
      if (expires_ms != 0 && !ExpiredAt(expires_ms, now_ms)) next_ms = std::min(next_ms, expires_ms);
    }
  }
  return static_cast<int64_t>(next_ms);
}

}  // namespace varve::lsm
