#include "lsm/compact/picker.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "lsm/compact/tiers.h"
#include "lsm/format/hash.h"
#include "lsm/iter/level_iterator.h"

namespace varve::lsm {

namespace {

constexpr uint64_t kLevelRatio = 10;
// A level smaller than this many memtables is not worth having.
constexpr uint64_t kBaseMemtables = 4;
// Bytes of level 0, in memtables, at which it is compacted.
constexpr uint64_t kLevel0Memtables = 4;
// Smaller memtables count as this large: a few rows in level 0 are no reason for anything.
constexpr uint64_t kMemtableMin = 4 * 1024;
// Tables of level 0, however small, at which it is compacted: more than flushes leave in three sublevels.
constexpr double kLevel0Tables = 4 * kColumns;

// Where level 0 goes: past empty levels down to the base, but never past a level in use, for data must not overtake
// older data.
int Level0Output(const Version& version, const LevelTargets& targets) {
  for (int n = 1; n < targets.base_level; ++n) {
    if (!version.level(n).empty()) return n;
  }
  return targets.base_level;
}

// Of a sorted, disjoint run.
std::span<const TableFileRef> Touching(const std::vector<TableFileRef>& run, const KeyRange& range) {
  return TouchingTables(run, range.smallest, range.largest);
}

// The key range of a column: from `seed` as far as tables hang together, while that stays a job of bounded size.
KeyRange ColumnRange(const Version& version, const PickerOptions& options, const TableFile& seed, int output_level) {
  KeyRange range(seed);
  for (const TableFileRef& file : version.Overlap(output_level, range.smallest, range.largest)) range.Add(*file);
  for (;;) {
    KeyRange wider = range;
    uint64_t bytes = 0;
    bool grew = false;
    const auto take = [&](std::span<const TableFileRef> files) {
      for (const TableFileRef& file : files) {
        bytes += file->facts().file_size;
        grew |= wider.Add(*file);
      }
    };
    for (const auto& sublevel : version.sublevels()) take(Touching(sublevel, range));
    take(Touching(version.level(output_level), range));
    if (!grew || bytes > options.JobBytes()) return range;
    range = std::move(wider);
  }
}

// Whether no table of level 0 lies across an end of `range`.
bool StandsAlone(const Version& version, const KeyRange& range) {
  for (const auto& sublevel : version.sublevels()) {
    const auto files = Touching(sublevel, range);
    if (!files.empty() && !(range.Holds(*files.front()) && range.Holds(*files.back()))) return false;
  }
  return true;
}

// Widens a column by neighbouring tables of `level` until they make one of full size, if it stays as well apart from
// others: or narrow columns would leave ever smaller tables behind. Not when what it has is busy, for its neighbours are
// not, nor when it is large and meets nothing: then it moves as it is.
void AddNeighbours(const Version& version, const PickerOptions& options, const TableFile& seed, int level,
                   KeyRange* range) {
  const auto& files = version.level(level);
  const uint64_t full = options.TableBytes(level);
  const uint64_t most = std::min(full + full / 2, options.JobBytes());
  size_t first = FindFile(files, range->smallest), limit = first;
  uint64_t bytes = 0;
  for (; limit < files.size() && range->Touches(*files[limit]); ++limit) {
    if (!IsFree(files[limit], options)) return;
    bytes += files[limit]->facts().file_size;
  }
  if (limit == first && IsLargeEnoughToMove(seed, options, level)) return;
  const auto take = [&](const TableFileRef& file) {
    KeyRange wider = *range;
    wider.Add(*file);
    const bool fits = bytes + file->facts().file_size <= most;
    if (!fits || !IsFree(file, options) || !StandsAlone(version, wider)) return false;
    bytes += file->facts().file_size;
    *range = std::move(wider);
    return true;
  };
  while (bytes < full) {
    if (limit < files.size() && take(files[limit])) {
      ++limit;
    } else if (first > 0 && take(files[first - 1])) {
      --first;
    } else {
      return;
    }
  }
}

// The tables of level 0 inside `range` that can leave it: free ones under which no other older one stays behind, from
// the oldest sublevel up until they make a job. Newest first; *depth is how many sublevels they take from the column.
std::vector<TableFileRef> ColumnTables(const Version& version, const PickerOptions& options, const KeyRange& range,
                                       size_t* depth) {
  std::vector<TableFileRef> inputs;
  std::vector<KeyRange> staying;
  *depth = 0;
  for (const auto& sublevel : version.sublevels()) {
    const size_t before = inputs.size();
    std::vector<KeyRange> stays_here;  // disjoint from its neighbours of the sublevel
    for (const TableFileRef& file : Touching(sublevel, range)) {
      const bool held =
          std::any_of(staying.begin(), staying.end(), [&](const KeyRange& r) { return r.Touches(*file); });
      if (held || !IsFree(file, options) || !range.Holds(*file)) {
        stays_here.emplace_back(*file);
      } else {
        inputs.push_back(file);
      }
    }
    staying.insert(staying.end(), stays_here.begin(), stays_here.end());
    if (inputs.size() > before) ++*depth;
    if (TotalBytes(inputs) >= options.JobBytes()) break;
  }
  std::reverse(inputs.begin(), inputs.end());
  return inputs;
}

// A table of the oldest sublevel on which `file` rests, through others between them.
const TableFile* Beneath(const Version& version, const TableFile& file) {
  const TableFile* lowest = &file;
  for (auto sublevel = version.sublevels().rbegin(); sublevel != version.sublevels().rend(); ++sublevel) {
    for (const TableFileRef& other : TouchingTables(*sublevel, lowest->facts().smallest, lowest->facts().largest)) {
      if (other->facts().largest_seq >= lowest->facts().smallest_seq) continue;
      lowest = other.get();
      break;
    }
  }
  return lowest;
}

// How many sublevels have tables that touch `range`.
size_t DepthAt(const Version& version, const KeyRange& range) {
  size_t depth = 0;
  for (const auto& sublevel : version.sublevels()) depth += Touching(sublevel, range).empty() ? 0 : 1;
  return depth;
}

std::optional<CompactionPlan> PickWholeLevel0(const Version& version, const PickerOptions& options,
                                              RunningPlans running, int output_level) {
  CompactionPlan plan;
  plan.output_level = output_level;
  plan.inputs = version.level(0);
  plan.reason = "level 0 has " + std::to_string(version.level_bytes(0)) + " bytes";
  if (TotalBytes(plan.inputs) > options.JobBytes() || !Complete(version, options, running, &plan)) return std::nullopt;
  return plan;
}

// The column where level 0 is deepest; of equal ones, the one with the least beneath it per byte.
std::optional<CompactionPlan> PickColumn(const Version& version, const PickerOptions& options, RunningPlans running,
                                         int output_level, size_t depth_min) {
  std::optional<CompactionPlan> best;
  size_t best_depth = 0;
  double best_ratio = 0;
  if (version.sublevels().empty()) return best;
  std::optional<KeyRange> seen;
  for (const TableFileRef& seed : version.sublevels().front()) {
    if (!IsFree(seed, options) || (seen && seen->Holds(*seed))) continue;
    seen = ColumnRange(version, options, *seed, output_level);
    AddNeighbours(version, options, *seed, output_level, &*seen);
    const KeyRange& range = *seen;
    if (DepthAt(version, range) < std::max(depth_min, best_depth)) continue;
    CompactionPlan plan;
    plan.output_level = output_level;
    size_t depth;
    plan.inputs = ColumnTables(version, options, range, &depth);
    plan.reason = "level 0 is " + std::to_string(version.sublevels().size()) + " sublevels deep";
    if (depth < depth_min || !Complete(version, options, running, &plan)) continue;
    const double ratio = static_cast<double>(TotalBytes(plan.below)) / static_cast<double>(TotalBytes(plan.inputs));
    if (best && (depth < best_depth || (depth == best_depth && ratio >= best_ratio))) continue;
    best = std::move(plan);
    best_depth = depth;
    best_ratio = ratio;
  }
  return best;
}

std::optional<CompactionPlan> PickLevel0(const Version& version, const PickerOptions& options, RunningPlans running,
                                         const LevelTargets& targets) {
  const int output_level = Level0Output(version, targets);
  if (version.sublevels().size() >= kLevel0Compact) {
    auto plan = PickColumn(version, options, running, output_level, kLevel0Compact);
    // None deep enough alone: ragged tables hang together over more than a job can take. Else wait for what runs.
    const bool waits = std::any_of(running.begin(), running.end(), [](const auto* other) { return other->level == 0; });
    return plan || waits ? plan : PickColumn(version, options, running, output_level, 1);
  }
  // Many tables side by side, as of ascending keys.
  if (auto plan = PickWholeLevel0(version, options, running, output_level)) return plan;
  return PickColumn(version, options, running, output_level, 1);
}

// Tables `first` to `limit` of a level with their neighbours that add nothing below.
struct Slice {
  size_t first = 0, limit = 0;
  uint64_t bytes = 0;
  uint64_t below_bytes = 0;
};

// False when a table below is busy.
bool Widen(const Version& version, const PickerOptions& options, int level, Slice* slice) {
  const auto& files = version.level(level);
  KeyRange range(*files[slice->first]);
  const auto below = version.Overlap(level + 1, range.smallest, range.largest);
  if (!AllFree(below, options)) return false;
  for (const TableFileRef& file : below) range.Add(*file);
  slice->below_bytes = TotalBytes(below);
  const auto fits = [&](const TableFileRef& file) {
    if (!IsFree(file, options) || slice->bytes + slice->below_bytes + file->facts().file_size > options.JobBytes())
      return false;
    if (!below.empty()) return range.Holds(*file);
    KeyRange wider = range;  // with nothing below: together they are a move
    wider.Add(*file);
    if (version.AnyOverlap(level + 1, wider.smallest, wider.largest)) return false;
    range = std::move(wider);
    return true;
  };
  while (slice->first > 0 && fits(files[slice->first - 1])) slice->bytes += files[--slice->first]->facts().file_size;
  while (slice->limit < files.size() && fits(files[slice->limit])) {
    slice->bytes += files[slice->limit++]->facts().file_size;
  }
  return true;
}

std::optional<CompactionPlan> PickDeeper(const Version& version, const PickerOptions& options, RunningPlans running,
                                         int level, double score) {
  const auto& files = version.level(level);
  std::vector<Slice> slices;
  for (size_t i = 0; i < files.size(); ++i) {
    Slice slice{i, i + 1, files[i]->facts().file_size};
    if (!IsFree(files[i], options) || !Widen(version, options, level, &slice)) continue;
    i = slice.limit - 1;  // its neighbours would give the same slice, as a rule
    slices.push_back(slice);
  }
  const auto ratio = [](const Slice& s) { return static_cast<double>(s.below_bytes) / static_cast<double>(s.bytes); };
  std::stable_sort(slices.begin(), slices.end(), [&](const Slice& a, const Slice& b) { return ratio(a) < ratio(b); });
  for (const Slice& slice : slices) {
    CompactionPlan plan;
    plan.level = level;
    plan.output_level = level + 1;
    plan.inputs.assign(files.begin() + static_cast<std::ptrdiff_t>(slice.first),
                       files.begin() + static_cast<std::ptrdiff_t>(slice.limit));
    plan.reason = "level " + std::to_string(level) + " is at " + std::to_string(static_cast<int>(score * 100)) +
                  " % of its target";
    if (Complete(version, options, running, &plan)) return plan;
  }
  return std::nullopt;
}

// Mostly tombstones: half of the entries or more.
bool IsDense(const TableFile& file) {
  return file.facts().deletes > 0 && 2 * file.facts().deletes >= file.facts().entries;
}

bool WantsReclaim(const TableFile& file) {
  return IsDense(file) || file.facts().range_deletes > 0;
}

// Takes the tombstones of one table to the level below, or, with nothing beneath, rewrites it without them.
std::optional<CompactionPlan> ReclaimTable(const Version& version, const PickerOptions& options, RunningPlans running,
                                           int level, const TableFileRef& file, SequenceNumber oldest_snapshot) {
  CompactionPlan plan;
  plan.level = plan.output_level = level;
  plan.inputs = {file};
  plan.reason = "table " + std::to_string(file->number()) + " is dense with tombstones";
  if (!Complete(version, options, running, &plan)) return std::nullopt;
  if (plan.bottommost) {
    // All of them go, or the rewritten table would be picked again.
    if (file->facts().largest_seq > oldest_snapshot) return std::nullopt;
    return plan;
  }
  plan.output_level = level + 1;
  if (!Complete(version, options, running, &plan)) return std::nullopt;
  return plan;
}

double Level0Score(const Version& version, const PickerOptions& options) {
  const double depth = static_cast<double>(version.sublevels().size()) / static_cast<double>(kLevel0Compact);
  const double bytes = static_cast<double>(version.level_bytes(0)) /
                       static_cast<double>(kLevel0Memtables * std::max(options.memtable_bytes, kMemtableMin));
  const double tables = static_cast<double>(version.level(0).size()) / kLevel0Tables;
  return std::max({depth, bytes, tables});
}

// Of a table that was taken in all versions have one sequence; every write has its own.
bool WasIngested(const TableFile& file) {
  return file.facts().entries > file.facts().largest_seq - file.facts().smallest_seq + 1;
}

// Size-tiered: what level 0 needs.
std::optional<CompactionPlan> PickTiered(const Version& version, const PickerOptions& options, RunningPlans running) {
  if (TiersOverflow(version)) {
    const int output_level = Level0Output(version, ComputeTargets(version, options));
    if (auto plan = PickColumn(version, options, running, output_level, 1)) return plan;
  }
  return PickTier(version, options, running);
}

}  // namespace

size_t Level0Debt(const Version& version, const PickerOptions& options) {
  if (options.style == CompactionStyle::kFifo) return 0;  // nothing is ever merged, however long writers wait
  const uint64_t flush_bytes = std::max(options.memtable_bytes, kMemtableMin);
  size_t depth = 0;
  uint64_t bytes = 0;
  for (const auto& sublevel : version.sublevels()) {
    bool counts = false;
    for (const TableFileRef& file : sublevel) {
      if (file->facts().largest_seq <= options.settled_sequence) continue;
      counts = true;
      if (!WasIngested(*file)) bytes += std::min(file->facts().file_size, flush_bytes);
    }
    depth += counts ? 1 : 0;
  }
  if (options.style == CompactionStyle::kSizeTiered) return depth > kTierSublevels ? depth - kTierSublevels : 0;
  return std::max(depth, static_cast<size_t>(bytes / flush_bytes));
}

LevelTargets ComputeTargets(const Version& version, const PickerOptions& options) {
  LevelTargets targets;
  const uint64_t base_min = kBaseMemtables * options.memtable_bytes;
  uint64_t largest = base_min;
  for (int n = 1; n < kLevels; ++n) largest = std::max(largest, version.level_bytes(n));
  int level = kLevels - 1;
  uint64_t bytes = largest;
  targets.bytes[static_cast<size_t>(level)] = bytes;
  while (options.style == CompactionStyle::kLeveled && level > 1 && bytes / kLevelRatio >= base_min) {
    bytes /= kLevelRatio;
    targets.bytes[static_cast<size_t>(--level)] = bytes;
  }
  targets.base_level = level;
  return targets;
}

std::optional<CompactionPlan> PickUrgent(const Version& version, const PickerOptions& options, RunningPlans running,
                                         uint64_t bytes_max) {
  const auto fits = [&](const auto& plan) { return plan && plan->input_bytes() <= bytes_max; };
  std::optional<CompactionPlan> plan;
  if (options.style == CompactionStyle::kSizeTiered) {
    plan = PickTiered(version, options, running);
    if (!fits(plan)) plan = PickTier(version, options, running);
  } else if (options.style == CompactionStyle::kLeveled && Level0Score(version, options) >= 1) {
    plan = PickLevel0(version, options, running, ComputeTargets(version, options));
  }
  return fits(plan) ? std::move(plan) : std::nullopt;
}

std::optional<CompactionPlan> PickCompaction(const Version& version, const PickerOptions& options,
                                             RunningPlans running) {
  const LevelTargets targets = ComputeTargets(version, options);
  struct Candidate {
    int level;
    double score;
  };
  std::vector<Candidate> candidates;
  if (options.style == CompactionStyle::kFifo) return std::nullopt;
  if (options.style == CompactionStyle::kSizeTiered) {
    if (auto plan = PickTiered(version, options, running)) return plan;
  } else if (double score = Level0Score(version, options); score >= 1) {
    candidates.push_back({0, 2 * score});  // while level 0 is deep, reads are slow and writers may have to wait
  }
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
    auto plan = candidate.level == 0 ? PickLevel0(version, options, running, targets)
                                     : PickDeeper(version, options, running, candidate.level, candidate.score);
    if (plan) return plan;
  }
  return std::nullopt;
}

bool AnyReclaimable(const Version& version) {
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : version.level(n)) {
      if (WantsReclaim(*file)) return true;
    }
  }
  return false;
}

std::optional<CompactionPlan> PickReclaim(const Version& version, const PickerOptions& options, RunningPlans running,
                                          SequenceNumber oldest_snapshot, bool idle) {
  if (options.style == CompactionStyle::kFifo) return std::nullopt;
  for (int n = 1; n < kLevels; ++n) {
    for (const TableFileRef& file : version.level(n)) {
      if (!IsFree(file, options) || !(idle ? WantsReclaim(*file) : IsDense(*file))) continue;
      auto plan = ReclaimTable(version, options, running, n, file, oldest_snapshot);
      if (plan && (idle || TotalBytes(plan->below) <= kLevelRatio * TotalBytes(plan->inputs))) return plan;
    }
  }
  if (!idle) return std::nullopt;
  const int output_level = Level0Output(version, ComputeTargets(version, options));
  for (const TableFileRef& file : version.level(0)) {
    if (!IsFree(file, options) || !WantsReclaim(*file)) continue;
    CompactionPlan plan;
    plan.output_level = output_level;
    size_t depth;
    plan.inputs =
        ColumnTables(version, options, ColumnRange(version, options, *Beneath(version, *file), output_level), &depth);
    plan.reason = "table " + std::to_string(file->number()) + " is dense with tombstones";
    if (Complete(version, options, running, &plan)) return plan;
  }
  return std::nullopt;
}

std::optional<CompactionPlan> PickRange(const Version& version, const PickerOptions& given, RunningPlans running,
                                        RangeProgress* progress, bool* busy) {
  PickerOptions options = given;
  options.tries_unreadable = true;  // tables outside the range too: it would wait for them for ever
  *busy = false;
  if (options.style == CompactionStyle::kFifo) return std::nullopt;  // what is merged would be new again
  const auto wanted = [&](const TableFile& file) {
    return !file.EndsBefore(progress->begin) && (progress->end.empty() || !file.StartsAfter(progress->end));
  };
  const auto finish = [&](CompactionPlan plan) -> std::optional<CompactionPlan> {
    plan.reason = "asked for";
    const bool complete = Complete(version, options, running, &plan);
    plan.trivial_move = false;
    if (complete && plan.OutputBytes() <= options.room_bytes) return plan;
    *busy = true;
    return std::nullopt;
  };
  const LevelTargets targets = ComputeTargets(version, options);
  const int deepest = std::max(version.deepest_level(), targets.base_level);
  for (int& n = progress->level; n < deepest; ++n, progress->passed_any = false) {
    CompactionPlan plan;
    plan.level = n;
    plan.output_level = n == 0 ? Level0Output(version, targets) : n + 1;
    if (n == 0) {
      for (auto it = version.level(0).rbegin(); it != version.level(0).rend(); ++it) {  // oldest first
        if (!wanted(**it) || (*it)->facts().largest_seq > progress->up_to) continue;
        size_t depth;
        plan.inputs = ColumnTables(version, options,
                                   ColumnRange(version, options, *Beneath(version, **it), plan.output_level), &depth);
        if (plan.inputs.empty()) {
          *busy = true;
          return std::nullopt;
        }
        return finish(std::move(plan));
      }
      continue;
    }
    for (const TableFileRef& file : version.level(n)) {
      if (!wanted(*file) || (progress->passed_any && file->facts().largest <= progress->after)) continue;
      if (!plan.inputs.empty()) {
        const auto below = version.Overlap(n + 1, plan.inputs.front()->facts().smallest, file->facts().largest);
        if (TotalBytes(plan.inputs) + file->facts().file_size + TotalBytes(below) > options.JobBytes()) break;
      }
      plan.inputs.push_back(file);
    }
    if (plan.inputs.empty()) continue;
    std::string last = plan.inputs.back()->facts().largest;
    auto step = finish(std::move(plan));
    if (step) {
      progress->after = std::move(last);
      progress->passed_any = true;
    }
    return step;
  }
  return std::nullopt;
}

std::optional<CompactionPlan> PickRewrite(const Version& version, const PickerOptions& options, RunningPlans running,
                                          int level, const TableFileRef& file, std::string reason) {
  CompactionPlan plan;
  plan.level = plan.output_level = level;
  plan.inputs = {file};
  plan.reason = std::move(reason);
  if (!Complete(version, options, running, &plan)) return std::nullopt;
  if (level == 0) plan.bottommost = false;  // older versions may lie in its neighbours
  return plan;
}

int SettlingLevel(const Version& version, const PickerOptions& options, std::string_view smallest,
                  std::string_view largest) {
  if (options.style != CompactionStyle::kLeveled) return 0;
  for (int n = 0; n < kLevels; ++n) {
    if (version.AnyOverlap(n, smallest, largest)) return 0;
  }
  return Level0Output(version, ComputeTargets(version, options));
}

std::vector<TableFileRef> FlushGuides(const Version& version, const PickerOptions& options) {
  if (options.style != CompactionStyle::kLeveled) return {};
  std::vector<TableFileRef> guides = version.level(Level0Output(version, ComputeTargets(version, options)));
  // Of too many those stay that a hash chooses, mostly the same ones from flush to flush: a border that moves makes
  // columns hang together.
  const uint64_t one_in = std::bit_ceil((guides.size() + kColumns - 1) / kColumns);
  std::erase_if(guides, [&](const TableFileRef& file) { return HashKey(file->facts().largest) % one_in != 0; });
  return guides;
}

}  // namespace varve::lsm
