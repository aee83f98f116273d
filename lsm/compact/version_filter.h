// lsm/compact/version_filter.h - which versions a flush or a compaction may leave out.
//
// Fed with versions in CompareVersions order. A snapshot p sees the newest version with sequence <= p, so between two
// neighbouring snapshots only the newest version of a key matters, and those that it is merged onto:
// F1  a version is dropped when a newer version of its key, no merge, exists that every snapshot that could see it sees
//     as well;
// F2  a version is dropped when a range tombstone hides it from every snapshot that could see it;
// F3  a delete is dropped when nothing older can lie beneath the output and no snapshot is older than it;
// F4  under the same conditions any other version but a merge loses its sequence (it becomes 0), which its block need
//     not store.
// Threads: one thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lsm/format/internal_key.h"
#include "lsm/format/range_tombstones.h"

namespace varve::lsm {

class VersionFilter {
 public:
  // `snapshots` ascend. `bottommost`: nothing older than the inputs lies beneath the output in their key range.
  // `tombstones`: all of the inputs' range tombstones; outlives the filter.
  VersionFilter(std::vector<SequenceNumber> snapshots, const RangeTombstones* tombstones, bool bottommost);

  // True when the version is to be kept; `*trailer` may be changed to what is to be written.
  bool Keep(std::string_view key, uint64_t* trailer);
  // The oldest snapshot that sees sequence `seq`; kSequenceMax when only readers to come do.
  SequenceNumber OldestSeeing(SequenceNumber seq) const;
  // F3 and F4, for a version that is to be kept otherwise. False: it may be left out.
  bool Finish(uint64_t* trailer) const;
  // Nothing older than the inputs lies beneath.
  bool bottommost() const { return bottommost_; }
  // Whether a range tombstone of this sequence must be written to the output.
  bool KeepRangeTombstone(SequenceNumber seq) const;

 private:
  static constexpr SequenceNumber kUnsettled = kSequenceMax + 1;

  bool HiddenByRange(std::string_view key, SequenceNumber seq, SequenceNumber seen_from);

  const std::vector<SequenceNumber> snapshots_;
  const RangeTombstones* const tombstones_;
  const bool bottommost_;
  std::string key_;  // of the version before
  bool has_key_ = false;
  SequenceNumber settled_from_ = 0;  // OldestSeeing of the last version of key_ that was no merge; kUnsettled: none
  size_t fragment_ = 0;              // first fragment that ends behind the current key
};

}  // namespace varve::lsm
