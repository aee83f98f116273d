#include "lsm/compact/collection.h"

#include <algorithm>

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

struct Bytes {
  uint64_t all = 0, garbage = 0;
};

// Of the files that can be emptied.
Bytes Collectable(const Version& version) {
  Bytes bytes;
  for (size_t i = 0; i < version.value_logs().size(); ++i) {
    if (version.value_logs()[i]->damaged()) continue;
    bytes.all += version.value_logs()[i]->facts().record_bytes();
    bytes.garbage += GarbageOf(version, i);
  }
  return bytes;
}

}  // namespace

double GarbageShare(const Version& version, const PickerOptions& options) {
  const uint64_t slack = kCollectionSlack * options.memtable_bytes;
  if (version.value_log_bytes() - version.value_log_live_bytes() <= slack) return 0;
  const auto [bytes, garbage] = Collectable(version);
  return garbage <= slack ? 0 : static_cast<double>(garbage - slack) / static_cast<double>(bytes);
}

std::vector<uint64_t> FilesToCollect(const Version& version, const PickerOptions& options) {
  if (GarbageShare(version, options) <= kGarbageDue) return {};
  std::vector<size_t> order;  // oldest first
  for (size_t i = 0; i < version.value_logs().size(); ++i) {
    if (!version.value_logs()[i]->damaged()) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return ShareOf(version, a) > ShareOf(version, b); });
  auto [bytes, garbage] = Collectable(version);
  garbage -= kCollectionSlack * options.memtable_bytes;
  std::vector<uint64_t> numbers;
  for (const size_t i : order) {
    if (static_cast<double>(garbage) <= kGarbageAim * static_cast<double>(bytes)) break;
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
  const std::vector<uint64_t> collected = FilesToCollect(version, options);
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
