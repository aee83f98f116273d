// lsm/version/version.h - which tables make up the database at one moment.
//
// Level 0 holds flushed memtables, newest first; they may overlap. Readers see it as a stack of sublevels, each a sorted
// run of disjoint tables: a table lies one above the highest older table that it overlaps, so a point read looks into at
// most one table of each sublevel, however many tables level 0 has. Sublevels follow from the tables; they are not
// written to the manifest. Levels 1 and up are sorted runs of disjoint tables. Value-log files stand beside the levels:
// the pointers in the tables lead there.
// W1  In levels >= 1 tables ascend and are disjoint in user keys.   W2  Tables of level 0 that overlap in user keys are
// disjoint in sequences. W3  For one user key, nothing newer lies below anything older.
// W4  Every value-log file that a table refers to is there and has room for it all; one that none refers to is not there.
// W1, W2 and W4 are checked whenever a version is made; W3 is what the pickers see to (sequences alone cannot show it).
// Immutable; shared by readers; a file lives as long as a version (or an iterator) holds it.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/table/table_file.h"
#include "lsm/version/version_edit.h"

namespace varve::lsm {

inline constexpr int kLevels = 7;

class Version {
 public:
  Version() = default;  // no tables
  // `base` with the edit applied. kCorruption when the edit does not fit (removes what is not there, breaks W1, W2, W4).
  static Result<std::shared_ptr<const Version>> Apply(const Version& base, const VersionEdit& edit,
                                                      std::string_view source);

  const std::vector<TableFileRef>& level(int n) const { return levels_[static_cast<size_t>(n)]; }
  uint64_t level_bytes(int n) const { return level_bytes_[static_cast<size_t>(n)]; }
  uint64_t level_entries(int n) const { return level_entries_[static_cast<size_t>(n)]; }
  // Of level 0, oldest first; each ascends and is disjoint.
  const std::vector<std::vector<TableFileRef>>& sublevels() const { return sublevels_; }
  // Tables with range tombstones; usually none.
  const std::vector<TableFileRef>& with_range_tombstones() const { return with_range_tombstones_; }
  int deepest_level() const { return deepest_level_; }  // -1: no tables
  const ValueLogFiles& value_logs() const { return value_logs_; }
  // Bytes of value_logs()[i] that tables refer to; the rest is garbage.
  uint64_t value_log_live(size_t i) const { return value_log_live_[i]; }
  uint64_t value_log_bytes() const { return value_log_bytes_; }  // of records, over all files
  uint64_t value_log_live_bytes() const { return value_log_live_bytes_; }
  uint64_t largest_table_bytes() const { return largest_table_bytes_; }
  uint64_t earliest_expiry_ms() const { return earliest_expiry_ms_; }  // of a whole table; 0: none will expire
  // Tables of level n >= 1 that touch [smallest, largest], both inclusive.
  std::span<const TableFileRef> Overlap(int n, std::string_view smallest, std::string_view largest) const;
  bool AnyOverlap(int n, std::string_view smallest, std::string_view largest) const;
  // One edit that makes this version out of nothing.
  VersionEdit Snapshot() const;
  // Lines that name what breaks W1, W2 or W4, one for each level at most; empty when sound.
  std::vector<std::string> CheckInvariants() const;

 private:
  friend class VersionBuilder;
  // Fills in what follows from levels_ and value_logs_.
  void Finish();
  void BuildSublevels();
  void CountReferences();
  // Names what breaks W1 (of level 0: W2) there; empty when sound.
  std::string CheckLevel(size_t n) const;

  std::array<std::vector<TableFileRef>, kLevels> levels_;
  std::array<uint64_t, kLevels> level_bytes_{}, level_entries_{};
  std::vector<std::vector<TableFileRef>> sublevels_;
  std::vector<TableFileRef> with_range_tombstones_;
  ValueLogFiles value_logs_;
  std::vector<uint64_t> value_log_live_;  // parallel to value_logs_
  uint64_t value_log_bytes_ = 0, value_log_live_bytes_ = 0;
  std::string dangling_;  // what breaks W4; empty: nothing
  int deepest_level_ = -1;
  uint64_t earliest_expiry_ms_ = 0, largest_table_bytes_ = 0;
};

// Any number of edits, one version: a manifest is read for the price of sorting, counting and checking once.
class VersionBuilder {
 public:
  explicit VersionBuilder(const Version& base) : base_(base) {}  // outlives the builder
  // kCorruption when the edit removes what is not there.
  Status Add(const VersionEdit& edit, std::string_view source);
  // kCorruption when the edits together break W1, W2 or W4. Call once.
  Result<std::shared_ptr<const Version>> Finish(std::string_view source);

 private:
  using Place = std::pair<int, uint64_t>;  // level, number

  const Version& base_;
  std::set<Place> removed_;              // of the base
  std::map<Place, TableFileRef> added_;  // and not removed again
  std::array<bool, kLevels> touched_{};  // levels
  ValueLogFiles value_logs_;             // added; those without a reference go at the end
};

// Tables of a sorted, disjoint run that touch [smallest, largest], both inclusive.
std::span<const TableFileRef> TouchingTables(const std::vector<TableFileRef>& run, std::string_view smallest,
                                             std::string_view largest);

}  // namespace varve::lsm
