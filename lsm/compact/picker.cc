#include "lsm/compact/picker.h"

#include <algorithm>
#include <cassert>

namespace varve::lsm {

namespace {

constexpr uint64_t kLevelRatio = 10;
// A level smaller than this many memtables is not worth having.
constexpr uint64_t kBaseMemtables = 4;

bool AnyBusy(const std::vector<TableFileRef>& files) {
  return std::any_of(files.begin(), files.end(), [](const TableFileRef& f) { return f->being_compacted; });
}

uint64_t TotalBytes(const std::vector<TableFileRef>& files) {
  uint64_t bytes = 0;
  for (const TableFileRef& file : files) bytes += file->facts().file_size;
  return bytes;
}

// The key range that `files` span, both ends inclusive.
void Range(const std::vector<TableFileRef>& files, std::string* smallest, std::string* largest) {
  *smallest = files.front()->facts().smallest;
  *largest = files.front()->facts().largest;
  for (const TableFileRef& file : files) {
    *smallest = std::min(*smallest, file->facts().smallest);
    *largest = std::max(*largest, file->facts().largest);
  }
}

// Fills in everything that follows from level, output_level and inputs. False when a table it needs is busy.
bool Complete(const Version& version, CompactionPlan* plan) {
  if (plan->inputs.empty() || AnyBusy(plan->inputs)) return false;
  std::string smallest, largest;
  Range(plan->inputs, &smallest, &largest);
  if (plan->output_level != plan->level) plan->below = version.Overlapping(plan->output_level, smallest, largest);
  if (AnyBusy(plan->below)) return false;
  if (!plan->below.empty()) {
    std::string low, high;
    Range(plan->below, &low, &high);
    smallest = std::min(smallest, low);
    largest = std::max(largest, high);
  }
  if (plan->output_level + 1 < kLevels) {
    plan->grandparents = version.Overlapping(plan->output_level + 1, smallest, largest);
  }
  plan->bottommost = true;
  for (int n = plan->output_level + 1; n < kLevels; ++n) {
    if (version.AnyOverlap(n, smallest, largest)) plan->bottommost = false;
  }
  // A table moves as it is between levels of the same compression, one at a time, where it does not come to touch too
  // much.
  plan->trivial_move = plan->level > 0 && plan->inputs.size() == 1 && plan->below.empty() &&
                       TotalBytes(plan->grandparents) <= 10 * plan->inputs.front()->facts().file_size;
  return true;
}

std::optional<CompactionPlan> PickLevel0(const Version& version, const LevelTargets& targets) {
  // All of level 0: its tables overlap as a rule, and the oldest must not stay behind.
  CompactionPlan plan;
  plan.level = 0;
  plan.output_level = targets.base_level;
  plan.inputs = version.level(0);
  plan.reason = "level 0 has " + std::to_string(plan.inputs.size()) + " tables";
  if (!Complete(version, &plan)) return std::nullopt;
  return plan;
}

std::optional<CompactionPlan> PickDeeper(const Version& version, int level, double score) {
  const TableFileRef* best = nullptr;
  double best_ratio = 0;
  for (const TableFileRef& file : version.level(level)) {
    if (file->being_compacted) continue;
    std::vector<TableFileRef> below = version.Overlapping(level + 1, file->facts().smallest, file->facts().largest);
    if (AnyBusy(below)) continue;
    double ratio = static_cast<double>(TotalBytes(below)) / static_cast<double>(file->facts().file_size);
    if (best == nullptr || ratio < best_ratio) {
      best = &file;
      best_ratio = ratio;
    }
  }
  if (best == nullptr) return std::nullopt;
  CompactionPlan plan;
  plan.level = level;
  plan.output_level = level + 1;
  plan.inputs = {*best};
  plan.reason =
      "level " + std::to_string(level) + " is at " + std::to_string(static_cast<int>(score * 100)) + " % of its target";
  if (!Complete(version, &plan)) return std::nullopt;
  return plan;
}

}  // namespace

uint64_t CompactionPlan::input_bytes() const {
  return TotalBytes(inputs) + TotalBytes(below);
}

LevelTargets ComputeTargets(const Version& version, const PickerOptions& options) {
  LevelTargets targets;
  const uint64_t base_min = kBaseMemtables * options.memtable_bytes;
  uint64_t largest = base_min;
  for (int n = 1; n < kLevels; ++n) largest = std::max(largest, version.level_bytes(n));
  int level = kLevels - 1;
  uint64_t bytes = largest;
  targets.bytes[static_cast<size_t>(level)] = bytes;
  while (level > 1 && bytes / kLevelRatio >= base_min) {
    bytes /= kLevelRatio;
    targets.bytes[static_cast<size_t>(--level)] = bytes;
  }
  targets.base_level = level;
  return targets;
}

std::optional<CompactionPlan> PickCompaction(const Version& version, const PickerOptions& options) {
  const LevelTargets targets = ComputeTargets(version, options);
  struct Candidate {
    int level;
    double score;
  };
  std::vector<Candidate> candidates;
  const double level0_score = static_cast<double>(version.level(0).size()) / static_cast<double>(kLevel0CompactFiles);
  if (level0_score >= 1) candidates.push_back({0, level0_score});
  for (int n = 1; n < kLevels - 1; ++n) {
    // Levels above the base (left from when the database was larger) drain completely.
    double score = n < targets.base_level ? (version.level(n).empty() ? 0 : 2)
                                          : static_cast<double>(version.level_bytes(n)) /
                                                static_cast<double>(targets.bytes[static_cast<size_t>(n)]);
    if (score > 1) candidates.push_back({n, score});
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  for (const Candidate& candidate : candidates) {
    // Level 0 may flow past levels above the base only when they are empty: else data would overtake older data.
    auto plan =
        candidate.level == 0 ? PickLevel0(version, targets) : PickDeeper(version, candidate.level, candidate.score);
    if (plan && candidate.level == 0) {
      for (int n = 1; n < plan->output_level; ++n) {
        if (!version.level(n).empty()) plan.reset();
        if (!plan) break;
      }
      if (!plan) {
        // Compact into the highest level in use instead.
        LevelTargets nearest = targets;
        for (int n = kLevels - 1; n >= 1; --n) {
          if (!version.level(n).empty()) nearest.base_level = n;
        }
        plan = PickLevel0(version, nearest);
      }
    }
    if (plan) return plan;
  }
  return std::nullopt;
}

std::optional<CompactionPlan> PickRange(const Version& version, const PickerOptions& options, std::string_view begin,
                                        std::string_view end, int from_level, bool* busy) {
  *busy = false;
  auto in_range = [&](const TableFileRef& file) {
    return !file->EndsBefore(begin) && (end.empty() || !file->StartsAfter(end));
  };
  const int deepest = std::max(version.deepest_level(), ComputeTargets(version, options).base_level);
  for (int n = from_level; n < deepest; ++n) {
    CompactionPlan plan;
    plan.level = n;
    for (const TableFileRef& file : version.level(n)) {
      if (in_range(file)) plan.inputs.push_back(file);
    }
    if (plan.inputs.empty()) continue;
    if (n == 0) plan.inputs = version.level(0);
    plan.output_level = n + 1;
    if (n == 0) {
      plan.output_level = ComputeTargets(version, options).base_level;
      for (int k = kLevels - 1; k >= 1; --k) {
        if (!version.level(k).empty() && k < plan.output_level) plan.output_level = k;
      }
    }
    plan.reason = "asked for";
    if (!Complete(version, &plan)) {
      *busy = true;
      return std::nullopt;
    }
    plan.trivial_move = false;
    return plan;
  }
  return std::nullopt;
}

uint64_t CompactionDebt(const Version& version, const PickerOptions& options) {
  const LevelTargets targets = ComputeTargets(version, options);
  uint64_t debt = version.level(0).size() >= kLevel0CompactFiles ? version.level_bytes(0) : 0;
  for (int n = 1; n < kLevels - 1; ++n) {
    const uint64_t target = n < targets.base_level ? 0 : targets.bytes[static_cast<size_t>(n)];
    if (version.level_bytes(n) > target) debt += version.level_bytes(n) - target;
  }
  return debt;
}

}  // namespace varve::lsm
