#include "lsm/compact/collection.h"

#include <algorithm>
#include <unordered_set>

namespace varve::lsm {

namespace {

// What is left when the files to be collected are gone. Little below kGarbageDue: files that wait for their turn gather
// more garbage meanwhile, and then cost less.
constexpr double kGarbageAim = 0.23;

uint64_t GarbageOf(const Version& version, size_t i) {
  return version.value_logs()[i]->facts().record_bytes() - version.value_log_live(i);
}

double ShareOf(const Version& version, size_t i) {
  return static_cast<double>(GarbageOf(version, i)) /
         static_cast<double>(version.value_logs()[i]->facts().record_bytes());
}

// Which of version.value_logs() can be emptied: all their values can be read, and all tables that refer to them.
std::vector<size_t> Collectable(const Version& version) {
  std::unordered_set<uint64_t> stuck;  // by number
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : version.level(n)) {
      if (!file->quarantined) continue;
      for (const ValueLogReference& reference : file->facts().value_logs) stuck.insert(reference.file_number);
    }
  }
  std::vector<size_t> files;
  for (size_t i = 0; i < version.value_logs().size(); ++i) {
    const ValueLogFile& file = *version.value_logs()[i];
    if (!file.damaged() && !stuck.contains(file.number())) files.push_back(i);
  }
  return files;
}

struct Bytes {
  uint64_t all = 0, garbage = 0;

  Bytes(const Version& version, const std::vector<size_t>& files) {
    for (const size_t i : files) {
      all += version.value_logs()[i]->facts().record_bytes();
      garbage += GarbageOf(version, i);
    }
  }
  double Share(uint64_t slack) const {
    return garbage <= slack ? 0 : static_cast<double>(garbage - slack) / static_cast<double>(all);
  }
};

uint64_t SlackOf(const PickerOptions& options) {
  return kCollectionSlack * options.memtable_bytes;
}

// In FIFO nothing is rewritten: it would be new again. And most versions have little garbage.
bool MayHaveDue(const Version& version, const PickerOptions& options) {
  return options.style != CompactionStyle::kFifo &&
         version.value_log_bytes() - version.value_log_live_bytes() > SlackOf(options);
}

}  // namespace

double GarbageShare(const Version& version, const PickerOptions& options) {
  if (!MayHaveDue(version, options)) return 0;
  return Bytes(version, Collectable(version)).Share(SlackOf(options));
}

std::vector<uint64_t> FilesToCollect(const Version& version, const PickerOptions& options) {
  if (!MayHaveDue(version, options)) return {};
  std::vector<size_t> order = Collectable(version);  // oldest first
  const Bytes sum(version, order);
  if (sum.Share(SlackOf(options)) <= kGarbageDue) return {};
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return ShareOf(version, a) > ShareOf(version, b); });
  uint64_t bytes = sum.all, garbage = sum.garbage - SlackOf(options);
  std::vector<uint64_t> numbers;
  uint64_t room = options.room_bytes;
  for (const size_t i : order) {
    if (static_cast<double>(garbage) <= kGarbageAim * static_cast<double>(bytes)) break;
    if (version.value_log_live(i) > room) break;
    room -= version.value_log_live(i);
    const uint64_t freed = std::min(garbage, GarbageOf(version, i));
    garbage -= freed;
    bytes -= freed;
    numbers.push_back(version.value_logs()[i]->number());
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::optional<CompactionPlan> PickCollection(const Version& version, const PickerOptions& options,
                                             RunningPlans running) {
  if (GarbageShare(version, options) <= kGarbageDue) return std::nullopt;
  PickerOptions beside = options;  // a table is rewritten beside the values
  beside.room_bytes -= std::min(beside.room_bytes, version.largest_table_bytes());
  const std::vector<uint64_t> collected = FilesToCollect(version, beside);
  if (collected.empty()) return std::nullopt;
  struct Candidate {
    int level;
    TableFileRef file;
    uint64_t bytes;
  };
  std::vector<Candidate> candidates;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : version.level(n)) {
      uint64_t bytes = 0;
      for (const ValueLogReference& reference : file->facts().value_logs) {
        if (std::binary_search(collected.begin(), collected.end(), reference.file_number)) bytes += reference.bytes;
      }
      if (bytes > 0) candidates.push_back({n, file, bytes});
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.bytes > b.bytes; });
  for (const Candidate& candidate : candidates) {
    auto plan = PickRewrite(version, options, running, candidate.level, candidate.file,
                            "value log: " + std::to_string(collected.size()) + " files to be emptied");
    if (plan) return plan;
  }
  return std::nullopt;
}

}  // namespace varve::lsm
