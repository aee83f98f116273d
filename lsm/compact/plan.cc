#include "lsm/compact/plan.h"

#include <algorithm>

namespace varve::lsm {

namespace {

// Tables (or memtables) that one job reads: a few seconds of work, and the free space it needs.
constexpr uint64_t kJobTables = 8;
// A table that would come to lie over more than this many times its own bytes is rewritten instead of moved.
constexpr uint64_t kMoveOverlapMax = 10;
constexpr uint64_t kMovedPartMin = 4;         // tables of level 0 move from such a part of a full table on
constexpr uint64_t kSliverOfMemtable = 1024;  // a flush makes no table smaller than this part
constexpr uint64_t kPieceMin = 8 * 1024;
constexpr uint64_t kUpperTableMin = 64 * 1024;
constexpr uint64_t kLastTableMin = 1024 * 1024;

bool AnyDeletes(std::span<const TableFileRef> files) {
  return std::any_of(files.begin(), files.end(), [](const TableFileRef& file) {
    return file->facts().deletes > 0 || file->facts().range_deletes > 0;
  });
}

// Two jobs that write to one level keep apart: their outputs must be disjoint.
bool Collides(const CompactionPlan& plan, RunningPlans running) {
  return std::any_of(running.begin(), running.end(), [&](const CompactionPlan* other) {
    return other->output_level == plan.output_level && other->smallest <= plan.largest &&
           plan.smallest <= other->largest;
  });
}

bool CanMove(const CompactionPlan& plan, const PickerOptions& options) {
  if (!options.moves || !plan.below.empty() || plan.level == plan.output_level) return false;
  const auto is_small = [&](const TableFileRef& file) {
    return !IsLargeEnoughToMove(*file, options, plan.output_level);
  };
  if (plan.level == 0 && std::any_of(plan.inputs.begin(), plan.inputs.end(), is_small)) return false;
  for (size_t i = 1; plan.level == 0 && i < plan.inputs.size(); ++i) {
    const KeyRange range(*plan.inputs[i]);
    if (std::any_of(plan.inputs.begin(), plan.inputs.begin() + static_cast<std::ptrdiff_t>(i),
                    [&](const TableFileRef& other) { return range.Touches(*other); })) {
      return false;
    }
  }
  if (plan.bottommost && AnyDeletes(plan.inputs)) return false;  // they end here instead
  return TotalBytes(plan.grandparents) <= kMoveOverlapMax * TotalBytes(plan.inputs);
}

// Whether a merge inside level 0 leaves something older in its range behind.
bool OlderInLevel0(const Version& version, const CompactionPlan& plan, const KeyRange& range) {
  SequenceNumber oldest = kSequenceMax;
  for (const TableFileRef& file : plan.inputs) oldest = std::min(oldest, file->facts().smallest_seq);
  return std::any_of(version.level(0).begin(), version.level(0).end(), [&](const TableFileRef& file) {
    return file->facts().largest_seq < oldest && range.Touches(*file);
  });
}

}  // namespace

bool KeyRange::Add(const TableFile& file) {
  if (Holds(file)) return false;
  smallest = std::min(smallest, file.facts().smallest);
  largest = std::max(largest, file.facts().largest);
  return true;
}

bool KeyRange::Holds(const TableFile& file) const {
  return smallest <= file.facts().smallest && file.facts().largest <= largest;
}

KeyRange RangeOf(std::span<const TableFileRef> files) {
  KeyRange range(*files.front());
  for (const TableFileRef& file : files.subspan(1)) range.Add(*file);
  return range;
}

bool IsLargeEnoughToMove(const TableFile& file, const PickerOptions& options, int level) {
  return file.facts().file_size * kMovedPartMin >= options.TableBytes(level);
}

bool AllFree(std::span<const TableFileRef> files, const PickerOptions& options) {
  return std::all_of(files.begin(), files.end(), [&](const TableFileRef& file) { return IsFree(file, options); });
}

uint64_t TotalBytes(std::span<const TableFileRef> files) {
  uint64_t bytes = 0;
  for (const TableFileRef& file : files) bytes += file->facts().file_size;
  return bytes;
}

std::vector<std::vector<TableFileRef>> DisjointRuns(std::vector<TableFileRef> files) {
  std::sort(files.begin(), files.end(),
            [](const TableFileRef& a, const TableFileRef& b) { return a->facts().smallest < b->facts().smallest; });
  std::vector<std::vector<TableFileRef>> runs;
  for (TableFileRef& file : files) {
    auto run = std::find_if(runs.begin(), runs.end(),
                            [&](const auto& r) { return r.back()->EndsBefore(file->facts().smallest); });
    if (run == runs.end()) run = runs.emplace(runs.end());
    run->push_back(std::move(file));
  }
  return runs;
}

bool Complete(const Version& version, const PickerOptions& options, RunningPlans running, CompactionPlan* plan) {
  if (plan->inputs.empty() || !AllFree(plan->inputs, options)) return false;
  KeyRange range = RangeOf(plan->inputs);
  plan->below.clear();
  plan->grandparents.clear();
  if (plan->output_level != plan->level) {
    const auto below = version.Overlap(plan->output_level, range.smallest, range.largest);
    plan->below.assign(below.begin(), below.end());
  }
  if (!AllFree(plan->below, options)) return false;
  for (const TableFileRef& file : plan->below) range.Add(*file);
  plan->smallest = range.smallest;
  plan->largest = range.largest;
  // Tables of level 0 may overlap: there, sequences keep apart what several jobs write.
  if (plan->output_level > 0 && Collides(*plan, running)) return false;
  plan->bottommost = plan->output_level > 0 || !OlderInLevel0(version, *plan, range);
  for (int n = plan->output_level + 1; n < kLevels; ++n) {
    const auto beneath = version.Overlap(n, range.smallest, range.largest);
    if (beneath.empty()) continue;
    plan->bottommost = false;
    if (plan->grandparents.empty()) plan->grandparents.assign(beneath.begin(), beneath.end());
  }
  plan->trivial_move = CanMove(*plan, options);
  return plan->OutputBytes() <= options.room_bytes;
}

uint64_t PickerOptions::TableBytes(int level) const {
  if (level == 0) return table_bytes;
  const uint64_t last = std::min(table_bytes, std::max(memtable_bytes, kLastTableMin));
  return level == kLevels - 1 ? last : std::min(last, std::max(memtable_bytes / 4, kUpperTableMin));
}

uint64_t PickerOptions::JobBytes() const {
  return std::min(kJobTables * std::max(TableBytes(kLevels - 1), memtable_bytes),
                  room_bytes / 2);  // half: for what lies below
}

uint64_t PickerOptions::FlushPieceBytes() const {
  return std::max(memtable_bytes / kSliverOfMemtable, kPieceMin);
}

uint64_t CompactionPlan::input_bytes() const {
  return TotalBytes(inputs) + TotalBytes(below);
}

uint64_t CompactionPlan::OutputBytes() const {
  if (trivial_move) return 0;
  if (!bottommost) return input_bytes();
  uint64_t entries = 0, deletes = 0;
  for (const auto* files : {&inputs, &below}) {
    for (const TableFileRef& file : *files) {
      entries += file->facts().entries;
      deletes += file->facts().deletes;
    }
  }
  if (2 * deletes >= entries) return 1;
  return static_cast<uint64_t>(static_cast<double>(input_bytes()) * static_cast<double>(entries - 2 * deletes) /
                               static_cast<double>(entries));
}

uint64_t CompactionPlan::TableBytes(const PickerOptions& options) const {
  const uint64_t target = options.TableBytes(output_level);
  if (KeepsBorders()) return target;
  const uint64_t count = std::max<uint64_t>((input_bytes() + target / 2) / target, 1);
  return std::min(input_bytes() / count + target / 16, target + target / 2);
}

}  // namespace varve::lsm
