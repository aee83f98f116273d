#include "lsm/version/version.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace varve::lsm {

namespace {

bool Touches(const TableFile& file, std::string_view smallest, std::string_view largest) {
  return !file.EndsBefore(smallest) && !file.StartsAfter(largest);
}

bool Disjoint(const TableFile& a, const TableFile& b) {
  return a.EndsBefore(b.facts().smallest) || b.EndsBefore(a.facts().smallest);
}

// The first of a sorted run that does not end before `key`.
auto FirstAt(const std::vector<TableFileRef>& run, std::string_view key) {
  return std::partition_point(run.begin(), run.end(), [&](const TableFileRef& f) { return f->EndsBefore(key); });
}

}  // namespace

Result<std::shared_ptr<const Version>> Version::Apply(const Version& base, const VersionEdit& edit,
                                                      std::string_view source) {
  VersionBuilder builder(base);
  if (Status s = builder.Add(edit, source); !s.ok()) return s;
  return builder.Finish(source);
}

Status VersionBuilder::Add(const VersionEdit& edit, std::string_view source) {
  for (const VersionEdit::Removed& removed : edit.removed) {
    const Place place(removed.level, removed.number);
    touched_[static_cast<size_t>(removed.level)] = true;
    if (added_.erase(place) > 0) continue;
    const auto& files = base_.level(removed.level);
    const bool there =
        std::any_of(files.begin(), files.end(), [&](const TableFileRef& f) { return f->number() == removed.number; });
    if (there && removed_.insert(place).second) continue;
    return Status::Corruption(std::string(source) + ": removes table " + std::to_string(removed.number) +
                              " from level " + std::to_string(removed.level) + ", which does not have it");
  }
  for (const VersionEdit::Added& added : edit.added) {
    touched_[static_cast<size_t>(added.level)] = true;
    added_[{added.level, added.file->number()}] = added.file;
  }
  value_logs_.insert(value_logs_.end(), edit.value_logs.begin(), edit.value_logs.end());
  return Status::Ok();
}

Result<std::shared_ptr<const Version>> VersionBuilder::Finish(std::string_view source) {
  auto next = std::make_shared<Version>();
  for (int n = 0; n < kLevels; ++n) {
    auto& files = next->levels_[static_cast<size_t>(n)];
    files = base_.level(n);
    if (!touched_[static_cast<size_t>(n)]) continue;
    std::erase_if(files, [&](const TableFileRef& file) { return removed_.contains({n, file->number()}); });
    for (auto it = added_.lower_bound({n, 0}); it != added_.end() && it->first.first == n; ++it) {
      files.push_back(std::move(it->second));
    }
    std::sort(files.begin(), files.end(), [n](const TableFileRef& a, const TableFileRef& b) {
      if (n > 0) return a->facts().smallest < b->facts().smallest;
      return std::pair(a->facts().largest_seq, a->number()) > std::pair(b->facts().largest_seq, b->number());
    });
  }
  next->value_logs_ = base_.value_logs();
  next->value_logs_.insert(next->value_logs_.end(), value_logs_.begin(), value_logs_.end());
  next->Finish();
  std::string problem = next->dangling_;
  for (size_t n = 0; n < kLevels && problem.empty(); ++n) {
    if (touched_[n]) problem = next->CheckLevel(n);
  }
  if (!problem.empty()) return Status::Corruption(std::string(source) + ": " + problem);
  return std::shared_ptr<const Version>(std::move(next));
}

void Version::Finish() {
  BuildSublevels();
  with_range_tombstones_.clear();
  deepest_level_ = -1;
  earliest_expiry_ms_ = largest_table_bytes_ = 0;
  for (size_t n = 0; n < kLevels; ++n) {
    const auto& files = levels_[n];
    level_bytes_[n] = level_entries_[n] = 0;
    for (const TableFileRef& file : files) {
      level_bytes_[n] += file->facts().file_size;
      largest_table_bytes_ = std::max(largest_table_bytes_, file->facts().file_size);
      level_entries_[n] += file->facts().entries;
      if (file->facts().range_deletes > 0) with_range_tombstones_.push_back(file);
      const uint64_t expires_ms = file->facts().expires_ms;
      if (expires_ms != 0 && (earliest_expiry_ms_ == 0 || expires_ms < earliest_expiry_ms_)) {
        earliest_expiry_ms_ = expires_ms;
      }
    }
    if (!files.empty()) deepest_level_ = static_cast<int>(n);
  }
  CountReferences();
}

// Sums up what the tables refer to, and lets go of files that none refers to.
void Version::CountReferences() {
  std::sort(value_logs_.begin(), value_logs_.end(),
            [](const ValueLogFileRef& a, const ValueLogFileRef& b) { return a->number() < b->number(); });
  std::unordered_map<uint64_t, uint64_t> live;
  for (const auto& files : levels_) {
    for (const TableFileRef& file : files) {
      for (const ValueLogReference& reference : file->facts().value_logs)
        live[reference.file_number] += reference.bytes;
    }
  }
  std::erase_if(value_logs_, [&](const ValueLogFileRef& file) { return !live.contains(file->number()); });
  value_log_live_.clear();
  value_log_bytes_ = value_log_live_bytes_ = 0;
  dangling_.clear();
  for (const ValueLogFileRef& file : value_logs_) {
    const uint64_t bytes = live[file->number()];
    live.erase(file->number());
    value_log_live_.push_back(bytes);
    value_log_live_bytes_ += bytes;
    value_log_bytes_ += file->facts().record_bytes();
    if (bytes > file->facts().record_bytes()) {
      dangling_ = "W4: tables refer to " + std::to_string(bytes) + " bytes of value-log file " +
                  std::to_string(file->number()) + ", which holds " + std::to_string(file->facts().record_bytes());
    }
  }
  if (!live.empty()) {
    dangling_ = "W4: a table refers to value-log file " + std::to_string(live.begin()->first) + ", which is not there";
  }
}

void Version::BuildSublevels() {
  sublevels_.clear();
  for (auto it = levels_[0].rbegin(); it != levels_[0].rend(); ++it) {
    const TableFile& file = **it;
    const auto meets = [&](const std::vector<TableFileRef>& run) {
      auto other = FirstAt(run, file.facts().smallest);
      return other != run.end() && !Disjoint(**other, file);
    };
    size_t height = sublevels_.size();
    while (height > 0 && !meets(sublevels_[height - 1])) --height;
    if (height == sublevels_.size()) sublevels_.emplace_back();
    sublevels_[height].insert(FirstAt(sublevels_[height], file.facts().smallest), *it);
  }
}

std::vector<std::string> Version::CheckInvariants() const {
  std::vector<std::string> problems;
  // defensive: VersionBuilder makes no version with a problem; Verify looks whether it has stayed so
  if (!dangling_.empty()) problems.push_back(dangling_);
  for (size_t n = 0; n < kLevels; ++n) {
    // defensive: as for W4 above
    if (std::string problem = CheckLevel(n); !problem.empty()) problems.push_back(std::move(problem));
  }
  return problems;
}

std::string Version::CheckLevel(size_t n) const {
  const auto& files = levels_[n];
  const auto tables = [n](const TableFile& a, const TableFile& b) {
    return "level " + std::to_string(n) + " tables " + std::to_string(a.number()) + " and " +
           std::to_string(b.number());
  };
  for (size_t i = 1; n > 0 && i < files.size(); ++i) {
    if (files[i - 1]->EndsBefore(files[i]->facts().smallest)) continue;
    return "W1: " + tables(*files[i - 1], *files[i]) + " overlap in keys";
  }
  for (size_t i = 0; n == 0 && i < files.size(); ++i) {
    const TableFile& newer = *files[i];
    for (size_t k = i + 1; k < files.size(); ++k) {  // sorted: ends at the first that is older as a whole
      const TableFile& older = *files[k];
      if (older.facts().largest_seq < newer.facts().smallest_seq) break;
      if (!Disjoint(newer, older)) return "W2: " + tables(older, newer) + " overlap in keys and in sequences";
    }
  }
  return {};
}

std::span<const TableFileRef> Version::Overlap(int n, std::string_view smallest, std::string_view largest) const {
  return TouchingTables(level(n), smallest, largest);
}

std::span<const TableFileRef> TouchingTables(const std::vector<TableFileRef>& run, std::string_view smallest,
                                             std::string_view largest) {
  const auto first = FirstAt(run, smallest);
  const auto last =
      std::partition_point(first, run.end(), [&](const TableFileRef& f) { return !f->StartsAfter(largest); });
  return {first, last};
}

bool Version::AnyOverlap(int n, std::string_view smallest, std::string_view largest) const {
  if (n > 0) return !Overlap(n, smallest, largest).empty();
  return std::any_of(level(n).begin(), level(n).end(),
                     [&](const TableFileRef& file) { return Touches(*file, smallest, largest); });
}

VersionEdit Version::Snapshot() const {
  VersionEdit edit;
  edit.names_format = true;
  edit.value_logs = value_logs_;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : level(n)) edit.added.push_back({n, file});
  }
  return edit;
}

}  // namespace varve::lsm
