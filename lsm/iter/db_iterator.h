// lsm/iter/db_iterator.h - what the user's iterator does: of all versions in the merge, the newest visible one of each
// live key.
//
// Visible: sequence <= snapshot, or one of the first `batch_count` operations of an uncommitted batch. A visible range
// tombstone of a higher sequence hides a version. What the versions left say: value_rules.h.
//
// Forward, the merge stands on the version shown when that is a put; of every other kind the value is copied aside while
// the merge moves on behind the versions it took. Backward, versions of a key come oldest first, so the newest visible
// one is copied aside while the merge moves on to the key before: there the merge stands below the key shown. Changing
// direction seeks again. A value that lies in a value-log file is read when it is asked for, or when operands are laid on
// it; in the first case, if that fails, value() is empty, status() says why, and the next step ends the walk. Long runs
// of hidden versions of one key, and of keys under one range tombstone, are jumped.
// Threads: one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/iter/merge_iterator.h"
#include "lsm/iter/value_rules.h"
#include "lsm/pinned_value.h"
#include "lsm/status.h"
#include "lsm/vlog/value_log_file.h"

namespace varve::lsm {

// The range tombstones one iterator can see: disjoint, ascending, the newest visible sequence of each.
class VisibleTombstones {
 public:
  struct Fragment {
    std::string begin, end;
    SequenceNumber seq;
  };
  VisibleTombstones() = default;
  // Takes those that are visible; `tombstones` may overlap.
  static VisibleTombstones Build(std::vector<RangeTombstone> tombstones);

  bool empty() const { return fragments_.empty(); }
  // The fragment that covers `key`, or null. Remembers its place: neighbouring keys cost one or two comparisons.
  const Fragment* Find(std::string_view key);

 private:
  std::vector<Fragment> fragments_;
  size_t place_ = 0;
};

class DbIterator {
 public:
  struct Setup {
    std::vector<MergeSource> sources;
    VisibleTombstones tombstones;
    ValueRules rules;
    SequenceNumber snapshot = 0;
    SequenceNumber batch_count = 0;
    std::string lower_bound, upper_bound;
    const ValueLogFiles* value_logs = nullptr;  // lives as long as the pin
    bool fill_cache = true;
    std::shared_ptr<const void> pin;  // keeps memtables and tables alive
  };
  explicit DbIterator(Setup setup);

  bool Valid() const { return valid_; }
  std::string_view key() const { return in_place_ ? merge_.key() : std::string_view(shown_key_); }
  std::string_view value() const {
    const uint64_t trailer = in_place_ ? merge_.trailer() : shown_trailer_;
    const std::string_view value = in_place_ ? merge_.value() : std::string_view(shown_value_);
    if (TrailerKind(trailer) == ValueKind::kValuePointer) [[unlikely]]
      return PointedValue(value);
    return value;
  }
  uint64_t expire_at_ms() const { return in_place_ ? 0 : shown_expire_at_ms_; }
  Status status() const {
    if (!status_.ok()) return status_;
    return value_status_.ok() ? merge_.status() : value_status_;
  }

  void SeekToFirst();
  void SeekToLast();
  void Seek(std::string_view key);
  void SeekForPrev(std::string_view key);
  void Next();
  void Prev();
  bool TrySeek(std::string_view key);
  bool TryNext();
  void Resume();

 private:
  bool Visible(uint64_t trailer) const {
    SequenceNumber seq = TrailerSequence(trailer);
    return seq <= snapshot_ || (seq > kBatchSequenceBase && seq <= batch_limit_);
  }
  bool PastUpper(std::string_view key) const { return !upper_bound_.empty() && key >= std::string_view(upper_bound_); }
  // Forward: from the merge's position to the first version to show. With `skip_key`, versions of skip_key_ are passed
  // over.
  void FindForward(bool skip_key);
  // Backward: from the merge's position to the next smaller live key, copied to shown_*.
  void FindBackward();
  // Forward, from a version that is no plain put: copies what it and the older ones say to shown_*; true when the key is
  // live. The merge then stands behind what was looked at.
  bool TakeKeyForward();
  // Backward: walks all versions of the key under the merge; true when the key is live.
  bool TakeKeyBackward();
  // Of a pointer; remembered, since it may be asked for twice.
  std::string_view PointedValue(std::string_view pointer) const;
  Status ReadPointed(std::string_view pointer) const;
  void SetMemoryOnly(bool memory_only);
  // Ends the walk with an error.
  void Fail(Status status);
  // Shows `value`, a part of what is under the merge.
  void ShowCopy(std::string_view value);
  // Lays operands_ on shown_value_, if `has_base`; false on an error.
  bool MergeShown(bool has_base, OperandOrder order);

  std::shared_ptr<const void> pin_;  // first: destroyed last
  MergeIterator merge_;
  VisibleTombstones tombstones_;
  const ValueRules rules_;
  const SequenceNumber snapshot_;
  const SequenceNumber batch_limit_;
  const std::string lower_bound_, upper_bound_;
  bool valid_ = false;
  bool forward_ = true;
  bool resume_behind_ = false;  // Resume: to behind the versions of resume_key_, else to the key itself
  std::string resume_key_;
  bool in_place_ = false;  // key and value are those under the merge; else shown_*
  std::string skip_key_;
  std::string shown_key_, shown_value_;
  uint64_t shown_trailer_ = 0;
  uint64_t shown_expire_at_ms_ = 0;

  const ValueLogFiles* const value_logs_;
  ReadTier value_tier_;
  mutable std::string pointer_;  // of pointed_value_
  mutable PinnedValue pointed_value_;
  mutable Status value_status_;
  std::vector<std::string> operands_;  // of the key being taken
  Status status_;
};

}  // namespace varve::lsm
