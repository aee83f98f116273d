#include "lsm/compact/tiers.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace varve::lsm {

namespace {

constexpr size_t kRunsToMerge = 4;
// A run joins older or newer ones when it is at most this many times as large as they are on average.
constexpr uint64_t kSimilar = 2;

struct Run {
  std::map<std::string_view, const TableFile*> by_key;  // smallest key -> table
  std::vector<TableFileRef> files;                      // newest first
  uint64_t bytes = 0;

  bool DisjointFrom(const TableFile& file) const {
    auto after = by_key.upper_bound(file.facts().smallest);
    if (after != by_key.end() && !file.EndsBefore(after->first)) return false;
    return after == by_key.begin() || std::prev(after)->second->EndsBefore(file.facts().smallest);
  }
};

// Level 0 as runs, newest first.
std::vector<Run> Runs(const Version& version) {
  std::vector<Run> runs;
  const auto& files = version.level(0);
  for (size_t i = 0; i < files.size();) {
    // Tables whose sequences interleave, as those of one merge do, stay together.
    size_t limit = i + 1;
    for (SequenceNumber oldest = files[i]->facts().smallest_seq;
         limit < files.size() && files[limit]->facts().largest_seq >= oldest; ++limit) {
      oldest = std::min(oldest, files[limit]->facts().smallest_seq);
    }
    const bool joins =
        !runs.empty() &&
        std::all_of(files.begin() + static_cast<std::ptrdiff_t>(i), files.begin() + static_cast<std::ptrdiff_t>(limit),
                    [&](const TableFileRef& file) { return runs.back().DisjointFrom(*file); });
    if (!joins) runs.emplace_back();
    for (; i < limit; ++i) {
      runs.back().by_key.emplace(files[i]->facts().smallest, files[i].get());
      runs.back().files.push_back(files[i]);
      runs.back().bytes += files[i]->facts().file_size;
    }
  }
  return runs;
}

}  // namespace

std::optional<CompactionPlan> PickTier(const Version& version, const PickerOptions& options, RunningPlans running) {
  if (version.sublevels().size() < kRunsToMerge) return std::nullopt;
  const std::vector<Run> runs = Runs(version);
  for (size_t first = 0; first + kRunsToMerge <= runs.size(); ++first) {
    uint64_t bytes = runs[first].bytes;
    size_t limit = first + 1;
    while (limit < runs.size() && runs[limit].bytes <= kSimilar * (bytes / (limit - first))) {
      bytes += runs[limit++].bytes;
    }
    if (limit - first < kRunsToMerge) continue;
    CompactionPlan plan;
    for (size_t i = first; i < limit; ++i) {
      plan.inputs.insert(plan.inputs.end(), runs[i].files.begin(), runs[i].files.end());
    }
    plan.reason = std::to_string(limit - first) + " runs of similar size";
    if (Complete(version, options, running, &plan)) return plan;
  }
  return std::nullopt;
}

bool TiersOverflow(const Version& version) {
  return version.sublevels().size() >= kRunsToMerge && version.level_bytes(0) >= version.level_bytes(kLevels - 1);
}

std::vector<VersionEdit::Added> FindRetired(const Version& version, const Retention& retention, int64_t now_ms) {
  std::vector<VersionEdit::Added> expired;
  uint64_t bytes = version.value_log_live_bytes();
  for (int n = 0; n < kLevels; ++n) bytes += version.level_bytes(n);
  // Oldest first, and none before everything that may hold older versions of its keys is gone.
  for (int n = kLevels - 1; n >= 0; --n) {
    std::vector<TableFileRef> files(version.level(n).rbegin(), version.level(n).rend());
    if (n > 0) {
      std::stable_sort(files.begin(), files.end(), [](const TableFileRef& a, const TableFileRef& b) {
        return a->facts().created_ms < b->facts().created_ms;
      });
    }
    for (const TableFileRef& file : files) {
      const bool too_old = retention.age_max_ms > 0 && now_ms - file->facts().created_ms >= retention.age_max_ms;
      const bool too_much = retention.bytes_max > 0 && bytes > retention.bytes_max;
      if ((!too_old && !too_much) || file->being_compacted) return expired;
      bytes -= file->facts().file_size;
      for (const ValueLogReference& values : file->facts().value_logs) bytes -= values.bytes;
      expired.push_back({n, file});
    }
  }
  return expired;
}

int64_t NextRetirement(const Version& version, const Retention& retention) {
  if (retention.age_max_ms <= 0) return kNever;
  int64_t next = kNever;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : version.level(n)) {
      next = std::min(next, file->facts().created_ms + retention.age_max_ms);
    }
  }
  return next;
}

}  // namespace varve::lsm
