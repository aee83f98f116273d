#include "lsm/conflict_check.h"

#include <algorithm>

#include "lsm/format/hash.h"
#include "lsm/iter/level_iterator.h"

namespace varve::lsm {

namespace {

template <typename Tombstones>
bool Covered(const std::shared_ptr<const Tombstones>& tombstones, std::string_view key, SequenceNumber since) {
  return tombstones != nullptr && tombstones->CoveringSequence(key, kSequenceMax) > since;
}

bool WrittenIn(const MemTable& table, std::string_view key, SequenceNumber since) {
  uint64_t trailer = 0;
  std::string_view value;
  if (table.Get(key, kSequenceMax, &trailer, &value) && TrailerSequence(trailer) > since) return true;
  return Covered(table.range_tombstones(), key, since);
}

Result<bool> WrittenIn(const TableFile& file, std::string_view key, SequenceNumber since) {
  if (file.facts().largest_seq <= since || file.StartsAfter(key) || file.EndsBefore(key)) return false;
  auto table = file.Open();
  if (!table.ok()) return table.status();
  if (Covered((*table)->range_tombstones(), key, since)) return true;
  uint64_t trailer = 0;
  PinnedValue value;
  auto hit = (*table)->Get(key, HashKey(key), kSequenceMax, ReadTier{}, &trailer, &value);
  if (!hit.ok()) return hit.status();
  return *hit && TrailerSequence(trailer) > since;
}

}  // namespace

Result<bool> WrittenSince(const ReadView& view, std::string_view key, SequenceNumber since) {
  if (view.active != nullptr && WrittenIn(*view.active, key, since)) return true;
  for (const auto& table : view.sealed) {
    if (WrittenIn(*table, key, since)) return true;
  }
  for (int n = 0; n <= view.version->deepest_level(); ++n) {
    const auto& files = view.version->level(n);
    // Level 0 overlaps; a level below has at most one table with the key.
    size_t first = n == 0 ? 0 : FindFile(files, key);
    const size_t limit = n == 0 ? files.size() : std::min(first + 1, files.size());
    for (; first < limit; ++first) {
      auto written = WrittenIn(*files[first], key, since);
      if (!written.ok() || *written) return written;
    }
  }
  return false;
}

}  // namespace varve::lsm
