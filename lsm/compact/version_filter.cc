#include "lsm/compact/version_filter.h"

#include <algorithm>
#include <utility>

namespace varve::lsm {

VersionFilter::VersionFilter(std::vector<SequenceNumber> snapshots, const RangeTombstones* tombstones, bool bottommost)
    : snapshots_(std::move(snapshots)), tombstones_(tombstones), bottommost_(bottommost) {}

SequenceNumber VersionFilter::OldestSeeing(SequenceNumber seq) const {
  if (snapshots_.empty()) [[likely]]
    return kSequenceMax;
  auto it = std::lower_bound(snapshots_.begin(), snapshots_.end(), seq);
  return it == snapshots_.end() ? kSequenceMax : *it;
}

bool VersionFilter::HiddenByRange(std::string_view key, SequenceNumber seq, SequenceNumber seen_from) {
  const auto& fragments = tombstones_->fragments();
  while (fragment_ < fragments.size() && std::string_view(fragments[fragment_].end) <= key) ++fragment_;
  if (fragment_ == fragments.size() || std::string_view(fragments[fragment_].begin) > key) return false;
  // Sequences descend: the smallest one above `seq` hides most. It must be seen by the oldest snapshot that sees `seq`.
  SequenceNumber hiding = 0;
  for (SequenceNumber s : fragments[fragment_].seqs) {
    if (s <= seq) break;
    hiding = s;
  }
  return hiding != 0 && hiding <= seen_from;
}

bool VersionFilter::Keep(std::string_view key, uint64_t* trailer) {
  const SequenceNumber seq = TrailerSequence(*trailer);
  const SequenceNumber seen_from = OldestSeeing(seq);
  if (has_key_ && key == std::string_view(key_)) {
    if (settled_from_ == seen_from) return false;  // F1
  } else {
    key_.assign(key);
    has_key_ = true;
    settled_from_ = kUnsettled;
  }
  if (!tombstones_->empty() && HiddenByRange(key, seq, seen_from)) {  // F2, and what is older is hidden as well
    settled_from_ = seen_from;
    return false;
  }
  if (TrailerKind(*trailer) == ValueKind::kMerge) [[unlikely]]
    return true;
  settled_from_ = seen_from;
  return Finish(trailer);
}

bool VersionFilter::Finish(uint64_t* trailer) const {
  const SequenceNumber seq = TrailerSequence(*trailer);
  const bool oldest = bottommost_ && (snapshots_.empty() || seq <= snapshots_.front());
  if (!oldest) return true;
  if (TrailerKind(*trailer) == ValueKind::kDelete) return false;  // F3
  *trailer = PackTrailer(0, TrailerKind(*trailer));               // F4
  return true;
}

bool VersionFilter::KeepRangeTombstone(SequenceNumber seq) const {
  return !bottommost_ || (!snapshots_.empty() && seq > snapshots_.front());
}

}  // namespace varve::lsm
