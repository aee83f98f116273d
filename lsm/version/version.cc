#include "lsm/version/version.h"

#include <algorithm>
#include <utility>

namespace varve::lsm {

namespace {

bool Touches(const TableFile& file, std::string_view smallest, std::string_view largest) {
  return !file.EndsBefore(smallest) && !file.StartsAfter(largest);
}

}  // namespace

Result<std::shared_ptr<const Version>> Version::Apply(const Version& base, const VersionEdit& edit,
                                                      std::string_view source) {
  auto next = std::make_shared<Version>(base);
  for (const VersionEdit::Removed& removed : edit.removed) {
    auto& files = next->levels_[static_cast<size_t>(removed.level)];
    auto it =
        std::find_if(files.begin(), files.end(), [&](const TableFileRef& f) { return f->number() == removed.number; });
    if (it == files.end()) {
      return Status::Corruption(std::string(source) + ": removes table " + std::to_string(removed.number) +
                                " from level " + std::to_string(removed.level) + ", which does not have it");
    }
    files.erase(it);
  }
  for (const VersionEdit::Added& added : edit.added)
    next->levels_[static_cast<size_t>(added.level)].push_back(added.file);
  next->Finish();
  if (std::vector<std::string> problems = next->CheckInvariants(); !problems.empty()) {
    return Status::Corruption(std::string(source) + ": " + problems.front());
  }
  return std::shared_ptr<const Version>(std::move(next));
}

void Version::Finish() {
  std::sort(levels_[0].begin(), levels_[0].end(), [](const TableFileRef& a, const TableFileRef& b) {
    return a->facts().largest_seq > b->facts().largest_seq;
  });
  with_range_tombstones_.clear();
  deepest_level_ = -1;
  for (size_t n = 0; n < kLevels; ++n) {
    auto& files = levels_[n];
    if (n > 0) {
      std::sort(files.begin(), files.end(),
                [](const TableFileRef& a, const TableFileRef& b) { return a->facts().smallest < b->facts().smallest; });
    }
    level_bytes_[n] = 0;
    for (const TableFileRef& file : files) {
      level_bytes_[n] += file->facts().file_size;
      if (file->facts().range_deletes > 0) with_range_tombstones_.push_back(file);
    }
    if (!files.empty()) deepest_level_ = static_cast<int>(n);
  }
}

std::vector<std::string> Version::CheckInvariants() const {
  std::vector<std::string> problems;
  for (size_t i = 1; i < levels_[0].size(); ++i) {
    if (levels_[0][i]->facts().largest_seq >= levels_[0][i - 1]->facts().smallest_seq) {
      problems.push_back("W2: level 0 tables " + std::to_string(levels_[0][i]->number()) + " and " +
                         std::to_string(levels_[0][i - 1]->number()) + " overlap in sequences");
    }
  }
  for (size_t n = 1; n < kLevels; ++n) {
    for (size_t i = 1; i < levels_[n].size(); ++i) {
      if (!levels_[n][i - 1]->EndsBefore(levels_[n][i]->facts().smallest)) {
        problems.push_back("W1: level " + std::to_string(n) + " tables " + std::to_string(levels_[n][i - 1]->number()) +
                           " and " + std::to_string(levels_[n][i]->number()) + " overlap in keys");
      }
    }
  }
  return problems;
}

uint64_t Version::file_count() const {
  uint64_t count = 0;
  for (const auto& files : levels_) count += files.size();
  return count;
}

std::vector<TableFileRef> Version::Overlapping(int n, std::string_view smallest, std::string_view largest) const {
  std::vector<TableFileRef> result;
  for (const TableFileRef& file : level(n)) {
    if (Touches(*file, smallest, largest)) result.push_back(file);
  }
  return result;
}

bool Version::AnyOverlap(int n, std::string_view smallest, std::string_view largest) const {
  return std::any_of(level(n).begin(), level(n).end(),
                     [&](const TableFileRef& file) { return Touches(*file, smallest, largest); });
}

VersionEdit Version::Snapshot() const {
  VersionEdit edit;
  edit.names_format = true;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : level(n)) edit.added.push_back({n, file});
  }
  return edit;
}

}  // namespace varve::lsm
