// lsm/compact/picker.h - which tables to compact next.
//
// Leveled, with dynamic level sizes: the deepest level sets the scale, each level above is a tenth of the one below,
// and levels whose share would be smaller than a few memtables stay empty: level 0 flows straight into the base level.
// So at most about a tenth of the data is stale copies, whatever the size of the database. Scores: level 0 by its
// number of tables, others by bytes over their target; the highest score >= 1 is compacted first. Below level 0 the
// table with the least overlap per byte goes first. Pure functions of a version; the caller marks the inputs. Threads:
// any, under the database's mutex (being_compacted).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lsm/version/version.h"

namespace varve::lsm {

struct LevelTargets {
  int base_level = kLevels - 1;           // where level 0 goes
  std::array<uint64_t, kLevels> bytes{};  // target of each level >= base_level
};

struct PickerOptions {
  uint64_t memtable_bytes = 0;
  uint64_t table_bytes = 0;
};

// Tables in level 0 at which they are compacted, writers are slowed, and writers wait.
inline constexpr size_t kLevel0CompactFiles = 4;
inline constexpr size_t kLevel0SlowFiles = 16;
inline constexpr size_t kLevel0StopFiles = 28;

struct CompactionPlan {
  int level = 0;
  int output_level = 0;
  std::vector<TableFileRef> inputs;        // of `level`
  std::vector<TableFileRef> below;         // of `output_level`
  std::vector<TableFileRef> grandparents;  // of output_level + 1: output tables are cut so as not to touch too many
  bool bottommost = false;                 // nothing beneath output_level in the key range
  bool trivial_move = false;               // the inputs can become tables of the output level as they are
  std::string reason;

  uint64_t input_bytes() const;
};

LevelTargets ComputeTargets(const Version& version, const PickerOptions& options);
// The most urgent compaction whose tables are all free, or none.
std::optional<CompactionPlan> PickCompaction(const Version& version, const PickerOptions& options);
// The next step of compacting [begin, end] (empty: unbounded) down to the deepest level in use; none when it is done or
// its tables are busy (*busy).
std::optional<CompactionPlan> PickRange(const Version& version, const PickerOptions& options, std::string_view begin,
                                        std::string_view end, int from_level, bool* busy);
// Bytes above the levels' targets: what compaction still owes.
uint64_t CompactionDebt(const Version& version, const PickerOptions& options);

}  // namespace varve::lsm
